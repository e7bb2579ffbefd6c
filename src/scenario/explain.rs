//! A scenario explained: every value that runs, and where it came from: a line of the file, or a default.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::case::Need;
use super::diagnostic::{Diagnostics, line_of};
use super::load::{Loaded, load_both};
use super::plan::{Check, CheckClient, Expect, Matcher, Phase, Plan, Rule, Serve, Site};
use super::words::First;
use super::written::At;

/// Explains a scenario as [`load`](super::load()) resolves it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn explain(name_or_path: &str, profiles: &[&str]) -> Result<String, Diagnostics> {
    load_both(name_or_path, profiles).map(|loaded| Page::new(&loaded).write())
}

/// A page of aligned lines: key, value, source.
struct Page<'a> {
    loaded: &'a Loaded,
    rows: Vec<(String, String, String)>,
}

impl<'a> Page<'a> {
    fn new(loaded: &'a Loaded) -> Self {
        Self { loaded, rows: Vec::new() }
    }

    fn write(mut self) -> String {
        let plan = &self.loaded.plan;
        self.head(plan);
        self.case(plan);
        self.world(plan);
        for (at, phase) in plan.phases.iter().enumerate() {
            self.phase(phase, at);
        }
        plan.checks.iter().for_each(|check| self.check(check, plan));
        self.needs(plan);
        self.text()
    }

    fn head(&mut self, plan: &Plan) {
        let w = &self.loaded.scenario;
        self.row("title", &plan.title, self.from(w.title.as_ref()));
        for source in &plan.sources {
            self.row("source", source, String::new());
        }
        match (&plan.authority, w.authority.as_ref()) {
            (Some(authority), Some(a)) => {
                self.section("authority");
                self.row("profile", &authority.profile, self.from(a.profile.as_ref()));
                self.row("exact", authority.exact, self.from(a.exact.as_ref()));
                self.row("upstream_fault", word(&authority.upstream_fault), self.from(a.upstream_fault.as_ref()));
            }
            _ => self.row("authority", "none", "default".to_owned()),
        }
        self.section("network");
        let (n, written) = (&plan.network, w.network.as_ref().map(At::value));
        self.row("hops_inside", n.hops_inside, self.from(written.and_then(|n| n.hops_inside.as_ref())));
        self.row("hops_outside", n.hops_outside, self.from(written.and_then(|n| n.hops_outside.as_ref())));
        self.row("first_segment", n.first == First::Segment, self.from(written.and_then(|n| n.first_segment.as_ref())));
        self.row("ipv6", n.ipv6, self.from(written.and_then(|n| n.ipv6.as_ref())));
    }

    fn case(&mut self, plan: &Plan) {
        let written = self.loaded.scenario.case.as_ref().map(At::value);
        let (Some(case), Some(w)) = (&plan.case, written) else { return };
        let claims = |needs: &[Need]| needs.iter().map(|need| need.as_str()).collect::<Vec<_>>().join(", ");
        self.section("case");
        if let Some(must) = case.must {
            self.row("must", must, self.from(w.must.as_ref()));
            self.row(
                "speaks",
                case.speaks.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "),
                self.from(w.speaks.as_ref()),
            );
        }
        if let Some(truth) = case.truth {
            self.row("truth", word(&truth), self.from(w.truth.as_ref()));
        }
        self.row("reason", &case.reason, self.from(w.reason.as_ref()));
        self.row("group", &case.group, self.from(w.group.as_ref()));
        self.row(
            "needs",
            if case.needs.is_empty() { "nothing".to_owned() } else { claims(&case.needs) },
            self.from(w.needs.as_ref()),
        );
        if let Some(firm) = case.firm {
            self.row("firm", format!("refuse, with the claim `{}`", firm.as_str()), self.from(w.firm.as_ref()));
        }
        if let Some(soft) = case.soft {
            self.row("soft", format!("maybe, with the claim `{}`", soft.as_str()), self.from(w.soft.as_ref()));
        }
    }

