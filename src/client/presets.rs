//! What is known of each client program: which store it reads, what moves it, whether a proxy can reach it.
//!
//! Measured with Debian 12's versions unless said otherwise: 422 runs of some 35 set-ups. The table says what a program
//! *does*, so that a report can say "this client ignores the proxy" instead of guessing.

use std::path::Path;

mod table;

use table::{PRESETS, UNKNOWN};

/// A client program.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// File names by which it is known, the first one being what reports call it.
    pub names: &'static [&'static str],
    /// Which roots it reads when nothing is set.
    pub store: Store,
    /// The knob that the lab turns, in words, for the explicit proxy and for what the overlays do not reach.
    pub knob: &'static str,
    /// Knobs that look right and were measured to do nothing.
    pub ignores: &'static [&'static str],
    /// Whether and how the explicit proxy reaches it.
    pub proxy: ProxyUse,
    /// Arguments that it needs in every network.
    pub arguments: &'static [Argument],
    /// Arguments that it needs in the proxy network, besides.
    pub proxy_arguments: &'static [Argument],
    /// Its home directory.
    pub home: Home,
    /// Whether it knows a block list of keys.
    pub blocklist: Blocklist,
    /// What a reader of its verdict must know.
    pub remark: Option<&'static str>,
}

/// Which roots a program reads when nothing is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The system's bundle or hashed directory: the overlays of the sealed network suffice.
    System,
    /// A store of its own: what it is.
    Own(&'static str),
    /// None is checked by default.
    Unchecked,
    /// Not known.
    Unknown,
}

/// How the explicit proxy reaches a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyUse {
    /// Reads `HTTPS_PROXY` in both cases.
    Variables,
    /// Reads the variable in lower case only.
    LowerCase,
    /// Reads a file that the lab writes, or system properties.
    Configuration(&'static str),
    /// Takes an argument that the lab adds.
    Argument,
    /// Reads the variables from this version on, if told to; older ones go past the proxy.
    Since {
        /// First versions of each release line that do, ascending: `(major, minor)`.
        versions: &'static [(u32, u32)],
        /// What tells it to.
        how: &'static str,
    },
    /// Goes past any proxy: why.
    Never(&'static str),
    /// Not known.
    Unknown,
}

/// An argument that the lab adds, unless the command line has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// As given. `{bundle}`, `{proxy}` (address and port) and `{dir}` are filled in.
    pub text: &'static str,
    /// Only for this subcommand, after which it is put; else it is put right after the program.
    pub after: Option<&'static str>,
    /// Only for the superuser.
    pub superuser: bool,
    /// Why.
    pub why: &'static str,
}

/// A program's home directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The caller's.
    Callers,
    /// A new one in the run's directory, with an NSS database if one could be made.
    Fresh,
}

/// Whether a program refuses a key that vendors have blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocklist {
    /// Yes: how it is told.
    Reads(&'static str),
    /// No: to it a blocked root is as good as any.
    Ignores,
}

impl Preset {
    /// What reports call it.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or("program")
    }

    /// Why the explicit proxy would not see this program, if that is known. `version` as from [`parse_version`], if it was asked.
    pub fn passes_proxy_by(&self, version: Option<(u32, u32)>) -> Option<String> {
        match self.proxy {
            ProxyUse::Never(why) => Some(format!("{} goes past the proxy: {why}", self.name())),
            ProxyUse::Since { versions, how } => {
                let able = version.is_some_and(|v| is_able(versions, v));
                (!able).then(|| {
                    let known = version.map_or_else(|| "of unknown version".to_owned(), |(a, b)| format!("{a}.{b}"));
                    let (major, minor) = versions.first().copied().unwrap_or_default();
                    format!("{} {known} goes past the proxy: {how} works from {major}.{minor} on", self.name())
                })
            }
            _ => None,
        }
    }
}

impl Preset {
    /// Why the explicit proxy would not see this command, though it would see the program: a library that ignores the proxy.
    pub fn library_passes_proxy_by(&self, argv: &[String]) -> Option<String> {
        let runs = |script: &str| argv.iter().any(|word| base(word) == script);
        let names = |library: &str| argv.iter().any(|word| word.contains(library));
        let scripts = SCRIPTS_PAST_THE_PROXY.iter().filter(|(_, script, _)| runs(script));
        let libraries = LIBRARIES_PAST_THE_PROXY.iter().filter(|(_, library, _)| names(library));
        let mut known = scripts.chain(libraries).filter(|(program, ..)| self.names.contains(program));
        known.next().map(|(.., why)| format!("{} goes past the proxy: {why}", self.name()))
    }
}

/// The lab's own small clients whose library ignores the proxy: program, script, why.
const SCRIPTS_PAST_THE_PROXY: [(&str, &str, &str); 6] = [
    ("python", "get_aiohttp.py", "aiohttp reads no proxy variable unless its session says `trust_env=True`"),
    ("python", "chat_websockets.py", "websockets reads no proxy variable before version 15"),
    ("python", "quic_then_tcp.py", "an explicit proxy carries no UDP"),
    ("python", "xmpp.py", "slixmpp opens its own socket"),
    ("python", "pinned.py", "it opens its own socket"),
    ("php", "get.php", "PHP's streams read no proxy variable"),
];

