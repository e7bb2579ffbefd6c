//! Commands of checks: their placeholders, the URLs in them, and the hosts that are judged.

use std::net::IpAddr;

use super::{Resolver, site_of};
use crate::scenario::diagnostic::{Kind, Spot};
use crate::scenario::plan::World;
use crate::scenario::suggest;

/// The parts of a URL that the lab needs (RFC 3986 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Scheme, lower case.
    pub(crate) scheme: String,
    /// Host without brackets and final dot, lower case.
    pub(crate) host: String,
    /// Port, if it is written.
    pub(crate) port: Option<u16>,
}

impl Url {
    /// Reads `scheme://[user@]host[:port]...`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.rsplit(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).next()?;
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'', ')', '<', '>']).next()?;
        let host_port = authority.rsplit('@').next()?;
        let (host, port) = match host_port.strip_prefix('[') {
            Some(v6) => v6.split_once(']').map(|(host, rest)| (host, rest.strip_prefix(':')))?,
            None => host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port))),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let port = match port {
            None | Some("") => None,
            Some(digits) => Some(digits.parse().ok()?),
        };
        let good = !host.is_empty() && !scheme.is_empty() && !host.contains(['{', '}']);
        good.then(|| Self { scheme: scheme.to_ascii_lowercase(), host, port })
    }
}

/// A command with what can be filled in now (`{address:NAME}`); the rest is left to the runner.
pub(super) fn fill_in(r: &mut Resolver<'_>, argv: &[String], url: Option<&str>, spot: &Spot, world: &World) -> Vec<String> {
    if argv.first().is_none_or(|program| program.trim().is_empty()) {
        r.collector.report(Kind::Missing, spot, "no program is named").hint("`client = [\"curl\", \"{url}\"]`");
    }
    argv.iter().map(|word| fill_in_word(r, word, url, spot, world)).collect()
}

fn fill_in_word(r: &mut Resolver<'_>, word: &str, url: Option<&str>, spot: &Spot, world: &World) -> String {
    let mut filled = word.to_owned();
    for name in placeholders(word) {
        if let Some(host) = name.strip_prefix("address:") {
            match site_of(world, host).and_then(|s| s.addresses.iter().find(|a| a.is_ipv4()).or(s.addresses.first())) {
                Some(address @ IpAddr::V6(_)) => filled = filled.replace(&format!("{{{name}}}"), &format!("[{address}]")),
                Some(address) => filled = filled.replace(&format!("{{{name}}}"), &address.to_string()),
                None => unknown_host(r, host, spot, world),
            }
        } else if matches!(name, "url" | "host") && url.is_none() {
            let message = format!("`{{{name}}}` stands for nothing: the check has no `url`");
            r.collector.report(Kind::Missing, spot, message).hint("give the check a `url`");
        } else if !PLACEHOLDERS.contains(&name) {
            let message = format!("no placeholder is called `{{{name}}}`");
            let meant = format!("write `{{{{{name}}}}}` if the braces are meant");
            let near = suggest::nearest(name, PLACEHOLDERS).map(|near| format!("did you mean `{{{near}}}`?"));
            r.collector.report(Kind::UnknownName, spot, message).hint(near.unwrap_or(meant));
        }
    }
    filled
}

/// Hosts that a command's connections are judged by: those of `url`, else of the URLs among its words.
pub(super) fn targets(url: Option<&str>, argv: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = match url {
        Some(url) => Url::parse(url).into_iter().map(|u| u.host).collect(),
        None => argv.iter().filter_map(|word| Url::parse(word)).map(|u| u.host).collect(),
    };
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

pub(super) fn unknown_host(r: &mut Resolver<'_>, host: &str, spot: &Spot, world: &World) {
    let known: Vec<&str> = world.sites.iter().flat_map(|s| s.names.iter().map(String::as_str)).collect();
    let hint = suggest::nearest(host, &known).map_or_else(
        || "add it: `[[world.site]]` with `names` and `address`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    r.collector.report(Kind::UnknownName, spot, format!("no site of the world is called `{host}`")).hint(hint);
}

/// What stands in single braces and is a word of letters, or `address:` and a name. `{{word}}` and `%{http_code}` are none.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices('{').filter_map(move |(at, _)| {
        let doubled = word[..at].ends_with('{');
        let (name, _) = word[at + 1..].split_once('}')?;
        let letters = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
        (!doubled && (letters || PLACEHOLDERS.contains(&name) || name.starts_with("address:"))).then_some(name)
    })
}

/// What the runner fills in. `{address:NAME}` is filled in here.
const PLACEHOLDERS: &[&str] =
    &["url", "host", "pin", "ca", "lab", "roots", "ct_logs", "blocklist", "crl", "pins", "control", "out", "address"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://user:pw@WWW.Example.Test.:8443/a?b#c").unwrap();
        assert_eq!((url.scheme.as_str(), url.host.as_str(), url.port), ("https", "www.example.test", Some(8443)));
        assert_eq!(Url::parse("https://[2001:db8::1]:443/").unwrap().host, "2001:db8::1");
        for wrong in ["www.example.test", "https://", "https://a:b/", "://a", "https://{host}/"] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_words_in_single_braces_are_placeholders() {
        let found: Vec<_> = placeholders("{url} %{http_code} {{host}} { a: 1 } {address:a.test}:443 {} {lab").collect();
        assert_eq!(found, ["url", "address:a.test"]);
    }

    #[test]
    fn targets_come_from_the_url_else_from_the_words() {
        let argv = ["git".to_owned(), "ls-remote".to_owned(), "https://github.com/a/b".to_owned()];
        assert_eq!(targets(None, &argv), ["github.com"]);
        assert_eq!(targets(Some("https://a.test/"), &argv), ["a.test"]);
    }
}
