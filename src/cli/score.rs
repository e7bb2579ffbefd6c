//! `mitmlab score`: how often is this detector right, and what does it confuse? It runs in conditions of which the lab knows the truth.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::forms::FormArgs;
use super::suite::{self, Chosen, Found, SuiteArgs, ms_since, network_word};
use super::voice::{self, VoiceArgs};
use super::{Format, print};
use crate::error::{AS_EXPECTED, Error};
use crate::scenario::{Need, Suite, Truth, Voice};
use crate::score::document::{Condition, ScoreReport, Scorecard};
use crate::score::judge::{Labelled, trials};
use crate::score::{OWN_DETECTOR, Thresholds, own_voice, report};
use crate::verdict::RunReport;
use crate::verdict::suite::{VERSION, merge};

/// `mitmlab score`
#[derive(Debug, Args)]
pub struct Score {
    /// How it speaks; `word` if not said
    #[command(flatten)]
    pub voice: VoiceArgs,
    /// How often each condition is run, with another seed for its coins each time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,
    /// Say what precision would be where this share of connections is intercepted, such as 0.001
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub base_rate: Option<f64>,
    /// Exit with 1 if recall is below this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub min_recall: Option<f64>,
    /// Exit with 1 if there are more false alarms than this
    #[arg(long, value_name = "N")]
    pub max_false_positives: Option<u64>,
    /// Say what changed since this scorecard (JSON)
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Which conditions, and how
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// The detector, and its words; `{url}`, `{host}`, `{control}`, `{roots}`, `{ct_logs}`, `{pins}`, `{out}` ... are filled in. None: the lab's own
    #[arg(last = true, value_name = "DETECTOR")]
    pub client: Vec<String>,
}

/// Runs the suite.
pub(super) fn score(score: &Score) -> Result<u8, Error> {
    if score.suite.schema {
        print::line(format_args!("{:#}", report::schema().to_value()))?;
        return Ok(AS_EXPECTED);
    }
    let chosen = suite::choose(Suite::Score, &score.suite, None)?;
    if score.suite.list {
        return list(&chosen);
    }
    let seeds = voice::seeds(score.seeds)?;
    let baseline = score.baseline.as_deref().map(read).transpose()?;
    let detector = Detector::of(score)?;
    let began = Instant::now();
    let mut cases: Vec<Condition> = chosen.cases.iter().map(|found| condition(found, &detector)).collect();
    for seed in seeds {
        run(score, &chosen, &detector, seed, &mut cases)?;
    }
    let done = ScoreReport {
        version: VERSION,
        suite: Suite::Score,
        mitmlab: env!("CARGO_PKG_VERSION").to_owned(),
        digest: chosen.digest,
        of: chosen.of,
        shard: score.suite.shard,
        command: detector.argv,
        settings: settings(score),
        cases,
        ms: ms_since(began),
    };
    tell(score, Scorecard::of(done, score.base_rate, score.thresholds(), baseline.as_ref()))
}

/// The detector and how it speaks.
struct Detector {
    argv: Vec<String>,
    voice: Voice,
}

impl Detector {
    fn of(score: &Score) -> Result<Self, Error> {
        if score.client.is_empty() {
            let argv = OWN_DETECTOR.iter().map(|word| (*word).to_owned()).collect();
            return Ok(Self { argv, voice: own_voice() });
        }
        suite::is_there(&score.client)?;
        let voice = score.voice.voice(&score.client);
        Ok(Self { argv: score.client.clone(), voice: voice.unwrap_or_else(|| VoiceArgs::plain(&score.client)) })
    }

    fn has_control(&self) -> bool {
        self.argv.iter().any(|word| word.contains("{control}") || word.contains("{pin}") || word.contains("{pins}"))
    }
}

fn condition(found: &Found, detector: &Detector) -> Condition {
    let lacks = found.case.needs.contains(&Need::Control) && !detector.has_control();
    Condition {
        name: found.name.clone(),
        title: found.plan.title.clone(),
        group: found.case.group.clone(),
        label: found.case.truth.unwrap_or(Truth::Clean),
        reason: found.case.reason.clone(),
        trials: Vec::new(),
        not_run: lacks.then(|| "the detector has no control vantage: `{control}` is not among its words".to_owned()),
        run: None,
    }
}