    fn world(&mut self, plan: &Plan) {
        let written = self.loaded.scenario.world.as_ref().map(At::value);
        self.section("world");
        let included = written.and_then(|w| w.include.as_ref());
        self.row("include", included.map(|i| i.0.join(", ")).unwrap_or_default(), self.from(included));
        self.row("sites", plan.world.sites.len(), String::new());
        let https =
            |site: &'_ Site| site.services.iter().find_map(|s| if let Serve::Https { tls, .. } = &s.serve { *tls } else { None });
        for (site, only) in plan.world.sites.iter().filter_map(|site| Some((site, https(site)?))) {
            self.row(&format!("site {}", site.names[0]), format!("TLS {} only", word(&only)), String::new());
        }
        let resolvers = plan.world.isp_resolver.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let from = written.and_then(|w| w.isp_resolver.as_ref());
        let included = if included.is_some() { "included world" } else { "default" };
        self.row("isp_resolver", resolvers, from.map_or_else(|| included.to_owned(), |f| self.from(Some(f))));
        for file in &plan.world.extra_roots {
            self.row("root", file.display(), self.from(written.and_then(|w| w.roots.as_ref())));
        }
        let clock = written.and_then(|w| w.clock.as_ref());
        let undated =
            if plan.phases.iter().any(|p| p.from.is_some()) { "the first phase's beginning" } else { "this machine's time" };
        self.row("clock", date(plan.clock), clock.map_or_else(|| format!("default: {undated}"), |c| self.from(Some(c))));
        self.row("seed", plan.seed, self.from(written.and_then(|w| w.seed.as_ref())));
        for (name, list) in &self.loaded.scenario.lists {
            self.row(&format!("list {name}"), &list.file, self.from(Some(list)));
        }
    }

    fn phase(&mut self, phase: &Phase, at: usize) {
        let written = self.loaded.scenario.phase.get(at).map(At::value);
        self.section(&format!("phase `{}`", phase.name));
        if let Some(from) = phase.from {
            self.row("from", date(from), self.from(written.and_then(|w| w.from.as_ref())));
        }
        if let Some(to) = phase.to {
            let source = written.and_then(|w| w.to.as_ref());
            self.row(
                "to",
                date(to),
                source.map_or_else(|| "default: the next phase's beginning".to_owned(), |s| self.from(Some(s))),
            );
        }
        if let Some(profile) = &phase.profile {
            self.row("profile", profile, self.from(written.and_then(|w| w.profile.as_ref())));
        }
        for rule in &phase.rules {
            self.rule(rule);
        }
        self.row("otherwise", "forward", "default".to_owned());
    }

    fn rule(&mut self, rule: &Rule) {
        let does = format!("{} -> {}", matched(&rule.when), word(&rule.action));
        self.row(&format!("rule {}", rule.name), does, format!("line {}", rule.line));
        let sources = if rule.sources.is_empty() { "not evidence-based".to_owned() } else { rule.sources.join(", ") };
        self.row("  sources", sources, String::new());
    }