/// Libraries that ignore the proxy, where the command line itself names them (`python3 -c "import smtplib ..."`): program, library, why.
const LIBRARIES_PAST_THE_PROXY: [(&str, &str, &str); 4] = [
    ("python", "smtplib", "smtplib opens its own socket"),
    ("python", "imaplib", "imaplib opens its own socket"),
    ("python", "poplib", "poplib opens its own socket"),
    ("python", "slixmpp", "slixmpp opens its own socket"),
];

/// The names of the programs that are known, the first one of each.
pub fn programs() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().filter_map(|preset| preset.names.first().copied())
}

/// The preset of a command line. Looks through `env A=B ...`, `timeout 5 ...`, `nice`, `setsid`, `unshare` and `setpriv`.
pub fn preset_for(argv: &[String]) -> &'static Preset {
    match program_at(argv).and_then(|at| argv.get(at)) {
        Some(program) => by_name(program),
        None => &UNKNOWN,
    }
}

/// Where in the command line the client's own program stands.
pub fn program_at(argv: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = argv.get(at) {
        let skip: fn(&str) -> bool = match base(word) {
            "env" => |w| w.contains('=') || w.starts_with('-'),
            "timeout" => |w| w.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
            "nice" | "setsid" | "stdbuf" | "unshare" | "setpriv" => |w| w.starts_with('-'),
            _ => return Some(at),
        };
        at += 1 + argv[at + 1..].iter().take_while(|w| skip(w)).count();
    }
    None
}

/// True if the command line itself gives the program another user: `unshare --map-user=1000`, `setpriv --reuid=1000`.
pub fn changes_user(argv: &[String]) -> bool {
    let before = program_at(argv).unwrap_or_default();
    argv.iter().take(before).any(|word| word.starts_with("--map-user=") || word.starts_with("--reuid="))
}

/// `v20.20.2`, `curl 7.88.1 (...)`, `Python 3.11.2` as major and minor number.
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut words = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|w| w.contains('.'));
    words.find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

fn by_name(program: &str) -> &'static Preset {
    let name = base(program);
    let unversioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let known = |wanted: &str| PRESETS.iter().find(|p| p.names.contains(&wanted));
    known(name).or_else(|| known(unversioned)).unwrap_or(&UNKNOWN)
}

fn base(program: &str) -> &str {
    Path::new(program).file_name().and_then(|n| n.to_str()).unwrap_or(program)
}

/// A release line older than the first listed one cannot; one newer than the last can.
fn is_able(versions: &[(u32, u32)], (major, minor): (u32, u32)) -> bool {
    match versions.iter().find(|(line, _)| *line == major) {
        Some((_, first)) => minor >= *first,
        None => versions.last().is_some_and(|(last, _)| major > *last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &str) -> &'static str {
        preset_for(&words.split(' ').map(str::to_owned).collect::<Vec<_>>()).name()
    }

    #[test]
    fn a_program_is_known_by_its_file_name() {
        assert_eq!(named("/usr/bin/python3.11 -c pass"), "python");
        assert_eq!(named("curl -sS"), "curl");
        assert_eq!(named("google-chrome-stable"), "chromium");
        assert_eq!(named("./my-app"), UNKNOWN.name());
    }

    #[test]
    fn wrappers_are_looked_through() {
        assert_eq!(named("env -i A=B C=D timeout -k 2 5s nice -5 node x.js"), "node");
        assert_eq!(named("env"), UNKNOWN.name());
        assert_eq!(named("unshare -U --map-user=1000 --map-group=1000 chromium --headless"), "chromium");
    }

    #[test]
    fn another_user_is_seen_before_the_program_only() {
        let changed = |words: &str| changes_user(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(changed("unshare -U --map-user=1000 chromium"));
        assert!(changed("setpriv --reuid=1000 --clear-groups chromium"));
        assert!(!changed("chromium --map-user=1000"));
    }

    #[test]
    fn node_20_goes_past_the_proxy_and_node_24_5_does_not() {
        let node = by_name("node");
        assert!(node.passes_proxy_by(parse_version("v20.20.2")).unwrap().contains("22.21"));
        assert!(node.passes_proxy_by(parse_version("v24.4.0")).is_some());
        assert!(node.passes_proxy_by(parse_version("v24.5.0")).is_none());
        assert!(node.passes_proxy_by(parse_version("v26.0.1")).is_none());
        assert!(node.passes_proxy_by(None).is_some(), "what is not known is not promised");
        assert!(by_name("curl").passes_proxy_by(None).is_none());
    }

    #[test]
    fn a_mail_library_goes_past_the_proxy_though_its_program_would_not() {
        let passes = |words: &[&str]| {
            let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            preset_for(&argv).library_passes_proxy_by(&argv)
        };
        assert!(passes(&["python3", "-c", "import smtplib, ssl; smtplib.SMTP('{host}')"]).unwrap().contains("smtplib"));
        assert!(passes(&["/usr/bin/python3", "/x/clients/xmpp.py", "{url}"]).unwrap().contains("slixmpp"));
        assert!(passes(&["python3", "-c", "import urllib.request"]).is_none());
        assert!(passes(&["curl", "-H", "X-Library: smtplib"]).is_none(), "curl has no such library");
        assert!(by_name("swaks").passes_proxy_by(None).is_some());
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = PRESETS.iter().flat_map(|p| p.names).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
