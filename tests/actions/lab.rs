//! Scenarios written and run.

use std::path::PathBuf;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use serde_json::Value;

/// What a trial returns.
pub(crate) type Outcome = Result<(), Failed>;

/// True if the sealed network works here.
pub(crate) fn works() -> bool {
    let told = program().args(["doctor"]).output();
    told.is_ok_and(|output| output.status.success())
}

/// The program under test.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    program.env_remove("CI").env("NO_COLOR", "1");
    program
}

/// A folder with a scenario in it.
pub(crate) struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("trial.toml"), text).expect("a scenario");
        Self { folder }
    }

    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `mitmlab run` in the sealed network: its report, whatever it says of the checks.
    pub(crate) fn run(&self, jobs: usize) -> Result<Value, Failed> {
        self.run_in("sealed", jobs)
    }

    /// The same in one of the two networks.
    pub(crate) fn run_in(&self, network: &str, jobs: usize) -> Result<Value, Failed> {
        let jobs = jobs.to_string();
        let output = self.raw(&["run", "trial.toml", "--network", network, "--format", "json", "--jobs", &jobs]);
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failed::from(format!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr))))
    }

    /// Any subcommand, with the scenario's folder as working directory.
    pub(crate) fn raw(&self, arguments: &[&str]) -> Output {
        let output = program().args(arguments).current_dir(self.folder.path()).output().expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "{told}");
        output
    }
}

/// Every check of a report with its twin.
pub(crate) fn checks(report: &Value) -> Vec<&Value> {
    let all = report["run"]["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().flat_map(|check| [Some(check), check.get("twin").filter(|twin| !twin.is_null())]).flatten().collect()
}

/// Fails unless every check passed and the run has no fault.
pub(crate) fn all_passed(report: &Value) -> Outcome {
    let failed: Vec<String> = checks(report).into_iter().filter(|check| !passed(check)).map(told).collect();
    let faults = &report["run"]["faults"];
    if failed.is_empty() && faults.as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    Err(format!("faults: {faults}\n{}", failed.join("\n")).into())
}

pub(crate) fn passed(check: &Value) -> bool {
    check["outcome"] == "passed" || check["outcome"].get("passed").is_some()
}

fn told(check: &Value) -> String {
    format!("{}: {} {} | {}", check["name"], check["outcome"], check["targets"], check["test"]["stderr_tail"])
}
