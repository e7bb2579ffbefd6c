//! Suites: many cases, each a scenario that runs in a process of its own, side by side. What a case comes to is the suite's own
//! ([`verify`](super::verify)).
//!
//! Cases cannot disturb each other: every one has its network, its authority and its clients to itself. So the answers are the same
//! however many run at once, and a case that hangs is ended with all that it started.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::forms::FormArgs;
use super::network::{interrupted, runtime};
use super::scenario::load;
use super::{NetworkArg, NetworkChoice, default_jobs};
use crate::client::find;
use crate::error::{Error, USAGE};
use crate::scenario::{Case, Plan, Speaks, Suite};
use crate::verdict::RunReport;
use crate::verdict::report::json;
use crate::verdict::suite::Shard;
use crate::x509::key::{hex, sha256};

/// What all suites can be told.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// Only these cases: names, parts of names or groups, separated by commas
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Cases of your own besides the built-in ones: a folder of scenario files
    #[arg(long = "suite", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// One of several equal parts: 2/8 is the second of eight; `mitmlab report merge` joins their JSON reports
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// How many cases may run side by side
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    pub jobs: usize,
    /// How long one run of the client may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub deadline: Option<u64>,
    /// Keep the record of every case in a folder of its own below this one
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// How bytes reach the box
    #[command(flatten)]
    pub network: NetworkArg,
    /// In which forms it is reported; a JSON report is a shard to be joined, or a baseline for later
    #[command(flatten)]
    pub form: FormArgs,
    /// Print the JSON Schema of the JSON report
    #[arg(long)]
    pub schema: bool,
    /// Print the cases with what is asked in them, and why
    #[arg(long)]
    pub list: bool,
}

/// The cases that were chosen.
pub(super) struct Chosen {
    /// Those to run: of the shard, if one was asked for.
    pub(super) cases: Vec<Found>,
    /// How many there are without the shard.
    pub(super) of: usize,
    /// What they are: SHA-256 over names and texts, hex.
    pub(super) digest: String,
}

/// A case that was found.
pub(super) struct Found {
    /// Its name: without the suite's.
    pub(super) name: String,
    /// What `mitmlab run` takes for it.
    pub(super) given: String,
    /// What it is about.
    pub(super) case: Case,
    /// The scenario.
    pub(super) plan: Plan,
}

/// The report of a case that was run, or why there is none.
pub(super) type Ran = Result<RunReport, String>;

/// Finds the cases of a suite: the built-in ones and those of the user's folders, as far as they were asked for.
/// `speaks` is what the client speaks, where the suite asks for that.
pub(super) fn choose(suite: Suite, args: &SuiteArgs, speaks: Option<Speaks>) -> Result<Chosen, Error> {
    let mut all: Vec<(String, String, String)> = Vec::new();
    for (name, text) in suite.cases() {
        let short = name.split_once('/').map_or(name, |(_, short)| short);
        all.push((short.to_owned(), name.to_owned(), text.to_owned()));
    }
    for folder in &args.folders {
        all.extend(own(folder)?);
    }
    all.sort();
    if let Some(pair) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Usage(format!("two cases are called `{}`: {} and {}", pair[0].0, pair[0].1, pair[1].1)));
    }
    let mut found = Vec::new();
    let mut digest = Vec::new();
    for (name, given, text) in all {
        let plan = load(&given)?;
        let case = case_of(suite, &given, &plan)?;
        if speaks.is_none_or(|speaks| case.speaks.contains(&speaks)) && wanted(&args.only, &name, &case) {
            digest.extend_from_slice(&sha256(format!("{name}\n{text}").as_bytes()));
            found.push(Found { name, given, case, plan });
        }
    }
    if found.is_empty() {
        let all = suite.cases().iter().map(|(name, _)| format!("  {}", &name[suite.as_str().len() + 1..])).collect::<Vec<_>>();
        return Err(Error::Usage(format!("no case is left to run; those of the suite are:\n{}", all.join("\n"))));
    }
    let of = found.len();
    let mut place = 0;
    found.retain(|_| {
        place += 1;
        args.shard.is_none_or(|shard| shard.has(place - 1))
    });
    Ok(Chosen { cases: found, of, digest: hex(&sha256(&digest)) })
}

/// What is put to the test has to be on this machine before anything runs.
pub(super) fn is_there(argv: &[String]) -> Result<(), Error> {
    match argv.first().map(String::as_str) {
        None | Some("mitmlab") => Ok(()),
        Some(program) => {
            find(program, std::env::var_os("PATH").as_deref()).map_err(|missing| Error::Usage(missing.to_string())).map(drop)
        }
    }
}

/// The scenario files of a folder: name, path, text.
fn own(folder: &Path) -> Result<Vec<(String, String, String)>, Error> {
    let unreadable = |path: &Path, e: std::io::Error| Error::Usage(format!("cannot read `{}`: {e}", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        let path = entry.map_err(|e| unreadable(folder, e))?.path();
        let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|e| e == "toml")) else { continue };
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
        found.push((stem.to_string_lossy().into_owned(), path.to_string_lossy().into_owned(), text));
    }
    if found.is_empty() {
        return Err(Error::Usage(format!("no scenario file (`.toml`) is in the folder `{}`", folder.display())));
    }
    Ok(found)
}

