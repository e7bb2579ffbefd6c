//! From signs to a finding, and from a finding to a class. Pure: signs in, words out.
//!
//! The order is the argument: a strong sign of interception outweighs any fault, a fault of the site explains an untrusted chain,
//! and an untrusted chain that nothing explains is no proof of anything. Who intercepts is told by names at last, and anybody
//! can write a name: so a name counts as an excuse only where the root is installed on this machine, or where everything is
//! intercepted alike.

use super::Finding;
use crate::probe::{Signal, SpeaksFor};
use crate::scenario::{Answer, Truth};

/// What the finding rests on, besides signs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing<'a> {
    /// The store trusts the chain for this name, now.
    pub(super) trusted: bool,
    /// The vendors' roots know the issuer; none if they are not known.
    pub(super) public: Option<bool>,
    /// Names of the chain, lower case.
    pub(super) names: &'a str,
}

/// The finding, its class and its reason.
pub(super) fn judge(standing: Standing<'_>, signals: &[Signal]) -> (Finding, Answer, String) {
    let (finding, reason) = finding(standing, signals);
    let class = match finding {
        Finding::Clean if signals.iter().any(|s| s.speaks_for == SpeaksFor::Change) => Answer::Named(Truth::GenuineChange),
        Finding::Clean => Answer::Named(Truth::Clean),
        Finding::BrokenSite => Answer::Named(Truth::BrokenSite),
        Finding::Portal => Answer::Named(Truth::CaptivePortal),
        Finding::Blocked => Answer::Named(Truth::Blocked),
        Finding::NotSure => Answer::NotSure,
        Finding::Intercepted => interceptor(standing, signals),
    };
    (finding, class, reason)
}

fn finding(standing: Standing<'_>, signals: &[Signal]) -> (Finding, String) {
    let speaks = |what| signals.iter().find(move |s| s.speaks_for == what);
    let because = |signal: &Signal| format!("{}: {}", signal.name, signal.evidence);
    if let Some(sign) = speaks(SpeaksFor::Portal).filter(|_| !standing.trusted && !known(signals)) {
        return (Finding::Portal, because(sign));
    }
    if let Some(sign) = speaks(SpeaksFor::Interception) {
        return (Finding::Intercepted, because(sign));
    }
    if let Some(sign) = speaks(SpeaksFor::Genuine).filter(|_| !standing.trusted) {
        return (Finding::BrokenSite, format!("not trusted, but {}", because(sign)));
    }
    let (fault, perhaps) = (speaks(SpeaksFor::BrokenSite), speaks(SpeaksFor::InterceptionPerhaps));
    if standing.trusted {
        return match (standing.public, fault, perhaps) {
            (_, Some(fault), _) => (Finding::BrokenSite, because(fault)),
            (Some(true), None, _) => (Finding::Clean, "trusted through a public root, no sign of interception".to_owned()),
            (_, None, None) => (Finding::Clean, "trusted, no sign of interception".to_owned()),
            (_, None, Some(sign)) => (Finding::NotSure, format!("trusted, but {}", because(sign))),
        };
    }
    match (fault, perhaps, speaks(SpeaksFor::Unclear)) {
        (None, Some(sign), None) => (Finding::Intercepted, format!("unknown issuer, and {}", because(sign))),
        (Some(fault), None, _) => (Finding::BrokenSite, because(fault)),
        (Some(fault), Some(sign), _) => (Finding::NotSure, format!("{}, but also {}", because(fault), because(sign))),
        (None, _, Some(sign)) => {
            (Finding::NotSure, format!("{}: the server's own doing, or a box that forges for every name", because(sign)))
        }
        (None, None, None) => (Finding::NotSure, "the chain is not trusted, and nothing tells why".to_owned()),
    }
}

/// Signs that name the interceptor: no portal answers with these.
fn known(signals: &[Signal]) -> bool {
    signals.iter().any(|s| matches!(s.name, "known-interception-key" | "known-interception-name" | "blocked-key"))
}

/// Who intercepts.
fn interceptor(standing: Standing<'_>, signals: &[Signal]) -> Answer {
    let has = |name: &str| signals.iter().any(|s| s.name == name);
    let claimed = VOCABULARY.iter().find(|(words, _)| words.iter().any(|word| standing.names.contains(word)));
    match claimed.map(|(_, class)| *class) {
        _ if known(signals) => Answer::Named(Truth::StateBox),
        Some(class) if has("local-root") || has("on-demand") => Answer::Named(class),
        Some(_) => Answer::NotSure,
        None => Answer::Named(Truth::StateBox),
    }
}

