//! A check's detector: its command, and the one way in which its finding is read.

use crate::scenario::detector::{Detector, From, Says, Voice};
use crate::scenario::diagnostic::Kind;
use crate::scenario::plan::Plan;
use crate::scenario::resolve::{Resolver, commands};
use crate::scenario::written::{At, DetectorWritten, SaysWritten};

pub(super) fn detector(r: &mut Resolver<'_>, written: &At<DetectorWritten>, url: Option<&str>, plan: &Plan) -> Option<Detector> {
    let spot = r.spot(written);
    let (Some(run), Some(says)) = (&written.run, &written.says) else {
        let hint = "`detector = { run = [\"mitmlab\", \"probe\", \"{url}\"], says = { json = \"/finding\" } }`";
        r.collector.report(Kind::Missing, &spot, "a detector needs `run` and `says`").hint(hint);
        return None;
    };
    let voice = voice(r, says)?;
    if voice.from == From::File && !run.value().iter().any(|word| word.contains("{out}")) {
        let spot = r.spot(run);
        r.collector
            .report(Kind::Missing, &spot, "the finding is read from a file, and the command is not told which")
            .hint("write `{out}` where the command takes the name of its output file");
    }
    Some(Detector { run: commands::fill_in(r, run.value(), url, &spot, &plan.world), voice })
}

fn voice(r: &mut Resolver<'_>, says: &At<SaysWritten>) -> Option<Voice> {
    let ways = [
        says.json.as_ref().map(|j| Says::Json(j.value().clone())),
        says.line.as_ref().map(|l| Says::Line(l.value().clone())),
        says.exit.as_ref().map(|e| Says::Exit(e.0.clone())),
        says.junit.as_ref().map(|j| Says::Junit(j.value().clone())),
        says.word.as_ref().filter(|w| *w.value()).map(|_| Says::Word),
    ];
    let mut ways = ways.into_iter().flatten();
    let (Some(way), None) = (ways.next(), ways.next()) else {
        let spot = r.spot(says);
        r.collector
            .report(Kind::Contradiction, &spot, "a finding is read in one way")
            .hint("exactly one of `json`, `line`, `exit`, `junit`, `word`");
        return None;
    };
    if let Some(json) = says.json.as_ref().filter(|j| !j.is_empty() && !j.starts_with('/')) {
        let spot = r.spot(json);
        r.collector
            .report(Kind::BadValue, &spot, format!("`{}` is no JSON pointer", json.value()))
            .hint(format!("`/{}`", json.value()));
    }
    let from = says.from.as_ref().map(|from| *from.value()).unwrap_or_default();
    if let (Says::Exit(_), From::File, Some(written)) = (&way, from, &says.from) {
        let spot = r.spot(written);
        r.collector.report(Kind::Contradiction, &spot, "an exit code stands in no file");
    }
    Some(Voice { says: way, from, words: says.words.clone().unwrap_or_default().into_iter().collect() })
}
