//! How a lab ends before its time: killed, or told to go. Nothing is left on the machine, and what was recorded is kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::lab::*;

pub(crate) fn trials() -> Vec<Listed> {
    const SH: Needs = Needs::Sealed(&["sh", "setsid"]);
    vec![
        ("sigkill_leaves_nothing_of_a_sealed_run", SH, || killed("sealed")),
        ("sigkill_leaves_nothing_of_a_proxied_run", Needs::Nothing, || killed("proxy")),
        ("what_a_killed_lab_left_is_swept_by_the_next", Needs::Nothing, swept),
        ("sigint_ends_a_sealed_run_in_order", SH, || told("sealed", Signal::INT)),
        ("sigterm_ends_a_sealed_run_in_order", SH, || told("sealed", Signal::TERM)),
        ("sigint_ends_a_proxied_run_in_order", Needs::Nothing, || told("proxy", Signal::INT)),
        ("sigterm_ends_a_proxied_run_in_order", Needs::Nothing, || told("proxy", Signal::TERM)),
    ]
}

fn killed(network: &str) -> Outcome {
    let host = Host::look();
    let mut running = Running::start(network)?;
    let namespaces = running.namespaces();
    that(network == "proxy" || !namespaces.is_empty(), "the sealed lab has no namespaces of its own")?;
    running.child.kill()?;
    running.child.wait()?;
    running.nothing_left()?;
    let left = until(PATIENCE, || namespaces.iter().all(|ns| !in_use(ns)).then_some(()));
    that(left.is_some(), format!("a process is left in one of {namespaces:?}"))?;
    host.is_unchanged()
}

/// The guard of a proxied run may be killed too: then the next run sweeps the folder.
fn swept() -> Outcome {
    let mut running = Running::start("proxy")?;
    let folders = |of: &Running| of.temporary_files().into_iter().filter(|f| f.starts_with("mitmlab-run-")).count();
    that(folders(&running) > 0, "the running lab has no private folder")?;
    let guard = running.processes().into_iter().find(|pid| command(*pid).contains("\0guard\0")).ok_or("no guard runs")?;
    kill_process(guard, Signal::KILL)?;
    running.child.kill()?;
    running.child.wait()?;
    running.processes().into_iter().for_each(end);
    that(folders(&running) > 0, "this trial proves nothing: the folder went with the lab")?;
    let stage = Stage::new("", "")?;
    let scenario = stage.text("scenario.toml");
    let done =
        finish(mitmlab().args(["exec", &scenario, "--network", "proxy", "--", "true"]).env("TMPDIR", running.temporary()))?;
    same("exit", done.code, 0)?;
    same("files in the temporary folder", running.temporary_files(), Vec::new())
}

fn told(network: &str, signal: Signal) -> Outcome {
    let host = Host::look();
    let mut running = Running::start(network)?;
    kill_process(Pid::from_child(&running.child), signal)?;
    let status = until(PATIENCE, || running.child.try_wait().ok().flatten()).ok_or("it did not end")?;
    same("exit", status.code(), Some(3))?;
    running.nothing_left()?;
    let events = running.stage.events()?;
    that(events.iter().any(|e| e["event"] == "leg:start"), "the record lost the leg")?;
    for name in ["connections.jsonl", "run.json"] {
        that(running.stage.path("record").join(name).exists(), format!("no {name}"))?;
    }
    host.is_unchanged()
}

/// A run whose client has started children, one of them in a session of its own, and hangs.
struct Running {
    stage: Stage,
    child: Child,
    cookie: String,
    mark: String,
}

