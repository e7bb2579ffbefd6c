//! `mitmlab client`: a small HTTPS client. It checks what a careful program checks and says which check failed.
//!
//! Exit codes: 0 an answer came; 60 certificate refused; 61 key on the block list; 90 pin mismatch; else curl's.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::http::{Reply, get};
use super::tls::{Hello, Secured, secure};
use super::verify::Manner;
use super::{Failure, Settings, Url, UrlError};
use crate::client::trust::{bare_pin, spki_pin};

/// What is asked, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// URL to get; https only
    pub url: String,
    /// Go on whatever the certificate says
    #[arg(long)]
    pub insecure: bool,
    /// Accept only a server whose key has this SHA-256 (base64); checked after the handshake, before any request. Repeatable
    #[arg(long, value_name = "BASE64")]
    pub pin: Vec<String>,
    /// Send the first N bytes of the hello in a TCP segment of their own
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub split_hello: usize,
    /// Send no server name
    #[arg(long, conflicts_with = "sni")]
    pub no_sni: bool,
    /// Send this server name in place of the URL's host (the certificate is checked for the URL's host)
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// Dial this address in place of the host's, past any proxy
    #[arg(long, value_name = "ADDR:PORT")]
    pub connect: Option<SocketAddr>,
    /// Offer TLS 1.2 only
    #[arg(long = "tls1.2")]
    pub tls12: bool,
    /// Offer post-quantum key exchange (X25519MLKEM768): a hello of some 1,700 bytes, more than a TCP segment
    #[arg(long)]
    pub post_quantum: bool,
    /// Offer HTTP/2
    #[arg(long)]
    pub http2: bool,
    /// Try HTTP/3 over QUIC first, and TCP where nobody answers; what became of QUIC is told on standard error
    #[cfg(feature = "http3")]
    #[arg(long)]
    pub http3: bool,
    /// PEM bundle of trusted roots [default: $SSL_CERT_FILE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Seconds that the whole may take
    #[arg(long, value_name = "S", default_value_t = 15)]
    pub max_time: u64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2.0` or `HTTP/3.0`.
    pub version: String,
    /// First line of the body, at most 200 characters.
    pub first_line: String,
    /// SHA-256 of the server's key, base64.
    pub pin: String,
    /// The address that was dialled.
    pub address: SocketAddr,
    /// Why it did not come over QUIC, if that was tried.
    pub fell_back: Option<String>,
}

/// Asks, prints the answer on `out` or the failure on `err`, returns the exit code.
pub async fn run(options: &Options, settings: Settings, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let written = match fetch(options, settings).await {
        Ok(answer) => {
            let told = answer.fell_back.iter().try_for_each(|why| writeln!(err, "mitmlab client: falling back to TCP: {why}"));
            told.and_then(|()| writeln!(out, "{} {}\n{}", answer.version, answer.status, answer.first_line)).map(|()| 0)
        }
        Err(failure) => writeln!(err, "mitmlab client: ({}) {failure}", failure.exit_code()).map(|()| failure.exit_code()),
    };
    written.unwrap_or(WRITE_FAILED)
}

/// Asks.
///
/// # Errors
/// The check or step that failed.
pub async fn fetch(options: &Options, settings: Settings) -> Result<Answer, Failure> {
    let wrong = |e: UrlError| Failure::Setting { what: "URL".to_owned(), reason: e.to_string() };
    let url: Url = options.url.parse().map_err(wrong)?;
    let limit = Duration::from_secs(options.max_time.clamp(1, LONGEST_TIME_S));
    let late = |step| move |_| Failure::Timeout { seconds: limit.as_secs(), step };
    let began = tokio::time::Instant::now();
    let fell_back = match timeout(limit, quic(&url, options, &settings)).await.map_err(late("waiting for the answer"))?? {
        Tried::Answer(answer) => return Ok(answer),
        Tried::Not => None,
        Tried::Silence(why) => Some(why),
    };
    let left = limit.saturating_sub(began.elapsed());
    let secured = timeout(left, handshake(&url, options, settings)).await.map_err(late("connecting"))??;
    let Secured { stream, shown, address, .. } = secured;
    let pin = shown.chain.first().and_then(|leaf| spki_pin(leaf).ok()).unwrap_or_default();
    if !options.pin.is_empty() && !options.pin.iter().any(|wanted| bare_pin(wanted) == pin) {
        hang_up(stream).await;
        return Err(Failure::Pin { seen: pin });
    }
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let left = limit.saturating_sub(began.elapsed());
    let reply = timeout(left, get(stream, &url, h2)).await.map_err(late("waiting for the answer"))??;
    let first_line = first_line(&reply);
    Ok(Answer { status: reply.status, version: reply.version, first_line, pin, address, fell_back })
}

/// What came of HTTP/3.
enum Tried {
    /// It was not asked for.
    Not,
    /// Nobody answered.
    Silence(String),
    #[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "there is no HTTP/3 in this build"))]
    Answer(Answer),
}

#[cfg(not(feature = "http3"))]
async fn quic(_: &Url, _: &Options, _: &Settings) -> Result<Tried, Failure> {
    Ok(Tried::Not)
}

#[cfg(feature = "http3")]
async fn quic(url: &Url, options: &Options, settings: &Settings) -> Result<Tried, Failure> {
    use super::http3::{Outcome, get};
    if !options.http3 {
        return Ok(Tried::Not);
    }
    let (hello, manner, settings) = manners(options, settings.clone());
    let (reply, shown, address) = match get(url, &hello, manner, &settings).await? {
        Outcome::Silence(why) => return Ok(Tried::Silence(why)),
        Outcome::Answer(answer) => *answer,
    };
    let pin = shown.chain.first().and_then(|leaf| spki_pin(leaf).ok()).unwrap_or_default();
    let first_line = first_line(&reply);
    Ok(Tried::Answer(Answer { status: reply.status, version: reply.version, first_line, pin, address, fell_back: None }))
}

async fn handshake(url: &Url, options: &Options, settings: Settings) -> Result<Secured, Failure> {
    let (hello, manner, settings) = manners(options, settings);
    secure(url, &hello, manner, &settings).await.map_err(|ended| ended.failure)
}

fn manners(options: &Options, mut settings: Settings) -> (Hello, Manner, Settings) {
    if let Some(bundle) = &options.cacert {
        settings.roots = Some(bundle.clone());
    }
    let hello = Hello {
        sni: options.sni.clone(),
        no_sni: options.no_sni,
        tls12: options.tls12,
        post_quantum: options.post_quantum,
        alpn: if options.http2 { &["h2", "http/1.1"] } else { &["http/1.1"] },
        split: options.split_hello,
        connect: options.connect,
    };
    let manner = if options.insecure { Manner::Look } else { Manner::Refuse };
    (hello, manner, settings)
}

/// close_notify, then FIN, as a pinned program does that changed its mind.
async fn hang_up(mut stream: tokio_rustls::client::TlsStream<super::split::Split>) {
    let _ = timeout(Duration::from_secs(1), tokio::io::AsyncWriteExt::shutdown(&mut stream)).await;
}

fn first_line(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// curl's code for a failed write.
const WRITE_FAILED: u8 = 23;
const LONGEST_TIME_S: u64 = 600;
