//! HAR 1.2: the exchanges that somebody in the lab could read, for the tools that show web traffic.
//!
//! A recording keeps whole exchanges (headers, sizes, status), secrets masked; of connections whose server is not the lab's it keeps the
//! first request line, and -1 stands for a size that is not known, as the format says. What the lab knows besides is under `_mitmlab`:
//! who read it, what the box did, what was masked. <http://www.softwareishard.com/blog/har-12-spec/>

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connection::{Connection, Request};
use super::event::{ConnectionId, Entry, Event, Observer};
use super::exchange::{Content as Body, Exchange};

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
    /// Milliseconds to the head of the answer; 0 if it is not known.
    pub time: f64,
    /// What was asked.
    pub request: HarRequest,
    /// What was answered.
    pub response: HarResponse,
    /// Empty.
    pub cache: Empty,
    /// Waiting is all that is known.
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
    /// URL, query values masked unless the recording says otherwise.
    pub url: String,
    /// `HTTP/1.1`, `HTTP/2` ...
    pub http_version: String,
    /// In the headers.
    pub cookies: [Empty; 0],
    /// Header fields, secrets masked.
    pub headers: Vec<Pair>,
    /// The query of the URL.
    pub query_string: Vec<Pair>,
    /// What was sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_data: Option<PostData>,
    /// Not known: header fields were compressed, or their case is gone.
    pub headers_size: i64,
    /// Bytes; -1 if not known.
    pub body_size: i64,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostData {
    /// Its media type.
    pub mime_type: String,
    /// Its text, or that it is masked.
    pub text: String,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HarResponse {
    /// Status; 0 if no answer was seen.
    pub status: u16,
    /// Empty: HTTP/2 has none.
    pub status_text: String,
    /// As asked.
    pub http_version: String,
    /// In the headers.
    pub cookies: [Empty; 0],
    /// Header fields, secrets masked.
    pub headers: Vec<Pair>,
    /// The body.
    pub content: Content,
    /// Where it leads to.
    #[serde(rename = "redirectURL")]
    pub redirect_url: String,
    /// Not known.
    pub headers_size: i64,
    /// Bytes; -1 if not known.
    pub body_size: i64,
}

/// An answer's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Bytes; -1 if not known.
    pub size: i64,
    /// Media type.
    pub mime_type: String,
    /// Its text, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `base64` where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
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
    /// What was left out of this entry.
    #[serde(default)]
    pub masked: Vec<String>,
}

