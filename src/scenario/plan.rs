//! The plan: a scenario with everything resolved. What the lab runs, and all that it needs to know.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

mod cert;

pub use cert::Cert;

use super::case::Case;
use super::detector::Detector;
use super::mail::MailService;
use super::tls_version::TlsVersion;
use super::words::{
    Action, Direction, First, Messages, OriginTrust, Place, Transport, Trust, UpstreamFault, Vantage, VerdictKind,
};

mod world;

/// A scenario, resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Short name: the file name without its ending.
    pub name: String,
    /// Title.
    pub title: String,
    /// What it claims, in prose.
    pub about: String,
    /// Where its facts come from.
    pub sources: Vec<String>,
    /// The file that it was read from, for messages.
    pub file: PathBuf,
    /// What a suite needs to know of it, if it is a suite's case.
    pub case: Option<Case>,
    /// The interception authority; none if no rule intercepts.
    pub authority: Option<Authority>,
    /// The genuine Internet.
    pub world: World,
    /// How the network is laid out.
    pub network: Network,
    /// The scenario's clock at the start.
    #[serde(with = "rfc3339")]
    pub clock: OffsetDateTime,
    /// The seed of every coin.
    pub seed: u64,
    /// The campaign. Never empty: a scenario without phases gets one named `always` with the top-level rules.
    pub phases: Vec<Phase>,
    /// What is run and expected.
    pub checks: Vec<Check>,
}

/// The interception authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authority {
    /// Name of the profile in `certs/`.
    pub profile: String,
    /// Byte-for-byte fidelity: no name constraints, no lab comment. Sealed network only.
    pub exact: bool,
    /// What the box does when the origin's certificate is bad.
    pub upstream_fault: UpstreamFault,
}

/// How the network is laid out. Sealed network only; the proxy network ignores it and says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Router hops between a client and the box.
    pub hops_inside: u8,
    /// Router hops between the box and the origins.
    pub hops_outside: u8,
    /// What the box's matcher sees.
    pub first: First,
    /// IPv6 too.
    pub ipv6: bool,
}

/// The genuine Internet of the lab.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// The sites, mail and chat servers.
    pub sites: Vec<Site>,
    /// Address of the ISP's resolver, inside the country.
    pub isp_resolver: Vec<IpAddr>,
    /// PEM files of roots that everybody trusts besides the lab's public one: for servers of the user's own.
    pub extra_roots: Vec<PathBuf>,
}

/// A host of the world: some names, some addresses, some services.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Site {
    /// Its DNS names, the first one being what reports call it. `*.example.test` is allowed.
    pub names: Vec<String>,
    /// Its addresses. At least one.
    pub addresses: Vec<IpAddr>,
    /// Autonomous system, for rules and pictures.
    pub asn: Option<u32>,
    /// In the country or abroad.
    pub place: Place,
    /// What it serves.
    pub services: Vec<Service>,
    /// Its certificate.
    pub cert: Cert,
    /// An ECHConfigList (RFC 9849 section 4) for its HTTPS record. The lab's servers do not decrypt: a hint to be published and stripped.
    pub ech: Option<Vec<u8>>,
}

impl Site {
    /// The site as its control leg is shown it: as it was before its certificate was changed or spoiled.
    pub fn before_any_fault(&self) -> Self {
        let changed = !self.cert.is_good() || matches!(self.cert, Cert::Rotated | Cert::Cdn);
        let cert = if changed && !matches!(self.cert, Cert::Files { .. }) { Cert::Good } else { self.cert.clone() };
        Self { cert, ..self.clone() }
    }

    /// True if a careful client has a reason to refuse it without any box: its certificate, or its version of TLS.
    pub fn is_faulty(&self) -> bool {
        !self.cert.is_good() || self.services.iter().any(|service| self.old_tls(service.port).is_some())
    }

    /// The only version of TLS that its web server speaks there, if it is one that no client should speak any more.
    pub fn old_tls(&self, port: u16) -> Option<TlsVersion> {
        let only = self.services.iter().find(|service| service.port == port).and_then(|service| match &service.serve {
            Serve::Https { tls, .. } => *tls,
            _ => None,
        });
        only.filter(|version| version.is_old())
    }

