//! `mitmlab chat`: a small client of chats over WebSockets. It says something in a room, hears what others say, or is both members.
//!
//! With `--end-to-end` two members who agreed on a secret beforehand encrypt for each other above TLS: whoever reads TLS on the way sees
//! that they talk, how much and when, and not what. Exit codes are those of `mitmlab client`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::tls::{Hello, secure};
use super::verify::Manner;
use super::{Failure, Settings, Url, UrlError};

mod noise;
mod talk;

use noise::Secret;
use talk::Talk;

/// What is said, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where: wss://HOST/room/NAME; a new room if none is named
    pub url: String,
    /// Say this. Repeatable
    #[arg(long, value_name = "TEXT")]
    pub say: Vec<String>,
    /// Wait for so many messages of others and print them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hear: usize,
    /// Be the other member too, on a connection of its own, and print what it heard
    #[arg(long, conflicts_with = "hear", requires = "say")]
    pub both: bool,
    /// Encrypt for the other member above TLS. The secret has 64 hexadecimal digits; with --both it may be left out
    #[arg(long, value_name = "SECRET", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub end_to_end: Option<String>,
    /// The name that messages are signed with
    #[arg(long, value_name = "NAME", default_value = "somebody")]
    pub name: String,
    /// Go on whatever the certificate says
    #[arg(long)]
    pub insecure: bool,
    /// PEM bundle of trusted roots [default: $SSL_CERT_FILE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Seconds that the whole may take
    #[arg(long, value_name = "S", default_value_t = 15)]
    pub max_time: u64,
}

/// Talks, prints what was heard on `out` or the failure on `err`, returns the exit code.
pub async fn run(options: &Options, settings: Settings, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let written = match converse(options, settings).await {
        Ok(heard) => heard.iter().try_for_each(|line| writeln!(out, "{line}")).map(|()| 0),
        Err(failure) => writeln!(err, "mitmlab chat: ({}) {failure}", failure.exit_code()).map(|()| failure.exit_code()),
    };
    written.unwrap_or(WRITE_FAILED)
}

/// Talks; what was heard, a line for each message.
///
/// # Errors
/// The check or step that failed.
pub async fn converse(options: &Options, mut settings: Settings) -> Result<Vec<String>, Failure> {
    if let Some(bundle) = &options.cacert {
        settings.roots = Some(bundle.clone());
    }
    let url = room(&options.url)?;
    let secret = secret(options)?;
    let limit = Duration::from_secs(options.max_time.clamp(1, LONGEST_TIME_S));
    let late = |_| Failure::Timeout { seconds: limit.as_secs(), step: "talking" };
    let part = |say: &[String], hear| Part { say: say.to_vec(), hear, name: options.name.clone(), secret: secret.clone() };
    let enter = || enter(&url, options.insecure, &settings);
    let talked = async {
        if !options.both {
            return part(&options.say, options.hear).play(enter().await?, &url).await;
        }
        // Both are in the room before a word is said. The first failure ends it: one member alone has nobody to talk to.
        let (one, other) = tokio::try_join!(enter(), enter())?;
        let (says, hears) = (part(&options.say, 0), part(&[], options.say.len()));
        tokio::try_join!(says.play(one, &url), hears.play(other, &url)).map(|(_, heard)| heard)
    };
    timeout(limit, talked).await.map_err(late)?
}

/// Shakes hands and joins the room.
async fn enter(url: &Url, insecure: bool, settings: &Settings) -> Result<Talk, Failure> {
    let hello =
        Hello { sni: None, no_sni: false, tls12: false, post_quantum: false, alpn: &["http/1.1"], split: 0, connect: None };
    let manner = if insecure { Manner::Look } else { Manner::Refuse };
    let secured = secure(url, &hello, manner, settings).await.map_err(|ended| ended.failure)?;
    Talk::open(secured.stream, url).await
}