/// Runs every condition once, with this seed.
fn run(score: &Score, chosen: &Chosen, detector: &Detector, seed: u64, cases: &mut [Condition]) -> Result<(), Error> {
    let runs: Vec<usize> = (0..cases.len()).filter(|at| cases[*at].not_run.is_none()).collect();
    let found: Vec<&Found> = runs.iter().map(|at| &chosen.cases[*at]).collect();
    let words = |_: &Found| -> Vec<OsString> {
        let told = ["--says", "word", "--seed", &seed.to_string(), "--"].map(OsString::from);
        told.into_iter().chain(detector.argv.iter().map(OsString::from)).collect()
    };
    for (at, ran) in runs.into_iter().zip(suite::run(&found, &score.suite, words)?) {
        let (found, case) = (&chosen.cases[at], &mut cases[at]);
        let labelled = Labelled { name: &found.name, label: case.label, plan: &found.plan };
        match ran {
            Err(why) => case.not_run = Some(format!("the case did not run: {why}")),
            Ok(report) => {
                for trial in trials(labelled, seed, &detector.voice, &report) {
                    match trial {
                        Ok(trial) => case.trials.push(trial),
                        Err(why) => case.not_run = Some(why),
                    }
                }
                case.run.get_or_insert(as_evidence(report));
            }
        }
    }
    Ok(())
}

/// A run without the whole of what its detector printed: scanners print a lot.
fn as_evidence(mut report: RunReport) -> RunReport {
    for leg in report.checks.iter_mut().filter_map(|check| check.test.as_mut()) {
        leg.stdout_head = leg.stdout_head.chars().take(EXCERPT).collect();
    }
    report
}

/// A share between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    let read: Option<f64> = text.parse().ok();
    read.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| format!("`{text}` is no share: 0 to 1"))
}

fn settings(score: &Score) -> BTreeMap<String, String> {
    let network = ("network".to_owned(), network_word(score.suite.network.network).to_owned());
    [network, ("seeds".to_owned(), score.seeds.to_string())].into()
}

fn list(chosen: &Chosen) -> Result<u8, Error> {
    let width = chosen.cases.iter().map(|found| found.name.len()).max().unwrap_or(0);
    for Found { name, case, .. } in &chosen.cases {
        let truth = case.truth.map_or("", Truth::as_str);
        print::line(format_args!("{name:width$}  {truth:14}  {}", case.reason))?;
    }
    Ok(AS_EXPECTED)
}

fn read(path: &Path) -> Result<ScoreReport, Error> {
    let text = std::fs::read(path).map_err(|e| Error::Usage(format!("cannot read `{}`: {e}", path.display())))?;
    serde_json::from_slice(&text).map_err(|e| Error::Usage(format!("`{}` is no scorecard: {e}", path.display())))
}

fn tell(score: &Score, card: Scorecard) -> Result<u8, Error> {
    score.suite.form.tell(|format| render(format, &card))?;
    Ok(card.exit_code())
}

/// The shards of a suite become one scorecard again. Thresholds are each shard's own; errors count.
pub(super) fn joined(shards: Vec<(String, ScoreReport)>, form: &FormArgs) -> Result<u8, Error> {
    let whole = merge(shards).map_err(|error| Error::Usage(error.to_string()))?;
    let card = Scorecard::of(whole, None, Thresholds::default(), None);
    form.tell(|format| render(format, &card))?;
    Ok(card.exit_code())
}

/// A scorecard in one of its forms.
fn render(format: Format, card: &Scorecard) -> Result<String, Error> {
    Ok(match format {
        Format::Text => report::text(card),
        Format::Json => report::json(card).map_err(|e| Error::Bug(e.to_string()))?,
        Format::Junit => report::junit(card).map_err(|e| Error::Bug(e.to_string()))?,
        Format::Tap => report::tap(card),
        Format::Markdown => report::markdown(card),
        Format::Html => report::html(card),
    })
}

impl Score {
    fn thresholds(&self) -> Thresholds {
        Thresholds { min_recall: self.min_recall, max_false_positives: self.max_false_positives }
    }
}

/// Characters of a detector's output that are kept.
const EXCERPT: usize = 4096;