    /// True if `name` is one of its names (case does not matter; `*` stands for one label).
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| {
            own.eq_ignore_ascii_case(name)
                || own.strip_prefix("*.").is_some_and(|parent| {
                    name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
                })
        })
    }
}

/// One service of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Port.
    pub port: u16,
    /// What is served there.
    pub serve: Serve,
}

/// What is served on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Serve {
    /// HTTPS (h1 and h2), pages from a folder.
    Https {
        /// Folder under `lab/sites`, or a built-in page if none.
        pages: Option<PathBuf>,
        /// Offered protocols, in order: `h2`, `http/1.1`.
        alpn: Vec<String>,
        /// Strict-Transport-Security is sent.
        hsts: bool,
        /// The only version of TLS that it speaks; 1.2 and 1.3 if none.
        tls: Option<TlsVersion>,
        /// DNS over HTTPS (RFC 8484) is answered at `/dns-query`.
        doh: bool,
        /// HTTP/3 is spoken on the UDP port of the same number, and said to be (Alt-Svc, HTTPS record).
        http3: bool,
    },
    /// DNS over TLS (RFC 7858).
    Dot,
    /// Plain HTTP, pages from a folder; or a redirect to https.
    Http {
        /// Folder under `lab/sites`.
        pages: Option<PathBuf>,
        /// Redirect everything to `https://`.
        to_https: bool,
    },
    /// Mail: SMTP, IMAP or POP3, with two accounts.
    Mail {
        /// Which of them, and whether TLS comes first.
        service: MailService,
        /// The upgrade to TLS is offered (where TLS does not come first).
        starttls: bool,
        /// A login is taken without TLS, too.
        clear_login: bool,
    },
    /// A chat over WebSockets (wss).
    Chat {
        /// Members encrypt for each other: the server takes octets, no text, and two members to a room.
        end_to_end: bool,
    },
    /// A program that is started with the world. `{cert}`, `{key}`, `{chain}`, `{port}`, `{dir}` are filled in.
    Exec {
        /// Program and arguments.
        argv: Vec<String>,
        /// How long it may take to listen.
        ready_within: Duration,
    },
    /// A server of the user's own, on the host's loopback.
    Loopback {
        /// Its address.
        address: SocketAddr,
    },
}

/// Where a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Address that clients dial.
    pub address: SocketAddr,
    /// In the country or abroad.
    pub place: Place,
}

/// A dated period with its own rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// Name.
    pub name: String,
    /// Begins.
    #[serde(with = "rfc3339::option")]
    pub from: Option<OffsetDateTime>,
    /// Ends (the next phase's beginning if not said).
    #[serde(with = "rfc3339::option")]
    pub to: Option<OffsetDateTime>,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// The notice that subscribers get when it begins.
    pub notice: Option<Notice>,
    /// What was the case in these days, in prose; empty if nothing is said.
    #[serde(default)]
    pub about: String,
    /// Where that comes from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// The profile that forges in this phase, if another one than the authority's.
    pub profile: Option<String>,
    /// Why no check enters it, if that is meant.
    pub unused_ok: Option<String>,
}

/// The operators' text message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// Sender.
    pub from: String,
    /// Text.
    pub text: String,
    /// Source.
    pub source: Option<String>,
}

/// A rule of the box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Name, unique in its phase.
    pub name: String,
    /// When it applies.
    pub when: Matcher,
    /// What is done.
    pub action: Action,
    /// Sources of the claim; empty means that it is not evidence-based.
    pub sources: Vec<String>,
    /// Why it may have no hit, if that is meant.
    pub unused_ok: Option<String>,
    /// Line in the file, for messages.
    pub line: usize,
}

