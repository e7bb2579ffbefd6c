//! What a report is made of: its rows, each a run of this program, judged here.

use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::process::Command;

use super::row::Row;
use crate::control::Problem;
use crate::scenario::{Case, Need, Plan, Suite, Truth, load};
use crate::score::judge::{Labelled, trials};
use crate::score::{OWN_DETECTOR, own_voice};
use crate::verdict::RunReport;
use crate::verdict::report::json;
use crate::verdict::verify::{Answer, VerifyCase};
use crate::workshop::bench::Client;
use crate::workshop::settings::Settings;
use crate::workshop::words::Words;

/// What a report is made of.
pub(super) enum Work {
    /// The checks of a scenario, a run each.
    Checks { scenario: String, plan: Box<Plan> },
    /// The cases of `verify`, with a client of the bench.
    Verify { client: &'static Client, cases: Vec<&'static Found> },
    /// The conditions of `score`, with the lab's own detector.
    Score { cases: Vec<&'static Found> },
}

/// A case of a suite.
pub(super) struct Found {
    name: &'static str,
    plan: Plan,
    case: Case,
}

/// The cases of `verify` for what a client speaks.
fn cases(client: &Client) -> Vec<&'static Found> {
    VERIFY.iter().filter(|found| client.speaks().is_some_and(|speaks| found.case.speaks == [speaks])).collect()
}

/// True if the suite has any for it.
pub(super) fn can_verify(client: &Client) -> bool {
    !cases(client).is_empty()
}

impl Work {
    pub(super) fn checks(scenario: &str) -> Result<Self, Problem> {
        let plan = load(scenario, &profiles());
        let plan =
            plan.map_err(|wrong| Problem::unprocessable(format!("`{scenario}` cannot be used: {}", wrong.render(false))))?;
        Ok(Self::Checks { scenario: scenario.to_owned(), plan: Box::new(plan) })
    }

    pub(super) fn verify(client: &'static Client) -> Self {
        Self::Verify { client, cases: cases(client) }
    }

    pub(super) fn score() -> Self {
        // What needs a second place to look from is not for this detector: it has none here.
        Self::Score { cases: SCORE.iter().filter(|found| !found.case.needs.contains(&Need::Control)).collect() }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Checks { .. } => "run",
            Self::Verify { .. } => "verify",
            Self::Score { .. } => "score",
        }
    }

    pub(super) fn title(&self, words: Words) -> String {
        match self {
            Self::Checks { plan, .. } => words.say("report.run", &[("scenario", &plan.title)]),
            Self::Verify { client, .. } => words.say("report.verify", &[("client", &client.title(words))]),
            Self::Score { .. } => words.say("report.score", &[]),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Checks { plan, .. } => plan.checks.len(),
            Self::Verify { cases, .. } | Self::Score { cases } => cases.len(),
        }
    }

    /// Makes the row at that place.
    pub(super) async fn row(&self, at: usize, settings: &Settings) -> Row {
        match self {
            Self::Checks { scenario, plan } => check(scenario, &plan.checks[at].name, settings).await,
            Self::Verify { client, cases } => verify(client, cases[at], settings).await,
            Self::Score { cases } => score(cases[at], settings).await,
        }
    }
}

async fn check(scenario: &str, name: &str, settings: &Settings) -> Row {
    match run(settings, scenario, &["--check", name], &[]).await {
        Err(why) => Row::broken(name, why),
        Ok(report) => match report.checks.iter().find(|check| check.name == name).or_else(|| report.checks.first()) {
            Some(found) => Row::check(found),
            None => Row::broken(name, "the run has no such check".to_owned()),
        },
    }
}

async fn verify(client: &Client, found: &Found, settings: &Settings) -> Row {
    let (case, title, claims) = (&found.case, &found.plan.title, client.claims());
    let open = |answer, why| Row::case(&VerifyCase::without_run(found.name, title, case, answer, why));
    if let Some(need) = case.needs.iter().find(|need| **need != Need::Sealed && !claims.contains(need)) {
        return open(Answer::Unsupported, format!("the client does not claim `{need}`"));
    }
    match run(settings, found.name, &[], &client.suite_argv()).await {
        Err(why) => open(Answer::Inconclusive, why),
        Ok(report) => Row::case(&VerifyCase::judged(found.name, case, case.must_with(claims), report)),
    }
}

async fn score(found: &Found, settings: &Settings) -> Row {
    let argv = OWN_DETECTOR.map(str::to_owned);
    let report = match run(settings, found.name, &["--says", "word", "--seed", "0"], &argv).await {
        Ok(report) => report,
        Err(why) => return Row::broken(&found.plan.title, why),
    };
    let labelled = Labelled { name: found.name, label: found.case.truth.unwrap_or(Truth::Clean), plan: &found.plan };
    match trials(labelled, 0, &own_voice(), &report).into_iter().next() {
        Some(Ok(trial)) => Row::trial(&found.plan.title, &trial),
        Some(Err(why)) => Row::broken(&found.plan.title, why),
        None => Row::broken(&found.plan.title, "the run has no check".to_owned()),
    }
}

/// One run of this program; it is ended if nobody waits for it any more.
async fn run(settings: &Settings, scenario: &str, words: &[&str], client: &[String]) -> Result<RunReport, String> {
    let mut command = Command::new(&settings.program);
    command.args(["run", scenario, "--format", "json", "--jobs", "1", "--network", settings.network.word()]).args(words);
    if !client.is_empty() {
        command.arg("--").args(client);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).env_remove("CI");
    #[cfg(unix)]
    command.process_group(0); // Ctrl-C is for the workshop, which ends its rows
    let ran = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = match ran {
        Err(_) => return Err(format!("it did not end within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => return Err(format!("it could not be started: {error}")),
        Ok(Ok(output)) => output,
    };
    json::read(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        said.trim().lines().last().unwrap_or("it ended without a word").chars().take(LONGEST).collect()
    })
}

fn found(suite: Suite) -> Vec<Found> {
    let profiles = profiles();
    let cases = suite.cases().into_iter().filter_map(|(name, _)| {
        let plan = load(name, &profiles).ok()?;
        Some(Found { name, case: plan.case.clone()?, plan })
    });
    cases.collect()
}

static VERIFY: LazyLock<Vec<Found>> = LazyLock::new(|| found(Suite::Verify));
static SCORE: LazyLock<Vec<Found>> = LazyLock::new(|| found(Suite::Score));

fn profiles() -> Vec<&'static str> {
    crate::forge::profiles().iter().map(|profile| profile.name).collect()
}

/// A row takes a second or two; a client that hangs takes its deadline, twice.
const PATIENCE: Duration = Duration::from_secs(120);
/// Characters of a complaint.
const LONGEST: usize = 300;