/// Makes the document from a recording. `started` is the wall clock at the recording's 0 (`run.json`,
/// [`super::Recorder::started`]). Other protocols than HTTP are left out.
pub fn har<'a>(entries: impl IntoIterator<Item = &'a Entry> + Clone, started: OffsetDateTime) -> Har {
    let connections: HashMap<ConnectionId, Connection> =
        Connection::fold(entries.clone()).into_iter().map(|c| (c.id, c)).collect();
    let whole: HashSet<ConnectionId> = entries
        .clone()
        .into_iter()
        .filter(|entry| matches!(entry.event, Event::Exchange { .. }))
        .filter_map(|entry| entry.connection)
        .collect();
    let readable = |entry: &Entry| {
        let id = entry.connection?;
        let connection = connections.get(&id)?;
        match &entry.event {
            Event::Exchange { exchange, .. } => {
                let at = started + Duration::from_micros(entry.t_us.saturating_sub(exchange.took_us));
                Some(of_exchange(at, connection, exchange, http_version(&exchange.protocol)?))
            }
            Event::Request { by, request } if !whole.contains(&id) => {
                let at = started + Duration::from_micros(entry.t_us);
                Some(of_request(at, connection, request, *by, http_version(&request.protocol)?))
            }
            _ => None,
        }
    };
    let creator = Creator { name: "mitmlab".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut all: Vec<HarEntry> = entries.into_iter().filter_map(readable).collect();
    all.sort_by(|a, b| a.started_date_time.cmp(&b.started_date_time));
    Har { log: Log { version: "1.2".to_owned(), creator, entries: all } }
}

fn of_exchange(at: OffsetDateTime, connection: &Connection, exchange: &Exchange, version: &str) -> HarEntry {
    // What passed an intercepted connection the box could read: the origin tells what it was.
    let by = if connection.intercepted() { Observer::Box } else { Observer::Origin };
    let ms = exchange.took_us as f64 / 1000.0;
    let field = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let sent = &exchange.request_body;
    let masked = |what: &str| exchange.masked.iter().any(|m| m == what);
    HarEntry {
        time: ms,
        request: HarRequest {
            url: exchange.url.clone(),
            method: exchange.method.clone(),
            headers: pairs(&exchange.request_headers),
            query_string: query(&exchange.url),
            post_data: (sent.bytes > 0).then(|| PostData {
                mime_type: field(&exchange.request_headers, "content-type"),
                text: sent.text.clone().unwrap_or_else(|| format!("(masked, {} bytes)", sent.bytes)),
            }),
            body_size: size(sent),
            ..bare_request(version)
        },
        response: HarResponse {
            status: exchange.status,
            headers: pairs(&exchange.response_headers),
            content: Content {
                size: size(&exchange.response_body),
                mime_type: field(&exchange.response_headers, "content-type"),
                text: exchange.response_body.text.clone(),
                encoding: exchange.response_body.base64.then(|| "base64".to_owned()),
                comment: masked("response body").then(|| "masked; `--unmask` keeps it".to_owned()),
            },
            redirect_url: field(&exchange.response_headers, "location"),
            body_size: size(&exchange.response_body),
            ..bare_response(version)
        },
        timings: Timings { send: 0.0, wait: ms, receive: 0.0 },
        ..bare(at, connection, version, Known { masked: exchange.masked.clone(), ..known(connection, by) })
    }
}

fn of_request(at: OffsetDateTime, connection: &Connection, request: &Request, by: Observer, version: &str) -> HarEntry {
    let url = url(connection, request);
    HarEntry {
        request: HarRequest { method: request.method.clone(), query_string: query(&url), url, ..bare_request(version) },
        response: HarResponse { status: request.status.unwrap_or(0), ..bare_response(version) },
        ..bare(at, connection, version, Known { secrets: request.secrets.clone(), ..known(connection, by) })
    }
}

fn bare(at: OffsetDateTime, connection: &Connection, version: &str, mitmlab: Known) -> HarEntry {
    HarEntry {
        started_date_time: at.format(&Rfc3339).unwrap_or_default(), // years 0 to 9999
        time: 0.0,
        request: bare_request(version),
        response: bare_response(version),
        cache: Empty {},
        timings: Timings { send: 0.0, wait: 0.0, receive: 0.0 },
        server_ip_address: connection.destination.ip().to_string(),
        connection: connection.id.0.to_string(),
        mitmlab,
    }
}

fn bare_request(version: &str) -> HarRequest {
    HarRequest {
        method: String::new(),
        url: String::new(),
        http_version: version.to_owned(),
        cookies: [],
        headers: Vec::new(),
        query_string: Vec::new(),
        post_data: None,
        headers_size: -1,
        body_size: -1,
    }
}

fn bare_response(version: &str) -> HarResponse {
    HarResponse {
        status: 0,
        status_text: String::new(),
        http_version: version.to_owned(),
        cookies: [],
        headers: Vec::new(),
        content: Content { size: -1, mime_type: String::new(), text: None, encoding: None, comment: None },
        redirect_url: String::new(),
        headers_size: -1,
        body_size: -1,
    }
}

fn known(connection: &Connection, by: Observer) -> Known {
    Known {
        read_by: by,
        action: connection.decision().map(|d| d.action.clone()),
        rule: connection.decision().and_then(|d| d.rule.clone()),
        forged_by: connection.forged_by.clone(),
        certificate: connection.presented.first().map(|c| c.subject.clone()),
        secrets: Vec::new(),
        masked: Vec::new(),
    }
}

fn pairs(fields: &[(String, String)]) -> Vec<Pair> {
    fields.iter().map(|(name, value)| Pair { name: name.clone(), value: value.clone() }).collect()
}

fn query(url: &str) -> Vec<Pair> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Pair { name: name.to_owned(), value: value.to_owned() }
    };
    query.split('&').map(pair).collect()
}

fn size(body: &Body) -> i64 {
    i64::try_from(body.bytes).unwrap_or(i64::MAX)
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