/// Words in the names of gateways, scanners and filters, lower case: makers' names, and what they call the thing. After the issuers
/// that Durumeric et al. (NDSS 2017, "The Security Impact of HTTPS Interception") and de Carne de Carnavalet and Mannan (NDSS
/// 2016, "Killed by Proxy") list.
const VOCABULARY: [(&[&str], Truth); 3] = [
    (
        &[
            "antivirus",
            "anti-virus",
            "kaspersky",
            "avast",
            "avg technologies",
            "eset ssl filter",
            "bitdefender",
            "dr.web",
            "bullguard",
            "g data",
        ],
        Truth::Antivirus,
    ),
    (
        &[
            "family filter",
            "parental",
            "net nanny",
            "contentwatch",
            "qustodio",
            "mobicip",
            "covenant eyes",
            "cybersitter",
            "k9 web",
        ],
        Truth::Parental,
    ),
    (
        &[
            "tls inspection",
            "ssl inspection",
            "zscaler",
            "fortinet",
            "fortigate",
            "blue coat",
            "bluecoat",
            "palo alto",
            "netskope",
            "sophos",
            "check point",
            "forcepoint",
            "websense",
            "cisco umbrella",
            "iboss",
            "watchguard",
            "sonicwall",
            "barracuda",
            "mcafee web gateway",
        ],
        Truth::Corporate,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(names: &[(&'static str, SpeaksFor)]) -> Vec<Signal> {
        names.iter().map(|(name, speaks_for)| Signal { name, speaks_for: *speaks_for, evidence: String::new() }).collect()
    }

    fn found(trusted: bool, public: Option<bool>, speak: &[SpeaksFor]) -> Finding {
        let signals = signs(&speak.iter().map(|s| ("x", *s)).collect::<Vec<_>>());
        judge(Standing { trusted, public, names: "" }, &signals).0
    }

    #[test]
    fn the_order_of_the_argument_holds() {
        use SpeaksFor::{BrokenSite, Interception, InterceptionPerhaps, Portal, Unclear};
        assert_eq!(found(true, None, &[]), Finding::Clean);
        assert_eq!(found(true, Some(true), &[InterceptionPerhaps]), Finding::Clean);
        assert_eq!(found(true, None, &[InterceptionPerhaps]), Finding::NotSure);
        assert_eq!(found(true, Some(false), &[Interception]), Finding::Intercepted);
        assert_eq!(found(true, Some(true), &[BrokenSite]), Finding::BrokenSite, "revoked");
        assert_eq!(found(false, None, &[BrokenSite, Interception]), Finding::Intercepted);
        assert_eq!(found(false, None, &[InterceptionPerhaps]), Finding::Intercepted);
        assert_eq!(found(false, None, &[BrokenSite]), Finding::BrokenSite);
        assert_eq!(found(false, None, &[BrokenSite, Portal]), Finding::Portal);
        assert_eq!(found(false, None, &[SpeaksFor::Genuine]), Finding::BrokenSite);
        assert_eq!(found(false, None, &[Unclear]), Finding::NotSure);
        assert_eq!(found(false, None, &[]), Finding::NotSure);
    }

    #[test]
    fn a_name_excuses_only_where_its_root_is_installed_or_all_is_intercepted() {
        use SpeaksFor::Interception;
        let who = |names, found: &[&'static str]| {
            let signals = signs(&found.iter().map(|name| (*name, Interception)).collect::<Vec<_>>());
            judge(Standing { trusted: false, public: Some(false), names }, &signals).1
        };
        let gateway = "cn=example corporation tls inspection";
        assert_eq!(who(gateway, &["local-root"]), Answer::Named(Truth::Corporate));
        assert_eq!(who(gateway, &["depends-on-name"]), Answer::NotSure, "anybody can write a name");
        assert_eq!(who(gateway, &["local-root", "known-interception-name"]), Answer::Named(Truth::StateBox));
        assert_eq!(who("cn=acme", &["local-root"]), Answer::Named(Truth::StateBox));
        assert_eq!(who("cn=kaspersky anti-virus personal root", &["local-root"]), Answer::Named(Truth::Antivirus));
    }

    #[test]
    fn a_change_of_the_sites_own_is_clean_and_a_change() {
        let standing = Standing { trusted: true, public: Some(true), names: "" };
        let (finding, class, _) = judge(standing, &signs(&[("renewed", SpeaksFor::Change)]));
        assert_eq!((finding, class), (Finding::Clean, Answer::Named(Truth::GenuineChange)));
    }
}
