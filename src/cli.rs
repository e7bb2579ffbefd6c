//! The command line: one file per subcommand, this one holds the words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub mod ca;
pub mod cert;
mod doctor;
mod down;
mod env;
mod exec;
pub mod forge;
pub mod forms;
mod guard;
mod lesson;
mod manual;
mod network;
mod own;
mod print;
pub mod profile;
pub mod report;
mod run;
mod scenario;
pub mod score;
mod show;
mod standing;
pub mod suite;
mod up;
pub mod verify;
pub mod voice;
mod workshop;

use crate::error::Error;
use crate::scenario::{Speaks, Trust, Vantage};

/// Put a small Internet, an interception box and an unmodified client on one machine, and see with evidence what happens.
#[derive(Debug, Parser)]
#[command(name = "mitmlab", version, about, max_term_width = 110, arg_required_else_help = true)]
#[command(
    after_help = "Start here:\n  mitmlab run kazakhstan-2019            July 2019, with the clients found on this machine\n  \
    mitmlab exec kazakhstan-2019 -- curl https://www.facebook.com/\n  mitmlab doctor                         what this machine can do\n\n\
    Exit codes: 0 as expected, 1 something differs, 2 wrong command line or scenario, 3 the machine cannot, 4 a bug."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Does it; the exit code. Called while the process has one thread: the sealed network is entered in here.
    ///
    /// # Errors
    /// See [`Error`]; each kind has its own exit code.
    pub fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::Run(run) => run::run(&run),
            Command::Verify(verify) => verify::verify(&verify),
            Command::Score(score) => score::score(&score),
            Command::Report(command) => report::report(&command),
            Command::Exec(exec) => exec::exec(exec),
            Command::Up(up) => up::up(&up),
            Command::Env(env) => env::env(&env),
            Command::Down(down) => down::down(&down),
            Command::Show(show) => show::show(&show),
            Command::Workshop(options) => workshop::workshop(&options),
            Command::Lesson(command) => lesson::lesson(&command),
            Command::Scenario(command) => scenario::scenario(command),
            Command::Doctor { json } => doctor::doctor(json),
            Command::Client(options) => own::client(&options),
            Command::Chat(options) => own::chat(&options),
            Command::Probe(options) => own::probe(&options),
            Command::Forge(args) => printed(|out| forge::run(&args, out)),
            Command::Ca(args) => printed(|out| ca::run(&args, out)),
            Command::Cert(args) => printed(|out| cert::run(&args, out)),
            Command::Profile(args) => printed(|out| profile::run(&args, out)),
            Command::Completions { shell } => manual::completions(shell),
            Command::Man => manual::man(),
            Command::Guard { lab } => guard::guard(lab),
        }
    }
}

/// Says on standard error why the command ends.
pub fn complain(error: &Error) {
    print::err(format_args!("mitmlab: {error}"));
}

