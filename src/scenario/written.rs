//! A scenario as written: the TOML, value by value, with the place of each value that a message may have to point at.
//!
//! Nothing is checked here but shape. Every field is optional, so that reading goes on after a mistake and all mistakes
//! of a file are told at once; what must be there is said by `resolve`. No `flatten`, no untagged
//! enum: both lose the places (toml#589). Alternatives are read by visitors, see `values`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Direction, Messages, OriginTrust, Transport, Trust, UpstreamFault, Vantage, VerdictKind};

mod at;
mod case;
mod detector;
mod values;
mod world;

pub use at::At;
pub use case::CaseWritten;
pub use detector::{DetectorWritten, SaysWritten};
pub(crate) use values::ACTION_WORDS;
pub use values::{
    ActionWritten, ChanceWritten, Commands, ExitFindings, Hours, ListWritten, NoticeWritten, OneOrMany, Prefix, Span, When,
};
pub use world::{CertFiles, CertWritten, ServeWord, ServiceTable, ServiceWritten, SiteWritten, WorldFile};

/// A scenario file: a claim that can be run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line that says what is shown. Required.
    #[schemars(required)]
    pub title: Option<At<String>>,
    /// What it claims, in prose.
    pub about: Option<At<String>>,
    /// Where its facts come from.
    pub sources: Option<OneOrMany<String>>,
    /// What a suite needs to know of it. Only in a suite's case.
    pub case: Option<At<CaseWritten>>,
    /// The interception authority. Needed if a rule intercepts or a check trusts it.
    pub authority: Option<At<AuthorityWritten>>,
    /// How the network is laid out.
    pub network: Option<At<NetworkWritten>>,
    /// The genuine Internet, the clock and the seed.
    pub world: Option<At<WorldWritten>>,
    /// Lists of names, one per line in a file; `@name` in a rule stands for the list.
    #[serde(default)]
    pub lists: BTreeMap<String, At<ListWritten>>,
    /// The periods of the campaign, in the order of their dates.
    #[serde(default)]
    pub phase: Vec<At<PhaseWritten>>,
    /// The rules of a scenario that has no phases.
    #[serde(default)]
    pub rule: Vec<At<RuleWritten>>,
    /// What is run and what is expected.
    #[serde(default)]
    pub check: Vec<At<CheckWritten>>,
}

/// The interception authority.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityWritten {
    /// Name of a profile in `certs/`. Required.
    #[schemars(required)]
    pub profile: Option<At<String>>,
    /// Byte for byte as the real one: no name constraints, no lab comment. Sealed network only. Default: false.
    pub exact: Option<At<bool>>,
    /// What the box does when the origin's certificate is bad. Default: `pass`.
    pub upstream_fault: Option<At<UpstreamFault>>,
}

/// How the network is laid out. Sealed network only.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkWritten {
    /// Router hops between a client and the box. Default: 0.
    #[schemars(range(max = 8))]
    pub hops_inside: Option<At<u8>>,
    /// Router hops between the box and the origins. Default: 0.
    #[schemars(range(max = 8))]
    pub hops_outside: Option<At<u8>>,
    /// The matcher sees one TCP segment only, so a split hello is missed. Default: false.
    pub first_segment: Option<At<bool>>,
    /// IPv6 too. Default: false.
    pub ipv6: Option<At<bool>>,
}

/// The genuine Internet, the clock and the seed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldWritten {
    /// World files: a file beside the scenario, or one of `lab/world/`.
    pub include: Option<At<OneOrMany<String>>>,
    /// The scenario's clock at the start. Default: this machine's time. Its UTC offset is that of every date without one.
    pub clock: Option<At<When>>,
    /// The seed of every coin. Default: 0.
    pub seed: Option<At<u64>>,
    /// Addresses of the ISP's resolver. Default: that of the included world.
    pub isp_resolver: Option<At<OneOrMany<std::net::IpAddr>>>,
    /// PEM files of roots that clients and the box trust besides the lab's public one: for a server of your own (`loopback`).
    pub roots: Option<At<OneOrMany<std::path::PathBuf>>>,
    /// Sites of this scenario alone.
    #[serde(default)]
    pub site: Vec<At<SiteWritten>>,
}

/// A dated period with its own rules.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseWritten {
    /// Name. Required.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Begins: a date, or a date and time.
    pub from: Option<At<When>>,
    /// Ends. Default: the next phase's beginning.
    pub to: Option<At<When>>,
    /// First match wins; no match passes untouched.
    #[serde(default)]
    pub rule: Vec<At<RuleWritten>>,
    /// The notice that subscribers get when it begins.
    pub notice: Option<At<NoticeWritten>>,
    /// What was the case in these days, in prose.
    pub about: Option<String>,
    /// Where that comes from.
    pub sources: Option<OneOrMany<String>>,
    /// Another profile than the authority's.
    pub profile: Option<At<String>>,
    /// Why no check enters it, if that is meant.
    pub unused_ok: Option<At<String>>,
}

/// A rule of the box.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleWritten {
    /// Name, unique in its phase. Required.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// When it applies: all that is given must hold. Default: always.
    #[serde(rename = "match")]
    pub when: Option<At<MatchWritten>>,
    /// What is done. Required.
    #[schemars(required)]
    pub action: Option<At<ActionWritten>>,
    /// Sources of the claim. Without, reports call it "not evidence-based".
    pub sources: Option<OneOrMany<String>>,
    /// Why it may have no hit, if that is meant.
    pub unused_ok: Option<At<String>>,
}

