//! The ground truth of one connection: what its events fold into. One line of `connections.jsonl`.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{ConnectionId, Entry, Event, Half, LegId, Observer, Side};
use super::frame::{self, Frame};
use super::upgrade::{Upgrade, UpgradeStage};
use crate::scenario::{Messages, Transport, Vantage};

/// What a ClientHello said. Lists keep the order of the wire; GREASE values (RFC 8701) are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// server_name (RFC 6066 section 3), lower case, no final dot.
    pub sni: Option<String>,
    /// Offered protocols (RFC 7301), lossy text.
    pub alpn: Vec<String>,
    /// Offered versions, hex such as `0x0304`; from supported_versions, else legacy_version.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub ciphers: Vec<u16>,
    /// Extension types in order.
    pub extensions: Vec<u16>,
    /// JA3 string's MD5, hex.
    pub ja3: String,
    /// JA4.
    pub ja4: String,
    /// The hello offers Encrypted ClientHello (extension 0xfe0d), real or GREASE.
    pub ech: bool,
    /// client_random, hex: the join key with key logs.
    pub random: String,
    /// In how many TCP segments it came (0 where the carrier does not see segments).
    pub segments: u32,
    /// In how many TLS records it came.
    pub records: u32,
    /// The handshake message as sent, base64.
    pub raw: String,
}

/// One certificate with the fields that a reader looks at first, and its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Subject, RFC 4514-like text.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number, hex.
    pub serial: String,
    /// RFC 3339.
    pub not_before: String,
    /// RFC 3339.
    pub not_after: String,
    /// DNS names and addresses of subjectAltName.
    pub names: Vec<String>,
    /// `RSA-2048 e=3`, `P-256` ...
    pub key: String,
    /// SHA-256 of the certificate, hex.
    pub sha256: String,
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub spki_sha256: String,
    /// DER, base64.
    pub der: String,
}

/// Parameters of a completed handshake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Handshake {
    /// `TLS1.2`, `TLS1.3`.
    pub version: String,
    /// IANA name of the cipher suite.
    pub cipher: String,
    /// Named group of the key exchange.
    pub group: Option<String>,
    /// Negotiated protocol.
    pub alpn: Option<String>,
    /// Session resumption was used (no certificate was shown).
    pub resumed: bool,
    /// Microseconds from the first byte of the hello to completion.
    pub us: u64,
}

/// A TLS alert (RFC 8446 section 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Who sent it.
    pub from: Side,
    /// 1 warning, 2 fatal; none where the observer cannot tell.
    pub level: Option<u8>,
    /// AlertDescription.
    pub number: u8,
    /// Its name, such as `unknown_ca`.
    pub name: String,
    /// It travelled unencrypted.
    pub plaintext: Option<bool>,
    /// It came after the handshake was complete.
    pub after_handshake: bool,
}

/// How a direction was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloseKind {
    /// TLS close_notify, then FIN.
    CloseNotify,
    /// TCP FIN without close_notify.
    Fin,
    /// TCP RST.
    Rst,
    /// The lab gave up waiting.
    Deadline,
}

/// Who closed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Close {
    /// The side that closed first.
    pub side: Side,
    /// How it did.
    pub kind: CloseKind,
}

/// Byte counts of a half. `raw` is on the wire (TCP payload); `app` is decrypted, or plain where there is no TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bytes {
    /// TCP payload from the client's side.
    pub raw_up: u64,
    /// TCP payload towards the client's side.
    pub raw_down: u64,
    /// Application bytes from the client's side; none where the observer cannot decrypt.
    pub app_up: Option<u64>,
    /// Application bytes towards the client's side.
    pub app_down: Option<u64>,
}

/// An application request, as far as it was readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// `http/1.1`, `h2`, `smtp`, `imap` ...
    pub protocol: String,
    /// Method or command.
    pub method: String,
    /// Host asked for.
    pub host: Option<String>,
    /// Path or argument, query values masked.
    pub target: String,
    /// Status of the answer, once known.
    pub status: Option<u16>,
    /// Kinds and lengths of secrets that were readable, such as `authorization: 24 bytes`; never the secret.
    pub secrets: Vec<String>,
}

/// The decision of the box, with the reason as a word and the rule by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    /// `forward`, `intercept`, `reset`, `drop` ...
    pub action: String,
    /// Why: `rule`, `not-listed`, `origin-untrusted`, `no-hello`, `no-rules`, `coin`, `upstream-failed` ...
    pub reason: String,
    /// The rule that matched.
    pub rule: Option<String>,
    /// The phase in force.
    pub phase: String,
    /// The coin that was thrown, if the rule has a chance: drawn value and threshold.
    pub coin: Option<(f64, f64)>,
    /// The scenario's clock, RFC 3339.
    pub clock: String,
}

