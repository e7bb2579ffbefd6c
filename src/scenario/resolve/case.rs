//! The table `[case]`: one of two questions, and a reason.

use super::Resolver;
use crate::scenario::case::{Case, Must, Speaks};
use crate::scenario::diagnostic::Kind;
use crate::scenario::written::{At, CaseWritten};

pub(super) fn resolve(r: &mut Resolver<'_>, written: Option<&At<CaseWritten>>) -> Option<Case> {
    let written = written?;
    let spot = r.spot(written);
    match (&written.must, &written.truth) {
        (None, None) => drop(
            r.collector
                .report(Kind::Missing, &spot, "a case that asks nothing")
                .hint("`must = \"refuse\"` for a client, or `truth = \"state-box\"` for a detector"),
        ),
        (Some(_), Some(truth)) => {
            let spot = r.spot(truth);
            r.collector.report(Kind::Contradiction, &spot, "a case asks a client (`must`) or a detector (`truth`), not both");
        }
        _ => {}
    }
    let must = written.must.as_ref().map(|must| *must.value());
    if written.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        r.collector.report(Kind::Missing, &spot, "a case without a reason").hint("`reason = \"why a safe client must do so\"`");
    }
    if let Some(firm) = written.firm.as_ref().filter(|_| must != Some(Must::Maybe)) {
        let spot = r.spot(firm);
        r.collector.report(Kind::Contradiction, &spot, "`firm` says what makes a `maybe` firm, and this case is none");
    }
    if let Some(soft) = written.soft.as_ref().filter(|_| must != Some(Must::Accept)) {
        let spot = r.spot(soft);
        r.collector.report(Kind::Contradiction, &spot, "`soft` says what makes an `accept` soft, and this case is none");
    }
    Some(Case {
        must,
        truth: written.truth.as_ref().map(|truth| *truth.value()),
        reason: written.reason.as_ref().map(|reason| reason.trim().to_owned()).unwrap_or_default(),
        group: written.group.as_ref().map_or_else(|| "other".to_owned(), |group| group.value().clone()),
        needs: written.needs.as_ref().map(|needs| needs.0.clone()).unwrap_or_default(),
        firm: written.firm.as_ref().map(|firm| *firm.value()),
        soft: written.soft.as_ref().map(|soft| *soft.value()),
        speaks: written.speaks.as_ref().map_or_else(|| vec![Speaks::default()], |speaks| speaks.0.clone()),
    })
}
