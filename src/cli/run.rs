//! `mitmlab run`: scenarios in, reports out.

use std::io::{IsTerminal as _, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use super::network::{Chosen, interrupted, runtime};
use super::scenario::load;
use super::suite::network_word;
use super::{Format, RecordArgs, Run, print};
use crate::error::{AS_EXPECTED, Error};
use crate::lab::{Filter, Lab, Progress, Replacement};
use crate::scenario::Plan;
use crate::verdict::report::text::Look;
use crate::verdict::report::{html, json, junit, markdown, tap, text};
use crate::verdict::run::exit_code;
use crate::verdict::{CheckResult, Outcome, RunReport};

/// Runs the scenarios; the worst exit code.
pub(super) fn run(run: &Run) -> Result<u8, Error> {
    let plans = run.scenarios.iter().map(|name| load(name)).collect::<Result<Vec<_>, _>>()?;
    let mut reports = Vec::new();
    match <[Plan; 1]>::try_from(plans) {
        Ok([plan]) => reports.push(one(run, plan)?),
        Err(_) if run.record.pcapng.is_some() || run.record.har.is_some() || run.record.keylog.is_some() => {
            let told =
                "a capture, HAR or key log file is of one scenario\nhint: `--record DIR` keeps them all, a folder for each";
            return Err(Error::Usage(told.to_owned()));
        }
        Err(plans) => {
            for (name, plan) in run.scenarios.iter().zip(plans) {
                reports.push(in_a_process_of_its_own(run, name, &plan)?);
            }
        }
    }
    let code = reports.iter().map(exit_code).max_by_key(|code| severity(*code)).unwrap_or(AS_EXPECTED);
    run.form.tell(|format| render(format, &reports))?;
    Ok(code)
}

/// A difference outranks a machine that cannot, and that outranks success.
fn severity(code: u8) -> usize {
    [0, 3, 1, 2, 4].iter().position(|known| *known == code).unwrap_or(5)
}

fn one(run: &Run, plan: Plan) -> Result<RunReport, Error> {
    let chosen = Chosen::choose(run.network.network)?;
    let runtime = runtime()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = in_a_lab(run, plan, &chosen) => report,
            () = interrupted() => Err(Error::Machine("interrupted; every client was ended, and what was recorded is kept".to_owned())),
        }
    });
    runtime.shutdown_timeout(LAST_TASKS);
    report
}

async fn in_a_lab(run: &Run, mut plan: Plan, chosen: &Chosen) -> Result<RunReport, Error> {
    plan.seed = run.seed.unwrap_or(plan.seed);
    let wanted = run.record.wanted();
    let lab = Lab::start_keeping(plan, chosen.on(), wanted.mask()).await?;
    let evidence = lab.evidence(wanted);
    let filter = Filter {
        name: run.check.clone(),
        replacement: (!run.client.is_empty()).then(|| Replacement {
            argv: run.client.clone(),
            trust: run.trust,
            speaks: run.speaks,
            voice: run.voice.voice(&run.client),
        }),
        deadline: run.deadline.map(std::time::Duration::from_secs),
        jobs: run.jobs,
        strict: run.strict || std::env::var_os("CI").is_some_and(|value| value == "true"),
    };
    let progress: Arc<dyn Progress> = if std::io::stderr().is_terminal() { Arc::new(Line::default()) } else { Arc::new(Silent) };
    let mut report = lab.run(&filter, &chosen.why, progress).await?;
    evidence.finish(Some(&mut report)).await;
    Ok(report)
}

