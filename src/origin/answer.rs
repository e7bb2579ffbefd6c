//! Answering one HTTP request as the site that it asks for.
//!
//! Every site answers `/` and its files, and a few paths that lessons and tests need: `/bytes/N` (a download of any
//! size), `/echo` (what reached the server), `/login` (a form), `/.well-known/mitmlab` (the TLS that the origin saw).
//! The marker `x-mitmlab-origin: genuine` is in every answer, so that a client can prove that it reached the origin.

use std::sync::Mutex;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version, header};

use super::accept::Visit;
use super::asking::{Asking, watched};
use super::body::{Page, Posted};
use super::chat::{self, Seat};
use super::portal::Form;
use super::select::Selected;
use super::{dns, page, shelf};
use crate::record::{Handshake, Hello, Request as Told};
use crate::scenario::Serve;

/// What the server knows of the connection that a request comes on.
#[derive(Debug)]
pub(super) struct Seen {
    /// The name asked for in the hello.
    pub(super) default_name: Option<String>,
    /// The TLS, if there is any.
    pub(super) tls: Option<TlsSeen>,
    /// What the connection becomes after an answer that agrees to an upgrade.
    pub(super) seat: Mutex<Option<Seat>>,
}

/// TLS as the server saw it.
#[derive(Debug)]
pub(super) struct TlsSeen {
    pub(super) handshake: Handshake,
    pub(super) hello: Option<Box<Hello>>,
}

/// Answers, and tells the record.
pub(super) async fn answer<B: Posted>(visit: &Visit, seen: &Seen, request: Request<B>) -> Response<Page> {
    let asked = Asked::new(&request);
    let mut told = told(&request, &asked);
    let mask = visit.witness.recorder().kept().map(crate::record::Keep::mask);
    let host = asked.authority.clone().or_else(|| seen.default_name.clone()).unwrap_or_else(|| visit.destination.to_string());
    let (request, kept) = watched(request, seen, (&host, &told.protocol), mask);
    let is_head = request.method() == Method::HEAD;
    let name = asked.host.as_deref().or(seen.default_name.as_deref());
    let selected = visit.origins.select(visit.destination, name);
    let mut response = match selected {
        Ok(selected) => route(visit, seen, selected, &asked, request, &mut told).await,
        Err(nobody) => text(StatusCode::NOT_FOUND, nobody.text(visit.destination)),
    };
    mark(response.headers_mut(), selected.ok().as_ref(), seen);
    if is_head {
        let length = hyper::body::Body::size_hint(response.body()).exact().unwrap_or_default();
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        *response.body_mut() = Page::empty();
    }
    told.status = Some(response.status().as_u16());
    if let Some(kept) = kept {
        visit.witness.exchange(kept.answered(&response));
    }
    visit.witness.request(told);
    response
}

/// What a request asks for, taken out of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Host as it was asked for, with its port.
    authority: Option<String>,
    /// Host without its port.
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Asked {
    fn new<B>(request: &Request<B>) -> Self {
        let header = || request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
        let authority = request.uri().authority().map(|a| a.as_str()).or_else(header);
        Self {
            authority: authority.map(str::to_owned),
            host: authority.map(without_port).filter(|host| !host.is_empty()),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
        }
    }
}

async fn route<B: Posted>(
    visit: &Visit,
    seen: &Seen,
    selected: Selected<'_>,
    asked: &Asked,
    request: Request<Asking<B>>,
    told: &mut Told,
) -> Response<Page> {
    let host = asked.host.clone().unwrap_or_else(|| page::site_name(selected.site));
    let pages = match &selected.service.serve {
        Serve::Http { to_https: true, .. } => return to_https(&host, asked),
        Serve::Http { pages, .. } | Serve::Https { pages, .. } => pages.as_deref(),
        Serve::Chat { end_to_end } => return chat::answer(visit, seen, selected.site, *end_to_end, request),
        Serve::Dot | Serve::Mail { .. } | Serve::Exec { .. } | Serve::Loopback { .. } => None,
    };
    if crate::pki::is_service_host(&host) {
        return authorities(visit, &host, &asked.path, request).await;
    }
    let resolves = matches!(selected.service.serve, Serve::Https { doh: true, .. });
    let context = page::Context { site: selected.site, host: &host };
    match asked.path.as_str() {
        "/.well-known/mitmlab" => json(&page::facts(visit, seen, &context)),
        dns::PATH if resolves => dns::doh(visit, asked.query.as_deref(), request, told).await,
        "/echo" => page::echo(request).await,
        "/sink" => page::sink(request).await,
        "/login" => page::login(&context, request, &mut told.secrets).await,
        path if path.starts_with("/bytes/") => bytes(path),
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "this page is for GET and HEAD".to_owned())
        }
        path if pages.is_some_and(|p| p == std::path::Path::new(shelf::PORTAL)) && Form::of(path).is_some() => {
            root(visit, path).await
        }
        path => match shelf::find(visit.origins.shelf.as_deref(), pages, path).await {
            Some(found) => page::from_shelf(&context, found),
            None if path == "/" => html(StatusCode::OK, page::built_in(&context)),
            None => text(StatusCode::NOT_FOUND, format!("{host} has no page {path}")),
        },
    }
}

