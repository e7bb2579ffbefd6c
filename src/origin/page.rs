//! The pages that every site has.

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Buf as _, Bytes};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::accept::Visit;
use super::answer::{Seen, html, text, with_type};
use super::body::{Page, Posted};
use super::shelf::Found;
use crate::scenario::{Place, Site};

/// For whom a page is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) site: &'a Site,
    pub(super) host: &'a str,
}

/// What reports call a site.
pub(super) fn site_name(site: &Site) -> String {
    site.names.first().cloned().or_else(|| site.addresses.first().map(ToString::to_string)).unwrap_or_default()
}

/// The page of a site that has none of its own.
pub(super) fn built_in(context: &Context<'_>) -> String {
    filled(context, BUILT_IN)
}

/// A file of the shelf; `{{host}}`, `{{site}}` and `{{place}}` in HTML are filled in.
pub(super) fn from_shelf(context: &Context<'_>, found: Found) -> Response<Page> {
    match String::from_utf8(found.bytes) {
        Ok(page) if found.kind.starts_with("text/html") => html(StatusCode::OK, filled(context, &page)),
        Ok(text) => with_type(StatusCode::OK, found.kind, Page::whole(text)),
        Err(raw) => with_type(StatusCode::OK, found.kind, Page::whole(raw.into_bytes())),
    }
}

/// What the origin saw of this connection.
pub(super) fn facts(visit: &Visit, seen: &Seen, context: &Context<'_>) -> Value {
    let tls = seen.tls.as_ref().map(|tls| {
        let hello = tls.hello.as_deref();
        let filled = |text: Option<&String>| text.filter(|t| !t.is_empty()).cloned();
        json!({
            "version": tls.handshake.version,
            "cipher": tls.handshake.cipher,
            "group": tls.handshake.group,
            "alpn": tls.handshake.alpn,
            "resumed": tls.handshake.resumed,
            "sni": hello.and_then(|h| h.sni.clone()),
            "ja3": filled(hello.map(|h| &h.ja3)),
            "ja4": filled(hello.map(|h| &h.ja4)),
        })
    });
    json!({
        "origin": "genuine",
        "site": site_name(context.site),
        "host": context.host,
        "place": place(context.site),
        "client": visit.client,
        "destination": visit.destination,
        "tls": tls,
    })
}

/// The request as it reached the server: to see what an interceptor could have read or changed.
pub(super) async fn echo<B: Posted>(request: Request<B>) -> Response<Page> {
    let mut told = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        told.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    match read(request).await {
        Some(body) if body.is_empty() => text(StatusCode::OK, told),
        Some(body) => text(StatusCode::OK, format!("{told}\n{}", String::from_utf8_lossy(&body))),
        None => text(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {MOST_BODY} bytes")),
    }
}

/// Takes an upload of any size, and says how large it was.
pub(super) async fn sink<B: Posted>(request: Request<B>) -> Response<Page> {
    let (mut body, mut bytes) = (request.into_body(), 0u64);
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
        if bytes > MOST_SUNK {
            return text(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {MOST_SUNK} bytes"));
        }
    }
    text(StatusCode::OK, format!("{bytes} bytes"))
}

/// 1 GiB: as much as `/bytes/N` gives.
const MOST_SUNK: u64 = 1 << 30;

/// A form, and what happens to what is typed into it: nothing.
pub(super) async fn login<B: Posted>(context: &Context<'_>, request: Request<B>, secrets: &mut Vec<String>) -> Response<Page> {
    if request.method() != Method::POST {
        return html(StatusCode::OK, filled(context, LOGIN));
    }
    let Some(body) = read(request).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {MOST_BODY} bytes"));
    };
    secrets.push(format!("form: {} bytes", body.len()));
    html(StatusCode::OK, filled(context, LOGGED_IN))
}

pub(super) async fn read<B: Posted>(request: Request<B>) -> Option<Bytes> {
    Limited::new(request.into_body(), MOST_BODY).collect().await.ok().map(|body| body.to_bytes())
}

/// 64 KiB: a form or a message.
const MOST_BODY: usize = 64 << 10;

fn filled(context: &Context<'_>, page: &str) -> String {
    page.replace("{{host}}", &escaped(context.host))
        .replace("{{site}}", &escaped(&site_name(context.site)))
        .replace("{{place}}", place(context.site))
}

fn place(site: &Site) -> &'static str {
    match site.place {
        Place::Inside => "inside",
        Place::Outside => "outside",
    }
}

/// A Host header is the client's word: it must not become markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const BUILT_IN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/sites/default.html"));
const LOGIN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/sites/login.html"));
const LOGGED_IN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/sites/logged-in.html"));
