//! Expectations: known words, and nothing that the phase could never fulfil.

use crate::scenario::diagnostic::Kind;
use crate::scenario::plan::{CheckClient, Expect, Phase, Plan, Site};
use crate::scenario::resolve::{Resolver, site_of};
use crate::scenario::suggest;
use crate::scenario::words::{Action, VerdictKind};
use crate::scenario::written::{ACTION_WORDS, At, ExpectWritten};

pub(super) fn resolve(
    r: &mut Resolver<'_>,
    written: &At<ExpectWritten>,
    (phase, plan): (&Phase, &Plan),
    client: &CheckClient,
    targets: &[String],
) -> Expect {
    let text = |value: &Option<At<String>>| value.as_ref().map(|v| v.value().clone());
    let expect = Expect {
        verdict: written.verdict.as_ref().map(|v| v.0.clone()).unwrap_or_default(),
        action: text(&written.action),
        rule: text(&written.rule),
        exit: written.exit.as_ref().map(|e| *e.value()),
        exit_nonzero: written.exit_nonzero.as_ref().map(|e| *e.value()),
        alert: written.alert.as_ref().map(|a| *a.value()),
        stderr: text(&written.stderr),
        finding: text(&written.finding),
        messages: written.messages.as_ref().map(|m| *m.value()),
    };
    if expect.is_empty() {
        let spot = r.spot(written);
        r.collector.report(Kind::Missing, &spot, "an expectation that expects nothing").hint("name a `verdict`, or another key");
    }
    let faulty = targets.iter().filter_map(|t| site_of(&plan.world, t)).any(Site::is_faulty);
    let closes = plan.refuses_bad_origins(phase);
    verdicts(r, written, phase, (faulty, closes));
    action(r, written, phase, closes);
    rule(r, written, phase);
    exits(r, written, client);
    expect
}

/// `faulty`: a target shows a bad certificate of its own, which a careless client may accept without any box. `closes`: the
/// box ends connections to such targets.
fn verdicts(r: &mut Resolver<'_>, written: &ExpectWritten, phase: &Phase, (faulty, closes): (bool, bool)) {
    let Some(verdicts) = &written.verdict else { return };
    let spot = r.spot(verdicts);
    for verdict in &verdicts.0 {
        let told = match verdict {
            VerdictKind::Inconclusive | VerdictKind::NotContacted => {
                "never passes: it says that the run proves nothing".to_owned()
            }
            VerdictKind::Exposed if !faulty && !phase.rules.iter().any(|r| r.action == Action::Intercept) => {
                format!("cannot be: no rule of the phase `{}` intercepts", phase.name)
            }
            VerdictKind::ExposedInClear if !phase.rules.iter().any(|r| r.action.is_about_upgrades()) => {
                format!("cannot be: no rule of the phase `{}` takes STARTTLS away", phase.name)
            }
            VerdictKind::Blocked if !closes && !phase.rules.iter().any(|r| hinders(&r.action)) => {
                format!("cannot be: no rule of the phase `{}` hinders a connection", phase.name)
            }
            _ => continue,
        };
        r.collector.report(Kind::Contradiction, &spot, format!("the verdict `{verdict}` {told}"));
    }
}

fn action(r: &mut Resolver<'_>, written: &ExpectWritten, phase: &Phase, closes: bool) {
    let Some(action) = &written.action else { return };
    let spot = r.spot(action);
    let word = action.value().as_str();
    if !ACTION_WORDS.contains(&word) {
        let hint = suggest::hint(word, ACTION_WORDS.iter().copied());
        r.collector.report(Kind::UnknownName, &spot, format!("no action is called `{word}`")).maybe(hint);
    } else if word == "close" && closes {
        // not a rule's action, but what comes of an interception of a bad origin
    } else if word != "forward" && !phase.rules.iter().any(|rule| rule.action.name() == word) {
        let message = format!("the action `{word}` cannot be: no rule of the phase `{}` does it", phase.name);
        r.collector.report(Kind::Contradiction, &spot, message);
    }
}

fn rule(r: &mut Resolver<'_>, written: &ExpectWritten, phase: &Phase) {
    let Some(rule) = &written.rule else { return };
    if phase.rules.iter().all(|known| known.name != *rule.value()) {
        let spot = r.spot(rule);
        let hint = suggest::hint(rule.value(), phase.rules.iter().map(|known| known.name.as_str()));
        let message = format!("no rule of the phase `{}` is called `{}`", phase.name, rule.value());
        r.collector.report(Kind::UnknownName, &spot, message).maybe(hint);
    }
}

fn exits(r: &mut Resolver<'_>, written: &ExpectWritten, client: &CheckClient) {
    if let (Some(exit), Some(nonzero)) = (&written.exit, &written.exit_nonzero) {
        let spot = r.spot(nonzero);
        let message = format!("`exit = {}` and `exit_nonzero = {}` say one thing twice", exit.value(), nonzero.value());
        r.collector.report(Kind::Contradiction, &spot, message).hint("keep one of them");
    }
    if let (Some(finding), CheckClient::Command(_)) = (&written.finding, client) {
        let spot = r.spot(finding);
        r.collector
            .report(Kind::Contradiction, &spot, "a finding is expected of a client that is no detector")
            .hint("run it as `detector = { run = [...], says = { ... } }`");
    }
}

/// True if the client cannot do what it would have done, for another reason than a certificate.
fn hinders(action: &Action) -> bool {
    !matches!(action, Action::Forward | Action::Intercept) && !action.is_about_upgrades()
}