/// Runs a command that prints; its errors are the user's to mend.
fn printed(run: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<u8>) -> Result<u8, Error> {
    let mut text = Vec::new();
    let code = run(&mut text).map_err(|error| Error::Usage(format!("{error:#}")))?;
    print::out(&String::from_utf8_lossy(&text))?;
    Ok(code)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios: start the lab, run their clients, say what happened
    Run(Run),
    /// Is a client safe? Run it through the faults that it must refuse and the changes that it must accept
    Verify(verify::Verify),
    /// How good is a detector? Run it where the lab knows the truth, and count
    Score(Box<score::Score>),
    /// Judge a recording again without running anything; or join the reports of a suite's shards
    Report(report::Report),
    /// Run one command in the lab; its exit code is passed through
    Exec(Exec),
    /// Keep a lab up, for clients and test suites that are started elsewhere
    Up(Up),
    /// Print the variables that lead a shell's programs into a lab that is up: `eval "$(mitmlab env)"`
    Env(Env),
    /// End labs that are up
    Down(Down),
    /// Tell one connection's story from a recording, step by step
    Show(Show),
    /// Teach with it: a lab for each participant, lessons, and a console for the browser
    Workshop(workshop::Workshop),
    /// List, show, check or begin lessons
    #[command(subcommand)]
    Lesson(lesson::LessonCommand),
    /// List, show, explain or check scenarios
    #[command(subcommand)]
    Scenario(Scenario),
    /// Say what this machine can do, and the remedy where it cannot
    Doctor {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// The lab's own small HTTPS client
    Client(crate::probe::client::Options),
    /// The lab's own small client of chats over WebSockets
    Chat(crate::probe::chat::Options),
    /// The reference detector: was this connection intercepted?
    Probe(crate::probe::detector::Options),
    /// Print the chain that the box would send in place of a genuine one
    Forge(forge::ForgeArgs),
    /// Print what a detector may know: public roots, transparency logs, blocked keys, revocations, pins
    Ca(ca::CaArgs),
    /// Look at certificates side by side
    Cert(cert::CertArgs),
    /// List, show or check forging profiles
    Profile(profile::ProfileArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
    /// Wait for the end of a lab and tidy up after it (the lab starts this itself)
    #[command(hide = true)]
    Guard {
        /// Its process id
        lab: u32,
    },
}

/// `mitmlab run`
#[derive(Debug, Args)]
pub struct Run {
    /// Names of built-in scenarios, or files
    #[arg(value_name = "SCENARIO", required = true, num_args = 1..)]
    pub scenarios: Vec<String>,
    /// How bytes reach the box
    #[command(flatten)]
    pub network: NetworkArg,
    /// Only checks whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub check: Option<String>,
    /// In which forms it is reported
    #[command(flatten)]
    pub form: forms::FormArgs,
    /// What is kept of it
    #[command(flatten)]
    pub record: RecordArgs,
    /// How many legs may run side by side
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    pub jobs: usize,
    /// Treat a check whose program is missing as a failure
    #[arg(long)]
    pub strict: bool,
    /// What your own client trusts, in place of what the checks say
    #[arg(long, requires = "client")]
    pub trust: Option<Trust>,
    /// What your own client speaks: the checks' `{url}` gets its scheme and port (https, smtp, smtps, submission, imap, imaps, pop3, pop3s)
    #[arg(long, value_name = "WHAT", requires = "client")]
    pub speaks: Option<Speaks>,
    /// How long one run of a client may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub deadline: Option<u64>,
    /// The seed of every coin, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Your own client is a detector, in place of the scenario's detectors
    #[command(flatten)]
    pub voice: voice::VoiceArgs,
    /// Your own client in place of the scenario's; `{url}` is filled in
    #[arg(last = true, value_name = "CLIENT")]
    pub client: Vec<String>,
}

/// `mitmlab exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// Name of a built-in scenario, or a file
    pub scenario: String,
    /// How bytes reach the box
    #[command(flatten)]
    pub network: NetworkArg,
    /// Phase in force (the first one with an interception rule if not said)
    #[arg(long)]
    pub phase: Option<String>,
    /// The scenario's clock, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Seconds of the scenario's clock in a second: schedules flip, and phases begin, as their time comes
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
    /// What the command trusts: web, web+authority, web+authority+blocklist, none
    #[arg(long, default_value = "web")]
    pub trust: Trust,
    /// Where it stands: inside, outside
    #[arg(long, default_value = "inside")]
    pub vantage: Vantage,
    /// What is kept of it
    #[command(flatten)]
    pub record: RecordArgs,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `mitmlab up`
#[derive(Debug, Args)]
pub struct Up {
    /// Name of a built-in scenario, or a file
    #[arg(default_value = "kazakhstan-2019")]
    pub scenario: String,
    /// How bytes reach the box; `auto` is `proxy` here, because nothing of the host can enter the sealed network
    #[command(flatten)]
    pub network: NetworkArg,
    /// Port of the explicit proxy on loopback (HTTP CONNECT, plain HTTP, SOCKS5); 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub proxy_port: u16,
    /// Also write the root of the interception authority to this file (PEM)
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// Phase in force (the first one with an interception rule if not said)
    #[arg(long)]
    pub phase: Option<String>,
    /// The scenario's clock, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Seconds of the scenario's clock in a second: schedules flip, and phases begin, as their time comes
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
    /// Print one line of JSON with addresses, files, control URL and token
    #[arg(long)]
    pub json: bool,
    /// End when standard input does: with whoever started it
    #[arg(long)]
    pub until_eof: bool,
    /// What is kept of it
    #[command(flatten)]
    pub record: RecordArgs,
    /// Lead the command's programs into the lab: give it the variables of `mitmlab env` too
    #[arg(long, requires = "command")]
    pub env: bool,
    /// What the command's programs trust with `--env`
    #[arg(long, default_value = "web", requires = "env")]
    pub trust: Trust,
    /// A command to run beside the lab; its exit code is passed through, and the lab ends with it
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `mitmlab env`
#[derive(Debug, Args)]
pub struct Env {
    /// Process number of the lab; needed if several are up
    #[arg(long, value_name = "PID", env = "MITMLAB_LAB")]
    pub lab: Option<u32>,
    /// What the programs trust: web, web+authority, web+authority+blocklist, none
    #[arg(long, default_value = "web")]
    pub trust: Trust,
    /// Where they stand: inside, outside
    #[arg(long, default_value = "inside")]
    pub vantage: Vantage,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `mitmlab show`
#[derive(Debug, Args)]
pub struct Show {
    /// Folder of a recording (`--record DIR`)
    pub dir: PathBuf,
    /// The connection, such as c3; all of them in a line each if not said
    pub connection: Option<String>,
}

/// `mitmlab down`
#[derive(Debug, Args)]
pub struct Down {
    /// Process number of the lab; needed if several are up
    #[arg(long, value_name = "PID", env = "MITMLAB_LAB", conflicts_with = "all")]
    pub lab: Option<u32>,
    /// All that are up
    #[arg(long)]
    pub all: bool,
}

/// `mitmlab scenario`
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// The scenarios that are built in
    List {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Print a scenario's file
    Show {
        /// Name
        name: String,
    },
    /// Print every value of a scenario and where it came from
    Explain {
        /// Name or file
        name: String,
    },
    /// Check scenario files without running them
    Check {
        /// Names or files
        #[arg(required = true)]
        names: Vec<String>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of scenario files
    Schema,
}

/// What is kept of a lab.
#[derive(Debug, Default, Args)]
pub struct RecordArgs {
    /// Keep everything in this folder: events, connections, packets, keys, exchanges, chains, the scenario, a manifest
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Keep the packets in this file, with the secrets by which Wireshark opens them
    #[arg(long, value_name = "FILE")]
    pub pcapng: Option<PathBuf>,
    /// Keep the readable exchanges in this file (HAR 1.2)
    #[arg(long, value_name = "FILE")]
    pub har: Option<PathBuf>,
    /// Keep the TLS secrets in this file (the format of SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    pub keylog: Option<PathBuf>,
    /// Keep credentials and bodies of the web as they are; without it they are masked, except in packets and keys
    #[arg(long)]
    pub unmask: bool,
}

impl RecordArgs {
    /// The same in the lab's words.
    fn wanted(&self) -> crate::lab::Wanted {
        crate::lab::Wanted {
            folder: self.record.clone(),
            pcapng: self.pcapng.clone(),
            har: self.har.clone(),
            keys: self.keylog.clone(),
            unmask: self.unmask,
        }
    }

    /// The same as arguments, for a child.
    fn arguments(&self) -> Vec<std::ffi::OsString> {
        let files = [("--record", &self.record), ("--pcapng", &self.pcapng), ("--har", &self.har), ("--keylog", &self.keylog)];
        let given = files.into_iter().filter_map(|(name, path)| Some([name.into(), path.clone()?.into_os_string()]));
        given.flatten().chain(self.unmask.then(|| "--unmask".into())).collect()
    }
}

/// How bytes reach the box.
#[derive(Debug, Args)]
pub struct NetworkArg {
    /// `sealed` (namespaces, Linux), `proxy` (explicit proxy on loopback), or whichever works
    #[arg(long, value_enum, default_value_t, env = "MITMLAB_NETWORK")]
    pub network: NetworkChoice,
}

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NetworkChoice {
    /// Sealed where it works, else the proxy; the report says which and why
    #[default]
    Auto,
    /// Namespaces of the lab's own: every program, every port, true packets
    Sealed,
    /// An explicit proxy on loopback: programs that use one
    Proxy,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
    /// TAP 14
    Tap,
    /// Markdown, for a pull request
    Markdown,
    /// One self-contained HTML page
    Html,
}

/// A number that a clock may run at.
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "a number of seconds is expected, such as 60".to_owned())?;
    if (0.0..=FASTEST).contains(&speed) {
        Ok(speed)
    } else {
        Err(format!("the clock runs at 0 to {FASTEST} times the machine's"))
    }
}

/// As in the control API.
const FASTEST: f64 = 1_000_000.0;

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8)
}