/// When a rule applies: everything that is given must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Matcher {
    /// SNI, lower case: exact `a.b`, suffix `.b`, wildcard `*.b`, substring `~b`. Lists are expanded.
    pub sni: Option<Vec<String>>,
    /// Host header of plain HTTP, same forms.
    pub host: Option<Vec<String>>,
    /// DNS name asked, same forms.
    pub name: Option<Vec<String>>,
    /// No SNI in the hello (or with `false`: some SNI).
    pub no_sni: Option<bool>,
    /// Ports.
    pub port: Option<Vec<u16>>,
    /// TCP or UDP.
    pub transport: Option<Transport>,
    /// One of these protocols is offered.
    pub alpn: Option<Vec<String>>,
    /// ECH is offered or not.
    pub ech: Option<bool>,
    /// Who opened it.
    pub direction: Option<Direction>,
    /// Client address in one of these prefixes.
    pub client: Option<Vec<(IpAddr, u8)>>,
    /// Destination address in one of these prefixes.
    pub address: Option<Vec<(IpAddr, u8)>>,
    /// Destination in one of these autonomous systems.
    pub asn: Option<Vec<u32>>,
    /// Trust of the origin's certificate. The box has to ask the origin first.
    pub origin: Option<OriginTrust>,
    /// Applies to some only.
    pub chance: Option<Chance>,
    /// Applies at some hours only.
    pub schedule: Option<Schedule>,
}

/// A seeded coin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Probability, 0 to 1.
    pub probability: f64,
    /// One coin per path (client and destination address), else per connection.
    pub per_path: bool,
}

/// Hours of the day (the scenario's clock and offset) in which something applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Begin and end; an end before the begin crosses midnight.
    pub daily: Vec<(time::Time, time::Time)>,
}

/// A client is run, and something is expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Name.
    pub name: String,
    /// Phase in force, by index into [`Plan::phases`].
    pub phase: usize,
    /// The clock during the check; the phase's beginning if not said.
    #[serde(with = "rfc3339")]
    pub clock: OffsetDateTime,
    /// Where the client stands.
    pub vantage: Vantage,
    /// What it trusts.
    pub trust: Trust,
    /// What is run.
    pub client: CheckClient,
    /// The URL that stands for `{url}`.
    pub url: Option<String>,
    /// Hosts whose connections are judged: from `url`, from URLs in the arguments, or said outright. Lower case.
    pub targets: Vec<String>,
    /// What is expected of the test leg.
    pub expect: Expect,
    /// Same client, one thing removed: must stay clean. Boxed twin check.
    pub twin: Option<Box<Check>>,
    /// How long a leg may take.
    pub deadline: Duration,
    /// Why only the sealed network can show it, if that is so.
    pub sealed_only: Option<String>,
    /// Line in the file, for messages.
    pub line: usize,
}

/// What a check runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CheckClient {
    /// A program and its arguments; the runner fills in `{url}`, `{host}`, `{pin}` (the genuine leaf's, base64 SHA-256 of its
    /// SubjectPublicKeyInfo), `{ca}` (the trust bundle's path), `{lab}` (the folder of the lab's own files) and the files for
    /// detectors: `{roots}`, `{ct_logs}`, `{blocklist}`, `{crl}`, `{pins}`.
    Command(Vec<String>),
    /// A detector that tells a finding.
    Detector(Detector),
}

/// What is expected. Only what is named is compared.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Expect {
    /// Any of these verdicts.
    pub verdict: Vec<VerdictKind>,
    /// The box's action on the target's connections.
    pub action: Option<String>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Exit code.
    pub exit: Option<i32>,
    /// The client exits with some code other than 0.
    pub exit_nonzero: Option<bool>,
    /// Alert number that the client sent.
    pub alert: Option<u8>,
    /// Words that standard error must contain.
    pub stderr: Option<String>,
    /// A detector's finding.
    pub finding: Option<String>,
    /// What the messages of a WebSocket were to the box.
    pub messages: Option<Messages>,
}

impl Expect {
    /// True if nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.verdict.is_empty()
            && self.action.is_none()
            && self.rule.is_none()
            && self.exit.is_none()
            && self.exit_nonzero.is_none()
            && self.alert.is_none()
            && self.stderr.is_none()
            && self.finding.is_none()
            && self.messages.is_none()
    }
}

impl Plan {
    /// True if the box ends connections to origins that it does not trust in this phase.
    pub fn refuses_bad_origins(&self, phase: &Phase) -> bool {
        let refuses = self.authority.as_ref().is_some_and(|a| a.upstream_fault == UpstreamFault::Refuse);
        refuses && phase.rules.iter().any(|rule| rule.action == Action::Intercept)
    }
}
