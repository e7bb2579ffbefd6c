//! HAR 1.2: the requests that somebody in the lab could read, for the tools that show web traffic.
//!
//! The record keeps no headers and no bodies (they hold secrets), so those lists are empty and sizes are -1, which the format
//! defines as "not known". What the lab knows besides is under `_mitmlab`: who read it, the verdict-relevant facts.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connection::{Connection, Request};
use super::event::{ConnectionId, Entry, Event, Observer};

/// A HAR document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Har {
    /// Its one member.
    pub log: Log,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// `1.2`.
    pub version: String,
    /// mitmlab.
    pub creator: Creator,
    /// One for each request, in the order of time.
    pub entries: Vec<HarEntry>,
}

/// Who wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Creator {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HarEntry {
    /// When it was read, RFC 3339.
    pub started_date_time: String,
    /// Milliseconds; 0, for the record keeps no end.
    pub time: f64,
    /// What was asked.
    pub request: HarRequest,
    /// What was answered.
    pub response: HarResponse,
    /// Empty.
    pub cache: Empty,
    /// All 0 or -1.
    pub timings: Timings,
    /// Address that was dialled.
    #[serde(rename = "serverIPAddress")]
    pub server_ip_address: String,
    /// Number of the connection.
    pub connection: String,
    /// What the lab knows besides.
    #[serde(rename = "_mitmlab")]
    pub mitmlab: Known,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HarRequest {
    /// Method.
    pub method: String,
    /// URL, query values masked.
    pub url: String,
    /// `HTTP/1.1`, `HTTP/2` ...
    pub http_version: String,
    /// Not kept.
    pub cookies: [Empty; 0],
    /// Not kept.
    pub headers: [Empty; 0],
    /// In the URL.
    pub query_string: [Empty; 0],
    /// Not known.
    pub headers_size: i64,
    /// Not known.
    pub body_size: i64,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HarResponse {
    /// Status; 0 if no answer was seen.
    pub status: u16,
    /// Not kept.
    pub status_text: String,
    /// As asked.
    pub http_version: String,
    /// Not kept.
    pub cookies: [Empty; 0],
    /// Not kept.
    pub headers: [Empty; 0],
    /// Not kept.
    pub content: Content,
    /// Not kept.
    #[serde(rename = "redirectURL")]
    pub redirect_url: String,
    /// Not known.
    pub headers_size: i64,
    /// Not known.
    pub body_size: i64,
}

/// The body, which is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Not known.
    pub size: i64,
    /// Not known.
    pub mime_type: String,
}

/// Times of the phases of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Milliseconds.
    pub send: f64,
    /// Milliseconds.
    pub wait: f64,
    /// Milliseconds.
    pub receive: f64,
}

/// An empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// What the lab knows of a request besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Who could read it.
    pub read_by: Observer,
    /// The box's action on the connection.
    pub action: Option<String>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Profile of the forged certificate.
    pub forged_by: Option<String>,
    /// Subject of the certificate that the client accepted.
    pub certificate: Option<String>,
    /// Kinds and lengths of secrets that were readable.
    pub secrets: Vec<String>,
}

/// Makes the document from a recording. `started` is the wall clock at the recording's 0 (`run.json`,
/// [`super::Recorder::started`]). Other protocols than HTTP are left out.
pub fn har<'a>(entries: impl IntoIterator<Item = &'a Entry> + Clone, started: OffsetDateTime) -> Har {
    let connections: HashMap<ConnectionId, Connection> =
        Connection::fold(entries.clone()).into_iter().map(|c| (c.id, c)).collect();
    let readable = |entry: &Entry| {
        let Event::Request { by, request } = &entry.event else { return None };
        let version = http_version(&request.protocol)?;
        Some(one(started + Duration::from_micros(entry.t_us), connections.get(&entry.connection?)?, request, *by, version))
    };
    let creator = Creator { name: "mitmlab".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    Har { log: Log { version: "1.2".to_owned(), creator, entries: entries.into_iter().filter_map(readable).collect() } }
}

fn one(at: OffsetDateTime, connection: &Connection, request: &Request, by: Observer, version: &str) -> HarEntry {
    HarEntry {
        started_date_time: at.format(&Rfc3339).unwrap_or_default(), // years 0 to 9999
        time: 0.0,
        request: HarRequest {
            method: request.method.clone(),
            url: url(connection, request),
            http_version: version.to_owned(),
            cookies: [],
            headers: [],
            query_string: [],
            headers_size: -1,
            body_size: -1,
        },
        response: HarResponse {
            status: request.status.unwrap_or(0),
            status_text: String::new(),
            http_version: version.to_owned(),
            cookies: [],
            headers: [],
            content: Content { size: -1, mime_type: String::new() },
            redirect_url: String::new(),
            headers_size: -1,
            body_size: -1,
        },
        cache: Empty {},
        timings: Timings { send: 0.0, wait: 0.0, receive: 0.0 },
        server_ip_address: connection.destination.ip().to_string(),
        connection: connection.id.0.to_string(),
        mitmlab: Known {
            read_by: by,
            action: connection.decision().map(|d| d.action.clone()),
            rule: connection.decision().and_then(|d| d.rule.clone()),
            forged_by: connection.forged_by.clone(),
            certificate: connection.presented.first().map(|c| c.subject.clone()),
            secrets: request.secrets.clone(),
        },
    }
}

fn url(connection: &Connection, request: &Request) -> String {
    if request.target.contains("://") {
        return request.target.clone(); // absolute-form, as a plain HTTP proxy is asked (RFC 9112 section 3.2.2)
    }
    let tls = connection.hello.is_some() || connection.client_half.handshake.is_some();
    let scheme = if tls { "https" } else { "http" };
    let host = request.host.clone().unwrap_or_else(|| connection.host());
    let default = if tls { 443 } else { 80 };
    let port = connection.destination.port();
    let port = if port == default || host.contains(':') { String::new() } else { format!(":{port}") };
    let path = if request.target.starts_with('/') { request.target.as_str() } else { "/" };
    format!("{scheme}://{host}{port}{path}")
}

fn http_version(protocol: &str) -> Option<&'static str> {
    match protocol {
        "http/1.0" => Some("HTTP/1.0"),
        "http/1.1" => Some("HTTP/1.1"),
        "h2" => Some("HTTP/2"),
        "h3" => Some("HTTP/3"),
        _ => None,
    }
}