impl Running {
    fn start(network: &str) -> Result<Self, libtest_mimic::Failed> {
        let stage = Stage::new("", "")?;
        let here = stage.text("here");
        // A client's environment is scrubbed, so what it started is known by a number of its own.
        static NEXT: AtomicU32 = AtomicU32::new(100);
        let mark = format!("{}{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let client =
            format!("[\"sh\", \"-c\", \"(setsid sleep {mark} &) ; sleep {mark} & echo {{url}} > {here}; sleep {mark}\"]");
        stage.edit("[\"mitmlab\", \"client\", \"{url}\"]", &client)?;
        std::fs::create_dir(stage.path("tmp"))?;
        let cookie = format!("FIELD_TRIAL={here}");
        let (name, value) = cookie.split_once('=').ok_or("no cookie")?;
        let child = mitmlab()
            .args(["run", &stage.text("scenario.toml"), "--network", network, "--record", &stage.text("record")])
            .env("TMPDIR", stage.path("tmp"))
            .env(name, value)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let running = Self { stage, child, cookie, mark };
        let three = || (Path::new(&here).exists() && running.processes().len() >= 5).then_some(());
        until(PATIENCE, three).ok_or_else(|| format!("the client did not start: {:?}", running.processes()))?;
        Ok(running)
    }

    fn temporary(&self) -> PathBuf {
        self.stage.path("tmp")
    }

    fn temporary_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temporary()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The lab and everything that inherited its environment.
    fn processes(&self) -> Vec<Pid> {
        let carries = |pid: &Pid| {
            let environment = std::fs::read(proc(*pid).join("environ")).unwrap_or_default();
            environment.split(|b| *b == 0).any(|variable| variable == self.cookie.as_bytes())
                || command(*pid).contains(&self.mark)
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        pids.filter(carries).collect()
    }

    /// Namespaces of the lab's processes that are not this process's own.
    fn namespaces(&self) -> BTreeSet<PathBuf> {
        let link = |pid: &str, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        let of = |pid: &Pid| KINDS.iter().filter_map(|kind| link(&pid.as_raw_nonzero().to_string(), kind)).collect::<Vec<_>>();
        let own: BTreeSet<_> = KINDS.iter().filter_map(|kind| link("self", kind)).collect();
        self.processes().iter().flat_map(of).filter(|ns| !own.contains(ns)).collect()
    }

    /// No process and no file.
    fn nothing_left(&self) -> Outcome {
        let gone = until(PATIENCE, || (self.processes().is_empty() && self.temporary_files().is_empty()).then_some(()));
        let commands: Vec<_> = self.processes().into_iter().map(command).collect();
        that(gone.is_some(), format!("left: processes {commands:?}, files {:?}", self.temporary_files()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless the trial failed
        let _ = self.child.wait();
        self.processes().into_iter().for_each(end);
    }
}

fn proc(pid: Pid) -> PathBuf {
    Path::new("/proc").join(pid.as_raw_nonzero().to_string())
}

fn command(pid: Pid) -> String {
    String::from_utf8_lossy(&std::fs::read(proc(pid).join("cmdline")).unwrap_or_default()).into_owned()
}

fn in_use(namespace: &Path) -> bool {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .flat_map(|entry| KINDS.map(|kind| entry.path().join("ns").join(kind)))
        .any(|link| std::fs::read_link(link).is_ok_and(|target| target == namespace))
}

/// What a lab must not change.
#[derive(Debug, PartialEq)]
struct Host(Vec<(String, String)>);

impl Host {
    fn look() -> Self {
        let file = |name: &&str| ((*name).to_owned(), format!("{:?}", std::fs::read(name).map(|bytes| sum(&bytes))));
        let mut seen: Vec<_> =
            ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/proc/self/mountinfo"].iter().map(file).collect();
        let mut roots: Vec<_> = std::fs::read_dir("/etc/ssl/certs").into_iter().flatten().flatten().map(|e| e.path()).collect();
        roots.sort();
        let roots: Vec<_> = roots.iter().map(|path| (path, std::fs::read(path).map(|bytes| sum(&bytes)).ok())).collect();
        seen.push(("/etc/ssl/certs".to_owned(), sum(format!("{roots:?}").as_bytes()).to_string()));
        for arguments in [["rule", "show"], ["-6", "rule"], ["link", "show"], ["route", "show"]] {
            let told = std::process::Command::new("ip").args(arguments).output();
            seen.push((
                arguments.join(" "),
                told.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stdout).into_owned()),
            ));
        }
        let rules = std::process::Command::new("iptables-save").output();
        seen.push(("iptables".to_owned(), rules.map_or_else(|e| e.to_string(), |o| without_counts(&o.stdout))));
        Self(seen)
    }

    fn is_unchanged(&self) -> Outcome {
        let now = Self::look();
        for (before, after) in self.0.iter().zip(&now.0) {
            same(&before.0, &after.1, &before.1)?;
        }
        Ok(())
    }
}

fn without_counts(rules: &[u8]) -> String {
    String::from_utf8_lossy(rules).lines().filter(|line| !line.starts_with(['#', ':'])).collect::<Vec<_>>().join("\n")
}

fn sum(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

const KINDS: [&str; 4] = ["net", "mnt", "user", "pid"];
const PATIENCE: Duration = Duration::from_secs(20);

fn end(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL); // it may be gone
}
