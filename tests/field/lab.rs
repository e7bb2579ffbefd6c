//! The program under test: started on a scenario, watched to its end, its record read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

pub(crate) type Outcome = Result<(), Failed>;
/// A trial: its name, what it needs, and what it does.
pub(crate) type Listed = (&'static str, Needs, fn() -> Outcome);

/// What the machine must have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    /// Nothing but a proxy on loopback.
    Nothing,
    /// The sealed network, and these programs.
    Sealed(&'static [&'static str]),
    /// The same, and root: raw packets.
    Root(&'static [&'static str]),
}

pub(crate) fn main(lists: Vec<Vec<Listed>>) -> ExitCode {
    let sealed = output(&["doctor", "--json"]).is_ok_and(|done| done.code == 0);
    let trials = lists.into_iter().flatten().map(|(name, needs, run)| match missing(needs, sealed) {
        None => Trial::test(name, run),
        Some(why) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
            Trial::test(name, move || Err(format!("this machine lacks {why}").into()))
        }
        Some(why) => {
            eprintln!("{name}: skipped, this machine lacks {why}");
            Trial::test(name, run).with_ignored_flag(true)
        }
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn missing(needs: Needs, sealed: bool) -> Option<String> {
    let programs = match needs {
        Needs::Nothing => return None,
        Needs::Sealed(programs) | Needs::Root(programs) => programs,
    };
    let root = rustix::process::geteuid().is_root();
    if !sealed {
        return Some("the sealed network (`mitmlab doctor`)".to_owned());
    }
    if matches!(needs, Needs::Root(_)) && !root {
        return Some("root: raw packets in a client's namespace".to_owned());
    }
    programs.iter().find(|name| which(name).is_none()).map(|name| format!("`{name}`"))
}

pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn mitmlab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.stdin(Stdio::null()).env_remove("CI");
    command
}

pub(crate) fn output<A: AsRef<OsStr>>(args: &[A]) -> Result<Done, Failed> {
    finish(mitmlab().args(args))
}

/// Runs a command to its end, or kills it at the deadline.
pub(crate) fn finish(command: &mut Command) -> Result<Done, Failed> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = until(DEADLINE, || child.try_wait().ok().flatten());
    if ended.is_none() {
        child.kill()?;
    }
    let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    let status = ended.ok_or_else(|| Failed::from(format!("no end after {DEADLINE:?}: {stdout}{stderr}")))?;
    Ok(Done { code: status.code().unwrap_or(-1), stdout, stderr })
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes); // what came until then counts
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Asks again and again until there is an answer or the deadline has passed.
pub(crate) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::park_timeout(TICK);
    }
}

/// A profile whose keys are made in no time: the packets are the same whoever forges.
pub(crate) const QUICK: &str = "blind"; // client.py knows its root by name

/// A scenario in a folder of its own: one rule that forges `www.facebook.com`, and one check.
pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
}

impl Stage {
    /// `network` is what stands below `[network]`, `rest` what comes after the rule.
    pub(crate) fn new(network: &str, rest: &str) -> Result<Self, Failed> {
        let stage = Self { folder: tempfile::tempdir()? };
        let text = format!(
            "title = \"The field\"\n[authority]\nprofile = \"{QUICK}\"\n[network]\n{network}\n\
             [world]\nclock = 2019-07-20T12:00:00+06:00\ninclude = [\"web-2019\"]\n\
             [[rule]]\nname = \"forge\"\nmatch = {{ sni = \"www.facebook.com\", port = 443 }}\naction = \"intercept\"\n{rest}\n"
        );
        let text = if rest.contains("[[check]]") { text } else { text + CHECK };
        stage.write("scenario.toml", &text)?;
        Ok(stage)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Outcome {
        Ok(std::fs::write(self.path(name), text)?)
    }

    pub(crate) fn edit(&self, from: &str, to: &str) -> Outcome {
        let text = std::fs::read_to_string(self.path("scenario.toml"))?;
        if !text.contains(from) {
            return Err(format!("no `{from}` in the scenario").into());
        }
        self.write("scenario.toml", &text.replace(from, to))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// One command in the lab, recorded.
    pub(crate) fn exec(&self, network: &str, command: &[&str]) -> Result<Done, Failed> {
        let (scenario, record) = (self.text("scenario.toml"), self.text("record"));
        let before = ["exec", &scenario, "--network", network, "--record", &record, "--"];
        output(&[&before, command].concat())
    }

    /// The scenario's checks, recorded.
    pub(crate) fn run(&self, network: &str, more: &[&str]) -> Result<Done, Failed> {
        let (scenario, record) = (self.text("scenario.toml"), self.text("record"));
        output(&[&["run", &scenario, "--network", network, "--record", &record], more].concat())
    }

    pub(crate) fn events(&self) -> Result<Vec<Value>, Failed> {
        rows(&self.path("record/events.jsonl"))
    }

    pub(crate) fn connections(&self) -> Result<Vec<Value>, Failed> {
        rows(&self.path("record/connections.jsonl"))
    }
}

/// Lines of JSON.
pub(crate) fn rows(file: &Path) -> Result<Vec<Value>, Failed> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}").into())).collect()
}

/// A script beside this file.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field").join(name).display().to_string()
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Outcome {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, saw {seen:?}").into()) }
}

pub(crate) fn that(holds: bool, what: impl std::fmt::Display) -> Outcome {
    if holds { Ok(()) } else { Err(what.to_string().into()) }
}

const CHECK: &str = "[[check]]\nname = \"own client\"\nclient = [\"mitmlab\", \"client\", \"{url}\"]\n\
                     url = \"https://www.facebook.com/\"\nexpect = { verdict = \"refused\" }\n";

pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(20);
