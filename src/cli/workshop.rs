//! `mitmlab workshop`: many participants, a lab for each, and one console for the browser.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::network::{interrupted, runtime};
use super::scenario::load;
use super::{NetworkArg, NetworkChoice, print};
use crate::error::{AS_EXPECTED, Error};
use crate::scenario::Plan;
use crate::workshop::lesson::Lessons;
use crate::workshop::{Listener, Network, Served, Settings, serve};

/// `mitmlab workshop`
#[derive(Debug, Args)]
pub struct Workshop {
    /// The lesson to begin with, or a scenario: a name or a file
    #[arg(value_name = "LESSON|SCENARIO", default_value = "what-is-a-certificate")]
    pub begin: String,
    /// Participants, and so labs, at most
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub participants: u16,
    /// Labs to keep ready for whoever comes next; as many more are started as people join. 0: each is started when it is wanted
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=200))]
    pub spare: u16,
    /// How bytes reach the box, in every participant's lab
    #[command(flatten)]
    pub network: NetworkArg,
    /// Port of the console on loopback; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Let other devices in: listen on this one address of the machine instead of loopback
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
    /// Needed with `--listen`: whoever is on that network can reach the console, and can read what its users do there
    #[arg(long = "i-understand-others-can-reach-it", id = "understood", requires = "listen")]
    pub understood: bool,
    /// End labs that nobody has used for so long, such as 15m
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = span)]
    pub idle: Duration,
    /// Print one line of JSON with the addresses
    #[arg(long)]
    pub json: bool,
    /// Serve the console's files from this folder
    #[arg(long, value_name = "DIR", hide = true)]
    pub console_dir: Option<PathBuf>,
}

/// Keeps a workshop up until the user has had enough.
pub(super) fn workshop(options: &Workshop) -> Result<u8, Error> {
    let program = std::env::current_exe().map_err(|e| Error::machine("find this program", e))?;
    let begin = Begin::of(&options.begin)?; // wrong words are told before anybody joins
    let settings = Settings {
        program,
        lesson: begin.lesson,
        lessons: begin.lessons,
        scenario: begin.scenario,
        plan: Arc::new(begin.plan),
        phase: begin.phase,
        most: usize::from(options.participants),
        spares: usize::from(options.spare),
        network: match options.network.network {
            NetworkChoice::Auto => Network::Auto,
            NetworkChoice::Sealed => Network::Sealed,
            NetworkChoice::Proxy => Network::Proxy,
        },
        idle: options.idle,
        console: options.console_dir.clone(),
    };
    refuse_by_default(options)?;
    let listener = Listener::bind(options.listen, options.port).map_err(Error::Usage)?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(settings, listener, |served| tell(options, served), interrupted()));
    runtime.shutdown_timeout(Duration::from_millis(500));
    served.map(|()| AS_EXPECTED).map_err(Error::Machine)
}

/// Another address than loopback is a decision of the trainer's, with open eyes.
fn refuse_by_default(options: &Workshop) -> Result<(), Error> {
    match options.listen.filter(|address| !address.is_loopback() && !options.understood) {
        None => Ok(()),
        Some(address) => Err(Error::Usage(format!(
            "`--listen {address}` lets other devices in: whoever can reach {address} can reach the console and read along, it is plain HTTP\n\
             hint: if that is meant, add `--i-understand-others-can-reach-it`"
        ))),
    }
}

/// What a workshop begins with.
struct Begin {
    lesson: Option<String>,
    lessons: Lessons,
    scenario: String,
    phase: Option<String>,
    plan: Plan,
}

impl Begin {
    /// A lesson by name or file, else a scenario.
    fn of(word: &str) -> Result<Self, Error> {
        let path = Path::new(word);
        let own = path.extension().is_some_and(|ending| ending == "md");
        let mut lessons = Lessons::built_in().map_err(|e| Error::Bug(e.to_string()))?;
        if own {
            lessons = lessons.with_file(path).map_err(|e| Error::Usage(e.to_string()))?;
        }
        let name = if own { path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(word) } else { word };
        if let Some(lesson) = lessons.get(name, "en").cloned() {
            let (lesson, front) = (Some(lesson.name), lesson.front);
            return Ok(Self { lesson, plan: load(&front.scenario)?, scenario: front.scenario, phase: front.phase, lessons });
        }
        Ok(Self { lesson: None, lessons, plan: load(word)?, scenario: word.to_owned(), phase: None })
    }
}

fn tell(options: &Workshop, served: &Served) {
    if let Some(address) = options.listen.filter(|address| !address.is_loopback()) {
        print::err(format_args!(
            "mitmlab: warning: everyone who can reach {address} can reach this console, and can read along: it is plain HTTP\n\
             mitmlab: the labs themselves stay sealed, on this machine; the trainer's view opens here only"
        ));
    }
    let Served { url, join, trainer } = served;
    let text = if options.json {
        let told = serde_json::json!({ "url": url, "join": join, "trainer": trainer, "pid": std::process::id() });
        format!("{told}\n")
    } else {
        format!(
            "console   {trainer}\nOpen it in a browser of this machine: it shows the link for the class, and a lab of your own. Ctrl-C ends all labs.\n"
        )
    };
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush()); // whoever started it may not read
}

/// `90s`, `15m`, `2h`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time such as 90s, 15m or 2h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    if count == 0 { Err(wrong()) } else { Ok(Duration::from_secs(u64::from(count) * seconds)) }
}