/// Several scenarios run one after the other, each in a process of its own: the sealed network is entered once in a process.
fn in_a_process_of_its_own(run: &Run, name: &str, plan: &Plan) -> Result<RunReport, Error> {
    let own = std::env::current_exe().map_err(|e| Error::machine("find this program", e))?;
    let mut command = std::process::Command::new(own);
    command.args(["run", name, "--format", "json", "--network", network_word(run.network.network)]);
    command.args(["--jobs", &run.jobs.to_string()]);
    if let Some(check) = &run.check {
        command.args(["--check", check]);
    }
    let record = RecordArgs { record: run.record.record.as_ref().map(|dir| dir.join(&plan.name)), ..RecordArgs::default() };
    command.args(RecordArgs { unmask: run.record.unmask, ..record }.arguments());
    if run.strict {
        command.arg("--strict");
    }
    if let Some(trust) = run.trust {
        command.args(["--trust", trust.as_str()]);
    }
    if let Some(speaks) = run.speaks {
        command.args(["--speaks", speaks.as_str()]);
    }
    if let Some(seconds) = run.deadline {
        command.args(["--deadline", &seconds.to_string()]);
    }
    if let Some(seed) = run.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if !run.client.is_empty() {
        command.arg("--").args(&run.client);
    }
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|e| Error::machine("run a scenario", e))?;
    json::read(&output.stdout).map_err(|error| match output.status.code() {
        Some(code) if code == i32::from(crate::error::USAGE) => {
            Error::Usage(format!("scenario `{name}` did not run; its message is above"))
        }
        _ => Error::Machine(format!("scenario `{name}` did not run to its end ({}): {error}", output.status)),
    })
}

pub(super) fn report(format: Format, reports: &[RunReport]) -> Result<(), Error> {
    print::out(&render(format, reports)?)
}

/// Reports in one form, with a final newline. What programs read is one document, however many scenarios there were: JSON is then an array.
fn render(format: Format, reports: &[RunReport]) -> Result<String, Error> {
    let look = Look { width: width(), colour: colour() };
    let text = match (format, reports) {
        (Format::Text, _) => each(reports, "\n", |report| text::text(report, look)),
        (Format::Markdown, _) => each(reports, "", markdown::markdown),
        (Format::Html, _) => each(reports, "", html::run),
        (Format::Json, [one]) => json::json(one).map_err(|e| Error::Bug(e.to_string()))?,
        (Format::Json, _) => {
            let all = reports.iter().map(json::json).collect::<Result<Vec<_>, _>>().map_err(|e| Error::Bug(e.to_string()))?;
            format!("[\n{}\n]", all.iter().map(|one| one.trim_end()).collect::<Vec<_>>().join(",\n"))
        }
        (Format::Junit, _) => junit::junit(reports).map_err(|e| Error::Bug(e.to_string()))?,
        (Format::Tap, _) => tap::tap(reports),
    };
    Ok(text.trim_end().to_owned() + "\n")
}

fn each(reports: &[RunReport], gap: &str, form: impl Fn(&RunReport) -> String) -> String {
    reports.iter().map(|report| form(report).trim_end().to_owned() + "\n").collect::<Vec<_>>().join(gap)
}

/// Columns of the terminal, or a usual number.
#[cfg(unix)]
pub(super) fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(120, |size| usize::from(size.ws_col)).clamp(60, 160)
}

/// Columns of the terminal, or a usual number.
#[cfg(not(unix))]
pub(super) fn width() -> usize {
    120
}

/// Whether standard output shows colour.
pub(super) fn colour() -> bool {
    std::io::stdout().is_terminal()
}

/// Nobody looks.
struct Silent;

impl Progress for Silent {
    fn begins(&self, _: usize, _: usize, _: &str) {}
    fn ended(&self, _: &CheckResult) {}
}

/// One line that is written over: how far the run is.
#[derive(Default)]
struct Line(Mutex<usize>);

impl Progress for Line {
    fn begins(&self, _: usize, of: usize, name: &str) {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(std::io::stderr(), "\r\x1b[K[{}/{of}] {}", *done, name.chars().take(60).collect::<String>());
    }

    fn ended(&self, result: &CheckResult) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let _ = write!(std::io::stderr(), "\r\x1b[K");
        if matches!(result.outcome, Outcome::Failed(_)) {
            print::err(format_args!("failed: {}", result.name));
        }
    }
}

/// How long tasks that still run at the end may take to go.
const LAST_TASKS: std::time::Duration = std::time::Duration::from_millis(500);
