//! World files as written: sites with their addresses, certificates and services.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::At;
use super::values::{OneOrMany, Span};
use crate::scenario::mail::MailService;
use crate::scenario::tls_version::TlsVersion;
use crate::scenario::words::Place;

/// A file of `lab/world/`: a part of the genuine Internet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorldFile {
    /// What part of the Internet it is.
    pub about: Option<At<String>>,
    /// Addresses of the ISP's resolver.
    pub isp_resolver: Option<At<OneOrMany<IpAddr>>>,
    /// The sites.
    #[serde(default)]
    pub site: Vec<At<SiteWritten>>,
}

/// A host of the world.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteWritten {
    /// DNS names; reports use the first. `*.example.test` stands for one label. Required.
    #[schemars(required)]
    pub names: Option<At<OneOrMany<String>>>,
    /// Addresses. Sites may share one. Required.
    #[schemars(required)]
    pub address: Option<At<OneOrMany<IpAddr>>>,
    /// Number of the autonomous system.
    pub asn: Option<At<u32>>,
    /// In the country or abroad. Default: `outside`.
    pub place: Option<At<Place>>,
    /// Its certificate. Default: `good`.
    pub cert: Option<At<CertWritten>>,
    /// The only version of TLS that its https services speak. Default: both.
    pub tls: Option<At<TlsVersion>>,
    /// What it serves. Default: `["https", "http"]`.
    pub services: Option<At<OneOrMany<ServiceWritten>>>,
    /// An ECHConfigList in base64, for its HTTPS record (RFC 9848). The lab's servers do not decrypt. Default: none.
    pub ech: Option<At<String>>,
}

/// What certificate a site shows.
#[derive(Clone, Debug)]
pub enum CertWritten {
    /// By its word: `good`, `expired` ...
    Word(crate::scenario::Cert),
    /// `{ chain = "chain.pem", key = "key.pem" }`.
    Files(CertFiles),
}

/// PEM files of the user's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertFiles {
    /// Chain, leaf first.
    pub chain: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Why it may have expired. Without a reason an expired one is an error.
    pub expired_ok: Option<String>,
}

/// A service: `"https"`, `"http"`, `"chat"`, `"doh"`, `"dot"`, a mail service's word, or a table.
#[derive(Clone, Debug)]
pub enum ServiceWritten {
    /// `"https"`: port 443, h2 and http/1.1, a built-in page.
    Https,
    /// `"http"`: port 80, redirects to https.
    Http,
    /// `"doh"`: as https, and DNS over HTTPS at `/dns-query`.
    Doh,
    /// `"dot"`: DNS over TLS on port 853.
    Dot,
    /// `"chat"`: port 443.
    Chat,
    /// `"smtp"`, `"smtps"`, `"submission"`, `"imap"`, `"imaps"`, `"pop3"`, `"pop3s"`: on its own port.
    Mail(MailService),
    /// In detail.
    Table(Box<ServiceTable>),
}

/// A service in detail.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceTable {
    /// Port. Default: 443 for https, doh and chat, 80 for http, 853 for dot, the usual one for mail; required for the others.
    pub port: Option<u16>,
    /// What is served. Required.
    #[schemars(required)]
    pub serve: Option<ServeWord>,
    /// Folder under `lab/sites` (https, doh, http). Default: a built-in page.
    pub pages: Option<PathBuf>,
    /// Offered protocols, in order (https, doh). Default: `["h2", "http/1.1"]`.
    pub alpn: Option<OneOrMany<String>>,
    /// Strict-Transport-Security is sent (https, doh). Default: false.
    pub hsts: Option<bool>,
    /// HTTP/3 too, on the UDP port of the same number (https, doh). Default: false.
    pub http3: Option<bool>,
    /// Everything is redirected to https (http). Default: false.
    pub to_https: Option<bool>,
    /// The upgrade to TLS is offered (smtp, submission, imap, pop3). Default: true.
    pub starttls: Option<bool>,
    /// A login is taken without TLS, too (smtp, submission, imap, pop3). Default: true.
    pub clear_login: Option<bool>,
    /// Members encrypt for each other above TLS; the server takes no text (chat). Default: false.
    pub end_to_end: Option<bool>,
    /// Program and arguments; `{cert}`, `{key}`, `{chain}`, `{port}`, `{dir}`, `{name}`, `{lab}` are filled in (exec).
    pub run: Option<Vec<String>>,
    /// How long the program may take until it listens (exec). Default: `"10s"`.
    pub ready_within: Option<Span>,
    /// Address of a server of your own on the loopback interface (loopback).
    pub address: Option<SocketAddr>,
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServeWord {
    /// HTTPS.
    Https,
    /// Plain HTTP.
    Http,
    /// HTTPS with DNS over HTTPS at `/dns-query` (RFC 8484).
    Doh,
    /// DNS over TLS (RFC 7858).
    Dot,
    /// Mail between servers, and from clients without encryption or with STARTTLS: port 25.
    Smtp,
    /// Submission of mail, TLS first: port 465.
    Smtps,
    /// Submission of mail with STARTTLS: port 587. A login is asked for.
    Submission,
    /// IMAP with STARTTLS: port 143.
    Imap,
    /// IMAP, TLS first: port 993.
    Imaps,
    /// POP3 with STLS: port 110.
    Pop3,
    /// POP3, TLS first: port 995.
    Pop3s,
    /// A chat over WebSockets.
    Chat,
    /// A program that is started with the world.
    Exec,
    /// A server of your own on the loopback interface.
    Loopback,
}