    fn check(&mut self, check: &Check, plan: &Plan) {
        let written = self.loaded.scenario.check.iter().find(|w| line_of(&self.loaded.text, w.span().start) == check.line);
        let written = written.map(At::value);
        self.section(&format!("check `{}`", check.name));
        self.row("runs", check.client.argv().join(" "), format!("line {}", check.line));
        if let CheckClient::Detector(detector) = &check.client {
            self.row("says", format!("{:?}", detector.voice.says), String::new());
        }
        if let Some(url) = &check.url {
            self.row("url", url, self.from(written.and_then(|w| w.url.as_ref())));
        }
        let targets = written.and_then(|w| w.targets.as_ref());
        let derived = if check.url.is_some() { "default: from `url`" } else { "default: from the client's words" };
        self.row("targets", check.targets.join(", "), targets.map_or_else(|| derived.to_owned(), |t| self.from(Some(t))));
        self.row("trust", check.trust, self.from(written.and_then(|w| w.trust.as_ref())));
        self.row("vantage", check.vantage, self.from(written.and_then(|w| w.vantage.as_ref())));
        self.row("phase", &plan.phases[check.phase].name, self.from(written.and_then(|w| w.phase.as_ref())));
        let at = written.and_then(|w| w.at.as_ref());
        let begins =
            if plan.phases[check.phase].from.is_some() { "default: the phase's beginning" } else { "default: the world's clock" };
        self.row("at", date(check.clock), at.map_or_else(|| begins.to_owned(), |a| self.from(Some(a))));
        self.row("deadline", format!("{:?}", check.deadline), self.from(written.and_then(|w| w.deadline.as_ref())));
        if let Some(why) = &check.sealed_only {
            self.row("sealed_only", why, self.from(written.and_then(|w| w.sealed_only.as_ref())));
        }
        self.row("expects", expected(&check.expect), self.from(written.and_then(|w| w.expect.as_ref())));
        if let Some(twin) = &check.twin {
            let changed = changes(check, twin, plan);
            self.row("twin", format!("{changed}: {}", expected(&twin.expect)), format!("line {}", twin.line));
        }
    }

    fn needs(&mut self, plan: &Plan) {
        let needs = plan.needs();
        let ports = |ports: &BTreeSet<u16>| match ports.len() {
            0 => "none".to_owned(),
            _ => ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
        };
        self.section("needs");
        self.row("tcp ports", ports(&needs.tcp), String::new());
        self.row("udp ports", ports(&needs.udp), String::new());
        let why = if needs.packets.is_empty() { "nothing".to_owned() } else { needs.packets.join("; ") };
        self.row("sealed network for", why, String::new());
    }

    fn from<T>(&self, at: Option<&At<T>>) -> String {
        at.map_or_else(|| "default".to_owned(), |at| format!("line {}", line_of(&self.loaded.text, at.span().start)))
    }

    fn section(&mut self, title: &str) {
        self.rows.push((String::new(), title.to_owned(), String::new()));
    }

    fn row(&mut self, key: &str, value: impl ToString, source: String) {
        self.rows.push((key.to_owned(), value.to_string(), source));
    }

    /// Keys in a column, the source behind each value.
    fn text(&self) -> String {
        let width = self.rows.iter().map(|(key, ..)| key.chars().count()).max().unwrap_or(0);
        let mut text = format!("{}\n", self.loaded.file);
        for (key, value, source) in &self.rows {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            // Writing to a string cannot fail.
            let _ = match (key.is_empty(), source.is_empty()) {
                (true, _) => writeln!(text, "\n{value}"),
                (false, true) => writeln!(text, "  {key:width$}  {value}"),
                (false, false) => writeln!(text, "  {key:width$}  {value}  # {source}"),
            };
        }
        text
    }
}

/// A word of the language as it is written, with its parameters.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

fn date(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_else(|_| moment.to_string())
}