/// What one member does.
#[derive(Clone, Debug)]
struct Part {
    say: Vec<String>,
    hear: usize,
    name: String,
    secret: Option<Secret>,
}

impl Part {
    async fn play(self, mut talk: Talk, url: &Url) -> Result<Vec<String>, Failure> {
        let heard = match &self.secret {
            None => openly(&mut talk, &self).await,
            Some(secret) if !self.say.is_empty() => {
                noise::say(&mut talk, secret, &url.path, &self.say).await.map(|()| Vec::new())
            }
            Some(secret) => noise::hear(&mut talk, secret, &url.path, self.hear).await,
        }?;
        talk.close().await;
        Ok(heard)
    }
}

/// Says everything, and waits until the room has repeated it and so many others' messages have come.
async fn openly(talk: &mut Talk, part: &Part) -> Result<Vec<String>, Failure> {
    let mut own = Vec::new();
    for said in &part.say {
        let text = serde_json::json!({ "from": part.name, "text": said }).to_string();
        talk.text(&text).await?;
        own.push(text);
    }
    let mut heard = Vec::new();
    while !own.is_empty() || heard.len() < part.hear {
        let text = talk.next_text().await?;
        match own.iter().position(|said| *said == text) {
            Some(at) => drop(own.remove(at)),
            None => heard.push(printable(&text)),
        }
    }
    Ok(heard)
}

/// `from: text`, or the message as it came.
fn printable(text: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let member = |name: &str| parsed.as_ref().and_then(|value| value.get(name)?.as_str().map(str::to_owned));
    let line = match (member("from"), member("text")) {
        (Some(from), Some(text)) => format!("{from}: {text}"),
        _ => text.to_owned(),
    };
    plain(&line)
}

/// Without control characters: what others say is printed on a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// `wss` only; without a room, one that nobody else is in.
fn room(text: &str) -> Result<Url, Failure> {
    let wrong = |reason: String| Failure::Setting { what: "URL".to_owned(), reason };
    let rest = text.strip_prefix("wss://").ok_or_else(|| wrong(format!("`{text}` does not begin with `wss://`")))?;
    let mut url: Url = format!("https://{rest}").parse().map_err(|e: UrlError| wrong(e.to_string()))?;
    if url.path == "/" {
        url.path = format!("/room/{}", &Secret::random().to_string()[..16]);
    }
    Ok(url)
}

fn secret(options: &Options) -> Result<Option<Secret>, Failure> {
    let wrong = |reason: String| Failure::Setting { what: "--end-to-end".to_owned(), reason };
    match options.end_to_end.as_deref() {
        None => Ok(None),
        Some("") if options.both => Ok(Some(Secret::random())),
        Some("") => Err(wrong(format!("both members need the same secret; a new one is --end-to-end={}", Secret::random()))),
        Some(_) if options.say.is_empty() == (options.hear == 0) && !options.both => {
            Err(wrong("one member has --say, the other one --hear".to_owned()))
        }
        Some(text) => Secret::parse(text).map(Some).ok_or_else(|| wrong("64 hexadecimal digits are expected".to_owned())),
    }
}

/// curl's code for a failed write.
const WRITE_FAILED: u8 = 23;
const LONGEST_TIME_S: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_named_or_new() {
        let path = |text: &str| room(text).map(|url| url.path).map_err(|e| e.to_string());
        assert_eq!(path("wss://chat.test/room/a"), Ok("/room/a".to_owned()));
        let (one, two) = (path("wss://chat.test").unwrap(), path("wss://chat.test/").unwrap());
        assert!(one.starts_with("/room/") && one != two);
        assert!(path("https://chat.test/").unwrap_err().contains("wss://"));
    }

    #[test]
    fn what_others_say_cannot_steer_a_terminal() {
        assert_eq!(printable("{\"from\":\"a\",\"text\":\"hi\\u001b[2J\"}"), "a: hi[2J");
        assert_eq!(printable("no JSON\u{7}"), "no JSON");
    }
}