/// What is known of one half of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HalfTruth {
    /// Whose word the TLS facts are: an end that terminated TLS, or the wire.
    pub observer: Option<Observer>,
    /// Handshake, if it was completed.
    pub handshake: Option<Handshake>,
    /// Alerts in order, close_notify included.
    pub alerts: Vec<Alert>,
    /// Bytes.
    pub bytes: Bytes,
    /// Closes in order; the first one tells who hung up.
    pub closes: Vec<Close>,
    /// An error that ended it.
    pub error: Option<String>,
    /// The half has ended.
    pub ended: bool,
}

/// What the box saw of the origin before it decided to forge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Genuine chain, leaf first.
    pub chain: Vec<Arc<Certificate>>,
    /// Trusted by the box's own store.
    pub trusted: Option<bool>,
    /// Why not, or why it could not be reached.
    pub error: Option<String>,
}

/// The ground truth of one connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The leg that opened it.
    pub leg: Option<LegId>,
    /// Microseconds since the run began.
    pub t_us: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that it dialled.
    pub destination: SocketAddr,
    /// The name that it asked a proxy for.
    pub asked: Option<String>,
    /// TCP or UDP.
    pub transport: Transport,
    /// Where the client stands.
    pub vantage: Vantage,
    /// The hello that the client sent.
    pub hello: Option<Hello>,
    /// The hello that reached the origin, where that is another one.
    pub upstream_hello: Option<Hello>,
    /// What the first bytes were, if no hello: protocol and summary.
    pub first_bytes: Option<(String, String)>,
    /// What the box decided, last word last. Empty if the box had no say (domestic, not diverted).
    pub decisions: Vec<DecisionRecord>,
    /// The genuine chain, as far as the box looked.
    pub origin: Origin,
    /// The chain that the client was shown, leaf first.
    pub presented: Vec<Arc<Certificate>>,
    /// The profile by which it was forged.
    pub forged_by: Option<String>,
    /// Towards the client.
    pub client_half: HalfTruth,
    /// Box to origin, on an intercepted connection.
    pub upstream_half: Option<HalfTruth>,
    /// Requests that somebody could read.
    pub requests: Vec<Request>,
    /// How far an upgrade to TLS came under the box's eyes, and what crossed in the clear; none where the box looked for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// Frames of a WebSocket that somebody could read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// When the client's side of it was closed first, in microseconds since the run began.
    #[serde(default)]
    pub closed_us: Option<u64>,
    /// Notes.
    pub notes: Vec<String>,
    /// No further event will come.
    pub ended: bool,
}

impl Connection {
    /// The last decision of the box.
    pub fn decision(&self) -> Option<&DecisionRecord> {
        self.decisions.last()
    }

    /// True if the client was shown a forged chain (or would have been: the box took the connection over).
    pub fn intercepted(&self) -> bool {
        self.decision().is_some_and(|d| d.action == "intercept")
    }

    /// True if the origin is the other end of it, or was before an upgrade: the box let it through, changed or not.
    pub fn reaches_origin(&self) -> bool {
        self.decision()
            .is_none_or(|d| matches!(d.action.as_str(), "forward" | "strip-starttls" | "refuse-starttls" | "mangle-starttls"))
    }

    /// What the messages of a WebSocket were to the box; none if it read along in none.
    pub fn messages(&self) -> Option<Messages> {
        frame::messages(&self.frames)
    }

    /// The host that this connection is about: the SNI, else the name asked of the proxy, else an HTTP Host, else the address.
    pub fn host(&self) -> String {
        self.hello
            .as_ref()
            .and_then(|h| h.sni.clone())
            .or_else(|| self.requests.iter().find_map(|r| r.host.clone()))
            .or_else(|| self.asked.clone())
            .unwrap_or_else(|| self.destination.ip().to_string())
    }