/// What the scenario says of itself as a case of this suite.
fn case_of(suite: Suite, given: &str, plan: &Plan) -> Result<Case, Error> {
    let (key, example) = match suite {
        Suite::Verify => ("must", "must = \"refuse\""),
        Suite::Score => ("truth", "truth = \"state-box\""),
    };
    let case = plan.case.clone().filter(|case| match suite {
        Suite::Verify => case.must.is_some(),
        Suite::Score => case.truth.is_some(),
    });
    case.ok_or_else(|| {
        Error::Usage(format!(
            "`{given}` is no case of the suite `{suite}`: it says no `{key}`\nhint: add `[case]` with `{example}` and `reason = \"...\"`"
        ))
    })
}

/// A pattern that is a case's whole name means that case; else a part of a name, or a group.
fn wanted(patterns: &[String], name: &str, case: &Case) -> bool {
    let exact = |pattern: &String| pattern == name;
    patterns.is_empty()
        || patterns.iter().any(|pattern| exact(pattern) || *pattern == case.group || name.contains(pattern.as_str()))
}

/// Runs cases; each gets `words` besides what all get. The answers are in the order of the cases.
pub(super) fn run(cases: &[&Found], args: &SuiteArgs, words: impl Fn(&Found) -> Vec<OsString>) -> Result<Vec<Ran>, Error> {
    let own = std::env::current_exe().map_err(|e| Error::machine("find this program", e))?;
    let orders: Vec<Order> = cases.iter().map(|case| Order::new(&own, case, args, words(case))).collect();
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = all(orders, args.jobs.max(1)) => done,
            () = interrupted() => Err(Error::Machine("interrupted; every case was ended".to_owned())),
        }
    });
    runtime.shutdown_timeout(LAST_TASKS);
    done
}

/// One case's process.
struct Order {
    command: tokio::process::Command,
    name: String,
    within: Duration,
}

impl Order {
    fn new(own: &Path, case: &Found, args: &SuiteArgs, words: Vec<OsString>) -> Self {
        let mut command = tokio::process::Command::new(own);
        command.args(["run", &case.given, "--format", "json", "--jobs", "1", "--network", network_word(args.network.network)]);
        if let Some(seconds) = args.deadline {
            command.args(["--deadline", &seconds.to_string()]);
        }
        if let Some(dir) = &args.record {
            command.arg("--record").arg(dir.join(&case.name));
        }
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env_remove("CI"); // a missing program is this suite's to tell, not a failure of the scenario
        let checks = case.plan.checks.iter().map(|check| 1 + u32::from(check.twin.is_some())).sum::<u32>();
        let leg = args
            .deadline
            .map_or_else(|| case.plan.checks.iter().map(|check| check.deadline).max().unwrap_or_default(), Duration::from_secs);
        Self { command, name: case.name.clone(), within: leg * 2 * checks + START_AND_END }
    }

    async fn run(mut self) -> Ran {
        let child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(format!("its process could not be started: {error}")),
        };
        match tokio::time::timeout(self.within, child.wait_with_output()).await {
            Err(_) => {
                Err(format!("it did not end within {} s, and was ended with all that it had started", self.within.as_secs()))
            }
            Ok(Err(error)) => Err(format!("its process could not be waited for: {error}")),
            Ok(Ok(output)) => {
                let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                let why = |error: serde_json::Error| match output.status.code() {
                    Some(code) if code == i32::from(USAGE) => stderr.clone(),
                    _ if stderr.is_empty() => format!("its process ended with {} and no report: {error}", output.status),
                    _ => stderr.clone(),
                };
                json::read(&output.stdout).map_err(why)
            }
        }
    }
}

async fn all(orders: Vec<Order>, jobs: usize) -> Result<Vec<Ran>, Error> {
    let (permits, done, of) = (Arc::new(Semaphore::new(jobs)), Arc::new(AtomicUsize::new(0)), orders.len());
    let shows = std::io::stderr().is_terminal();
    let mut running = JoinSet::new();
    for (at, order) in orders.into_iter().enumerate() {
        let (permits, done) = (Arc::clone(&permits), Arc::clone(&done));
        running.spawn(async move {
            let _permit = permits.acquire_owned().await.map_err(|e| Error::Bug(e.to_string()))?;
            if shows {
                let _ = write!(std::io::stderr(), "\r\x1b[K[{}/{of}] {}", done.load(Ordering::Relaxed), order.name);
            }
            let ran = order.run().await;
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>((at, ran))
        });
    }
    let mut results: Vec<Option<Ran>> = std::iter::repeat_with(|| None).take(of).collect();
    while let Some(one) = running.join_next().await {
        let (at, ran) = one.map_err(|e| Error::Bug(e.to_string()))??;
        results[at] = Some(ran);
    }
    if shows {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    Ok(results.into_iter().flatten().collect())
}

/// The word of `--network`.
pub(super) fn network_word(choice: NetworkChoice) -> &'static str {
    match choice {
        NetworkChoice::Auto => "auto",
        NetworkChoice::Sealed => "sealed",
        NetworkChoice::Proxy => "proxy",
    }
}

/// What a case's lab may take besides its legs, on a machine that has other things to do.
const START_AND_END: Duration = Duration::from_secs(30);
/// How long tasks that still run at the end may take to go.
const LAST_TASKS: Duration = Duration::from_millis(500);

/// Milliseconds since a moment.
pub(super) fn ms_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