impl ServeWord {
    /// The mail service that it means, if it means one.
    pub fn mail(self) -> Option<MailService> {
        match self {
            Self::Smtp => Some(MailService::Smtp),
            Self::Smtps => Some(MailService::Smtps),
            Self::Submission => Some(MailService::Submission),
            Self::Imap => Some(MailService::Imap),
            Self::Imaps => Some(MailService::Imaps),
            Self::Pop3 => Some(MailService::Pop3),
            Self::Pop3s => Some(MailService::Pop3s),
            Self::Https | Self::Http | Self::Chat | Self::Doh | Self::Dot | Self::Exec | Self::Loopback => None,
        }
    }
}

impl<'de> Deserialize<'de> for CertWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CertVisitor)
    }
}

struct CertVisitor;

impl<'de> Visitor<'de> for CertVisitor {
    type Value = CertWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a certificate: a word such as `good` or `expired`, or `{ chain = \"chain.pem\", key = \"key.pem\" }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CertWritten, E> {
        let cert = crate::scenario::Cert::from_word(text).map(CertWritten::Word);
        cert.ok_or_else(|| E::custom(format_args!("unknown variant `{text}`, expected one of {}", ticked())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CertWritten, A::Error> {
        CertFiles::deserialize(MapAccessDeserializer::new(map)).map(CertWritten::Files)
    }
}

impl JsonSchema for CertWritten {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cert".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let files = generator.subschema_for::<CertFiles>();
        let words: Vec<&str> = crate::scenario::Cert::words().collect();
        json_schema!({ "anyOf": [{ "enum": words }, files] })
    }
}

impl<'de> Deserialize<'de> for ServiceWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServiceVisitor)
    }
}

struct ServiceVisitor;

impl<'de> Visitor<'de> for ServiceVisitor {
    type Value = ServiceWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service: `\"https\"`, `\"http\"` or a table such as `{ serve = \"https\", port = 8443 }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ServiceWritten, E> {
        match text {
            "https" => Ok(ServiceWritten::Https),
            "http" => Ok(ServiceWritten::Http),
            "doh" => Ok(ServiceWritten::Doh),
            "dot" => Ok(ServiceWritten::Dot),
            "chat" => Ok(ServiceWritten::Chat),
            _ => MailService::from_word(text).map(ServiceWritten::Mail).ok_or_else(|| E::unknown_variant(text, SERVICE_WORDS)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServiceWritten, A::Error> {
        ServiceTable::deserialize(MapAccessDeserializer::new(map)).map(|table| ServiceWritten::Table(Box::new(table)))
    }
}

impl JsonSchema for ServiceWritten {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Service".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ServiceTable>();
        json_schema!({ "anyOf": [{ "enum": SERVICE_WORDS }, table] })
    }
}

/// The words for certificates, as serde lists words that it knows.
fn ticked() -> String {
    crate::scenario::Cert::words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

const SERVICE_WORDS: &[&str] =
    &["https", "http", "chat", "doh", "dot", "smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s"];