    /// Folds a whole stream into its connections, in order of first sight.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for entry in entries {
            let Some(id) = entry.connection else { continue };
            if let Some(opened) = Self::opened(entry) {
                place.insert(id, all.len());
                all.push(opened);
            } else if let Some(&at) = place.get(&id) {
                all[at].apply(entry);
            }
        }
        all
    }

    /// A new connection, if the entry opens one.
    pub fn opened(entry: &Entry) -> Option<Self> {
        let Event::ConnectionOpen { client, destination, asked, transport, vantage, .. } = &entry.event else {
            return None;
        };
        Some(Self {
            id: entry.connection?,
            leg: entry.leg,
            t_us: entry.t_us,
            client: *client,
            destination: *destination,
            asked: asked.clone(),
            transport: *transport,
            vantage: *vantage,
            hello: None,
            upstream_hello: None,
            first_bytes: None,
            decisions: Vec::new(),
            origin: Origin::default(),
            presented: Vec::new(),
            forged_by: None,
            client_half: HalfTruth::default(),
            upstream_half: None,
            requests: Vec::new(),
            upgrade: None,
            frames: Vec::new(),
            closed_us: None,
            notes: Vec::new(),
            ended: false,
        })
    }

    /// Takes one more event in. What an end of the connection says outranks what the wire saw pass by.
    pub fn apply(&mut self, entry: &Entry) {
        if self.leg.is_none() {
            self.leg = entry.leg;
        }
        match &entry.event {
            Event::HelloSeen { half: Half::Client, hello, .. } => {
                self.hello.get_or_insert_with(|| (**hello).clone());
            }
            Event::HelloSeen { half: Half::Upstream, hello, .. } => self.upstream_hello = Some((**hello).clone()),
            Event::FirstBytes { protocol, summary } => self.first_bytes = Some((protocol.clone(), summary.clone())),
            Event::Decision(decision) => self.decisions.push(decision.clone()),
            Event::UpstreamChain { chain, trusted, reason } => {
                self.origin = Origin { chain: chain.clone(), trusted: Some(*trusted), error: reason.clone() };
            }
            Event::UpstreamFailed { error } => self.origin.error = Some(error.clone()),
            Event::ChainPresented { chain, profile, .. } => {
                self.presented.clone_from(chain);
                self.forged_by.clone_from(profile);
            }
            Event::HandshakeDone { half, by, handshake } => {
                let truth = self.half(*half);
                if truth.heard(*by) || truth.handshake.is_none() {
                    truth.handshake = Some(handshake.clone());
                }
                if let (Half::Client, Some(upgrade)) = (half, &mut self.upgrade)
                    && !upgrade.has(UpgradeStage::Upgraded)
                {
                    upgrade.stages.push(UpgradeStage::Upgraded);
                }
            }
            Event::Alert { half, by, alert } => {
                let truth = self.half(*half);
                if truth.heard(*by) {
                    truth.alerts.push(alert.clone());
                }
            }
            Event::Request { request, .. } => self.requests.push(request.clone()),
            Event::Upgrade { protocol, stage, .. } => {
                let stages = &mut self.upgrade(protocol).stages;
                if !stages.contains(stage) {
                    stages.push(*stage);
                }
            }
            Event::Clear { protocol, secret, .. } => self.upgrade(protocol).clear.push(secret.clone()),
            Event::Frame { frame, .. } => self.frames.push(frame.clone()),
            Event::Close { half, by, side, kind } => {
                if *half == Half::Client {
                    self.closed_us.get_or_insert(entry.t_us);
                }
                let truth = self.half(*half);
                if truth.heard(*by) {
                    truth.closes.push(Close { side: *side, kind: *kind });
                }
            }
            Event::HalfEnd { half, by, bytes, error } => {
                let truth = self.half(*half);
                truth.end(*by, *bytes, error.clone());
            }
            Event::Note { text } => self.notes.push(text.clone()),
            Event::ConnectionEnd {} => self.ended = true,
            _ => {}
        }
    }

    fn upgrade(&mut self, protocol: &str) -> &mut Upgrade {
        self.upgrade.get_or_insert_with(|| Upgrade { protocol: protocol.to_owned(), ..Upgrade::default() })
    }

    fn half(&mut self, half: Half) -> &mut HalfTruth {
        match half {
            Half::Client => &mut self.client_half,
            Half::Upstream => self.upstream_half.get_or_insert_with(HalfTruth::default),
        }
    }
}

impl HalfTruth {
    /// Notes who speaks; false if a better witness has spoken already.
    fn heard(&mut self, by: Observer) -> bool {
        let better = |o: Observer| !matches!(o, Observer::Wire);
        match self.observer {
            Some(known) if better(known) && !better(by) => false,
            Some(known) if !better(known) && better(by) => {
                self.alerts.clear();
                self.closes.clear();
                self.error = None;
                self.bytes = Bytes { app_up: None, app_down: None, ..self.bytes }; // an estimate from record sizes
                self.observer = Some(by);
                true
            }
            _ => {
                self.observer = Some(by);
                true
            }
        }
    }

    fn end(&mut self, by: Observer, bytes: Bytes, error: Option<String>) {
        let best_word = self.heard(by);
        self.bytes.raw_up = self.bytes.raw_up.max(bytes.raw_up);
        self.bytes.raw_down = self.bytes.raw_down.max(bytes.raw_down);
        if best_word && bytes.app_up.is_some() {
            self.bytes.app_up = bytes.app_up;
            self.bytes.app_down = bytes.app_down;
        }
        if best_word && error.is_some() {
            self.error = error;
        }
        self.ended = true;
    }
}