fn matched(when: &Matcher) -> String {
    let names = |names: &[String]| match names {
        few if few.len() <= 3 => few.join(" or "),
        many => format!("{} or {} others", many[0], many.len() - 1),
    };
    let numbers = |numbers: &[u16]| numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
    let prefixes =
        |p: &[(std::net::IpAddr, u8)]| p.iter().map(|(a, bits)| format!("{a}/{bits}")).collect::<Vec<_>>().join(" or ");
    let parts = [
        when.sni.as_deref().map(|n| format!("sni {}", names(n))),
        when.host.as_deref().map(|n| format!("host {}", names(n))),
        when.name.as_deref().map(|n| format!("name {}", names(n))),
        when.no_sni.map(|n| if n { "no sni".to_owned() } else { "some sni".to_owned() }),
        when.port.as_deref().map(|p| format!("port {}", numbers(p))),
        when.transport.map(|t| word(&t)),
        when.alpn.as_deref().map(|a| format!("alpn {}", names(a))),
        when.ech.map(|e| if e { "ech".to_owned() } else { "no ech".to_owned() }),
        when.direction.map(|d| word(&d)),
        when.client.as_deref().map(|c| format!("client {}", prefixes(c))),
        when.address.as_deref().map(|a| format!("address {}", prefixes(a))),
        when.asn.as_deref().map(|a| a.iter().map(|n| format!("AS{n}")).collect::<Vec<_>>().join(" or ")),
        when.origin.map(|o| format!("{} origin", word(&o))),
        when.chance.map(|c| format!("{} of {}", c.probability, if c.per_path { "paths" } else { "connections" })),
        when.schedule.as_ref().map(|s| s.daily.iter().map(|(a, b)| format!("{a} to {b}")).collect::<Vec<_>>().join(" or ")),
    ];
    let given: Vec<String> = parts.into_iter().flatten().collect();
    if given.is_empty() { "everything".to_owned() } else { given.join(", ") }
}

fn expected(expect: &Expect) -> String {
    let verdicts = expect.verdict.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(" or ");
    let parts = [
        (!verdicts.is_empty()).then_some(verdicts),
        expect.action.as_ref().map(|a| format!("action {a}")),
        expect.rule.as_ref().map(|rule| format!("rule {rule}")),
        expect.exit.map(|e| format!("exit {e}")),
        expect.exit_nonzero.map(|n| if n { "exit not 0".to_owned() } else { "exit 0".to_owned() }),
        expect.alert.map(|a| format!("alert {a}")),
        expect.stderr.as_ref().map(|s| format!("stderr `{s}`")),
        expect.finding.as_ref().map(|f| format!("finding `{f}`")),
        expect.messages.map(|m| format!("messages {}", m.as_str())),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn changes(check: &Check, twin: &Check, plan: &Plan) -> String {
    let parts = [
        (check.url != twin.url).then(|| format!("url {}", twin.url.as_deref().unwrap_or("none"))),
        (check.trust != twin.trust).then(|| format!("trust {}", twin.trust)),
        (check.vantage != twin.vantage).then(|| format!("vantage {}", twin.vantage)),
        (check.phase != twin.phase).then(|| format!("phase {}", plan.phases[twin.phase].name)),
        (check.phase == twin.phase && check.clock != twin.clock).then(|| format!("at {}", date(twin.clock))),
        (check.client.argv() != twin.client.argv()).then(|| twin.client.argv().join(" ")),
    ];
    let given: Vec<String> = parts.into_iter().flatten().collect();
    if given.is_empty() { "the same".to_owned() } else { given.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_says_where_it_came_from() {
        let told = explain("kazakhstan-2019", &["qaznet-2019", "qaznet-2019-before-0719", "qaznet-2019-after-0730"]).unwrap();
        assert!(told.contains("first_segment") && told.contains("# default") && told.contains("# line "), "{told}");
        assert!(told.contains("default: the next phase's beginning"), "{told}");
        assert!(told.contains("sni allo.google.com or 36 others, port 443, trusted origin -> intercept"), "{told}");
    }

    #[test]
    fn a_case_says_what_it_asks() {
        let told = explain("verify/mail-expired", &[]).unwrap();
        for part in ["\ncase\n", "must", "refuse", "smtp, smtps, submission", "Nobody vouches", "needs", "nothing"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(explain("verify/revoked", &[]).unwrap().contains("refuse, with the claim `revocation`"));
        assert!(explain("score/clean-nothing", &[]).unwrap().contains("truth"));
    }

    #[test]
    fn what_cannot_be_loaded_is_not_explained() {
        assert!(explain("no-such-scenario", &[]).is_err());
    }
}