/// The genuine authorities' own site: OCSP, revocation lists, certificates.
async fn authorities<B: Posted>(visit: &Visit, host: &str, path: &str, request: Request<Asking<B>>) -> Response<Page> {
    let posted = match *request.method() {
        Method::POST => match page::read(request).await {
            Some(body) => Some(body),
            None => return text(StatusCode::PAYLOAD_TOO_LARGE, "no request is that large".to_owned()),
        },
        _ => None,
    };
    match visit.origins.pki.answer(host, path, posted.as_deref()) {
        Some(answer) => with_type(StatusCode::OK, answer.content_type, Page::whole(answer.body)),
        None => text(StatusCode::NOT_FOUND, format!("{host} has nothing at {path}")),
    }
}

/// The authority's root, which the portal offers.
async fn root(visit: &Visit, path: &str) -> Response<Page> {
    match (Form::of(path), (visit.origins.root)(visit.client).await) {
        (Some(form), Some(der)) => with_type(StatusCode::OK, form.kind(), Page::whole(form.bytes(der))),
        _ => text(StatusCode::NOT_FOUND, "the scenario has no authority, so there is no root to install".to_owned()),
    }
}

fn to_https(host: &str, asked: &Asked) -> Response<Page> {
    let query = asked.query.as_ref().map(|q| format!("?{q}")).unwrap_or_default();
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "this site is served over https".to_owned());
    if let Ok(location) = HeaderValue::try_from(format!("https://{host}{}{query}", asked.path)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn bytes(path: &str) -> Response<Page> {
    match path["/bytes/".len()..].parse::<u64>() {
        Ok(count) if count <= MOST_BYTES => with_type(StatusCode::OK, "application/octet-stream", Page::Stream(count)),
        _ => text(StatusCode::BAD_REQUEST, format!("/bytes/N with N from 0 to {MOST_BYTES}")),
    }
}

/// 1 GiB: enough for any throttle to be measured, and an end to every download.
const MOST_BYTES: u64 = 1 << 30;

/// Marks every answer as the origin's own.
fn mark(headers: &mut HeaderMap, selected: Option<&Selected<'_>>, seen: &Seen) {
    headers.insert(HeaderName::from_static("x-mitmlab-origin"), HeaderValue::from_static("genuine"));
    headers.insert(header::SERVER, HeaderValue::from_static("mitmlab-origin"));
    if let (Some(selected), true) = (selected, seen.tls.is_some())
        && matches!(selected.service.serve, Serve::Https { http3: true, .. })
        && let Ok(value) = HeaderValue::try_from(format!("h3=\":{}\"; ma=86400", selected.service.port))
    {
        headers.insert(header::ALT_SVC, value); // RFC 7838 section 3
    }
    // Only over a secure connection (RFC 6797 section 7.2).
    if let (Some(Serve::Https { hsts: true, .. }), true) = (selected.map(|s| &s.service.serve), seen.tls.is_some()) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

fn told<B>(request: &Request<B>, asked: &Asked) -> Told {
    let protocol = match request.version() {
        Version::HTTP_3 => "h3",
        Version::HTTP_2 => "h2",
        Version::HTTP_10 => "http/1.0",
        _ => "http/1.1",
    };
    let secret = |name: &HeaderName| {
        let bytes: usize = request.headers().get_all(name).iter().map(HeaderValue::len).sum();
        (bytes > 0).then(|| format!("{name}: {bytes} bytes"))
    };
    Told {
        protocol: protocol.to_owned(),
        method: request.method().to_string(),
        host: asked.host.clone(),
        target: masked(&asked.path, asked.query.as_deref()),
        status: None,
        secrets: SECRETS.iter().filter_map(secret).collect(),
    }
}

static SECRETS: [HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// Path and query with the values of the query masked, at most 512 characters.
fn masked(path: &str, query: Option<&str>) -> String {
    let mut target = path.to_owned();
    if let Some(query) = query {
        let names = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=***"),
            None => "***".to_owned(),
        });
        target = format!("{target}?{}", names.collect::<Vec<_>>().join("&"));
    }
    target.chars().take(512).collect()
}

/// `host:port`, `[v6]:port`, `host` without the port, in lower case, without a final dot.
fn without_port(authority: &str) -> String {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

pub(super) fn text(status: StatusCode, text: String) -> Response<Page> {
    with_type(status, "text/plain; charset=utf-8", Page::whole(text + "\n"))
}

pub(super) fn html(status: StatusCode, html: String) -> Response<Page> {
    with_type(status, "text/html; charset=utf-8", Page::whole(html))
}

fn json(value: &serde_json::Value) -> Response<Page> {
    with_type(StatusCode::OK, "application/json", Page::whole(format!("{value:#}\n")))
}

pub(super) fn with_type(status: StatusCode, kind: &'static str, body: Page) -> Response<Page> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_query_are_masked() {
        assert_eq!(masked("/a", Some("user=me&token=xyz&flag")), "/a?user=***&token=***&***");
        assert_eq!(masked("/a", None), "/a");
    }

    #[test]
    fn hosts_without_ports() {
        assert_eq!(without_port("Bank.Lab.test.:443"), "bank.lab.test");
        assert_eq!(without_port("[2001:db8::1]:8443"), "2001:db8::1");
        assert_eq!(without_port("user@host"), "host");
    }
}