/// When a rule applies: all that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchWritten {
    /// Name in the ClientHello, over TLS or QUIC: `a.b` exactly, `.b` it and all below, `*.b` one label below, `~b` anywhere in it, `@list`.
    pub sni: Option<At<OneOrMany<String>>>,
    /// Host header of plain HTTP, same forms.
    pub host: Option<At<OneOrMany<String>>>,
    /// DNS name asked, same forms.
    pub name: Option<At<OneOrMany<String>>>,
    /// The hello names no host (with `false`: it names one).
    pub no_sni: Option<At<bool>>,
    /// Destination port.
    pub port: Option<At<OneOrMany<u16>>>,
    /// TCP or UDP. Default: both.
    pub transport: Option<At<Transport>>,
    /// One of these protocols is offered.
    pub alpn: Option<At<OneOrMany<String>>>,
    /// Encrypted ClientHello is offered, or not.
    pub ech: Option<At<bool>>,
    /// Which side opened the connection. Default: both.
    pub direction: Option<At<Direction>>,
    /// Client address or prefix.
    pub client: Option<At<OneOrMany<Prefix>>>,
    /// Destination address or prefix.
    pub address: Option<At<OneOrMany<Prefix>>>,
    /// Autonomous system of the destination.
    pub asn: Option<At<OneOrMany<u32>>>,
    /// Trust of the origin's certificate; the box asks the origin before it decides.
    pub origin: Option<At<OriginTrust>>,
    /// Applies to some only: a probability for each path, or `{ probability, per = "path" | "connection" }`.
    pub chance: Option<At<ChanceWritten>>,
    /// Hours of the day, such as `"21:00-24:00"`.
    pub schedule: Option<At<OneOrMany<Hours>>>,
}

/// A client is run, and something is expected.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckWritten {
    /// Name: a sentence that is true if the check passes. Required.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Program and arguments; `{url}`, `{host}`, `{pin}`, `{ca}`, `{lab}`, `{roots}`, `{ct_logs}`, `{blocklist}`, `{crl}`, `{pins}` and `{address:NAME}` are filled in. This or `detector`.
    pub client: Option<At<Commands>>,
    /// A program that tells a finding. This or `client`.
    pub detector: Option<At<DetectorWritten>>,
    /// The URL that stands for `{url}`.
    pub url: Option<At<String>>,
    /// What the client's trust store holds. Default: `web`.
    pub trust: Option<At<OneOrMany<Trust>>>,
    /// Where the client stands. Default: `inside`.
    pub vantage: Option<At<OneOrMany<Vantage>>>,
    /// Phase in force. Needed if there are several.
    pub phase: Option<At<String>>,
    /// The clock during the check. Default: the phase's beginning.
    pub at: Option<At<When>>,
    /// What is expected; only what is named is compared. Required.
    #[schemars(required)]
    pub expect: Option<At<ExpectWritten>>,
    /// The same check with one thing changed, which must stay clean.
    pub twin: Option<At<TwinWritten>>,
    /// How long a run of the client may take, such as `"20s"`. Default: `"30s"`.
    pub deadline: Option<At<Span>>,
    /// Why only the sealed network can show it (segments, TTL, packets). The proxy network then leaves the check out and says so.
    pub sealed_only: Option<At<String>>,
    /// Hosts that are judged. Default: those of `url`, else of the URLs among the arguments.
    pub targets: Option<At<OneOrMany<String>>>,
    /// Keys that hold lists to be run in every combination: `trust`, `vantage`, `client`.
    pub matrix: Option<At<OneOrMany<String>>>,
}

/// What a twin changes, and what is expected of it. Exactly one thing besides `expect`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinWritten {
    /// Another URL.
    pub url: Option<At<String>>,
    /// Another trust.
    pub trust: Option<At<Trust>>,
    /// Another vantage.
    pub vantage: Option<At<Vantage>>,
    /// Another phase.
    pub phase: Option<At<String>>,
    /// Another moment.
    pub at: Option<At<When>>,
    /// Other arguments.
    pub client: Option<At<Vec<String>>>,
    /// What is expected. Required.
    #[schemars(required)]
    pub expect: Option<At<ExpectWritten>>,
}

/// What is expected. Only what is named is compared.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectWritten {
    /// One of these verdicts for each target.
    pub verdict: Option<At<OneOrMany<VerdictKind>>>,
    /// What the box did: `forward`, `intercept`, `reset` ...
    pub action: Option<At<String>>,
    /// The rule that matched.
    pub rule: Option<At<String>>,
    /// Exit code.
    pub exit: Option<At<i32>>,
    /// Some exit code other than 0.
    pub exit_nonzero: Option<At<bool>>,
    /// Number of the TLS alert that the client sent (RFC 8446 section 6).
    pub alert: Option<At<u8>>,
    /// Words that standard error must contain.
    pub stderr: Option<At<String>>,
    /// What the detector found.
    pub finding: Option<At<String>>,
    /// What the messages of a WebSocket were to the box: `read`, `ciphertext`, `unclear`.
    pub messages: Option<At<Messages>>,
}
