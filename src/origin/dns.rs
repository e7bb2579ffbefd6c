//! Encrypted DNS: a resolver behind TLS (DoT, RFC 7858) and behind HTTPS (DoH, RFC 8484). It answers from the world's own zone, as the
//! resolvers on port 53 do; what the box does to names in the clear does not reach it. The box sees a TLS connection like any other, and
//! may block it, or intercept it where its root is trusted.
//!
//! Not here: DNS over QUIC, and the JSON form that some operators offer beside RFC 8484.

use base64::Engine as _;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::accept::{Visit, drain};
use super::answer::{text, with_type};
use super::body::{Page, Posted};
use super::first::Beginning;
use super::{https, page};
use crate::network::resolver::{Way, serve_stream};
use crate::record::{DnsWithin, Request as Told};
use crate::scenario::Transport;
use crate::tls::{Counts, Ended};

/// Serves a connection of DNS over TLS to its end.
pub(super) async fn serve_dot(visit: &Visit, stream: TcpStream, beginning: Beginning, name: Option<&str>) {
    let alpn = ["dot".to_owned()]; // IANA's name for it; a client that offers none is welcome (RFC 7858 section 3.1)
    match https::secure(visit, stream, beginning, name, (&alpn, None)).await {
        Ok(Some((stream, _))) => {
            let mut stream = visit.witness.above_tls(stream);
            let ended = match &visit.origins.names {
                Some(names) => serve_stream(&mut stream, names, way(visit, DnsWithin::Dot), visit.origins.patience.idle).await,
                None => Ok(()),
            };
            if ended.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
                visit.witness.ended(&Ended::Deadline);
            }
            let _ = stream.shutdown().await; // the client may be gone
            drain(visit, &mut stream).await;
        }
        Ok(None) => {}
        Err(why) => visit.witness.note(why),
    }
    visit.witness.end(Counts::Tls);
}

/// The path of a resolver's URI template (RFC 8484 section 3): what every public one has.
pub(super) const PATH: &str = "/dns-query";

/// Answers a request of DNS over HTTPS (RFC 8484 sections 4.1 and 4.2).
pub(super) async fn doh<B: Posted>(visit: &Visit, query: Option<&str>, request: Request<B>, told: &mut Told) -> Response<Page> {
    let message = match *request.method() {
        Method::GET | Method::HEAD => match query.and_then(in_query) {
            Some(message) => Bytes::from(message),
            None => return text(StatusCode::BAD_REQUEST, "`?dns=` with a DNS message in base64url, without padding".to_owned()),
        },
        Method::POST => {
            let is_message = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MESSAGE);
            // Read first, judged then: an answer to a request that is still being sent may be lost with its stream.
            match page::read(request).await {
                Some(_) if !is_message => {
                    return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("content-type: {MESSAGE}"));
                }
                Some(body) => body,
                None => return text(StatusCode::PAYLOAD_TOO_LARGE, "no DNS message is that large".to_owned()),
            }
        }
        _ => return text(StatusCode::METHOD_NOT_ALLOWED, "GET or POST".to_owned()),
    };
    let Some(names) = &visit.origins.names else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "this lab has no resolver".to_owned());
    };
    told.protocol = format!("{} (doh)", told.protocol);
    match names.serve(&message, way(visit, DnsWithin::Doh)).into_iter().next() {
        Some(answer) => {
            let mut response = with_type(StatusCode::OK, MESSAGE, Page::whole(answer));
            // No longer than the records live (section 5.1).
            response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("max-age=60"));
            response
        }
        None => text(StatusCode::BAD_REQUEST, "no DNS query".to_owned()),
    }
}

fn in_query(query: &str) -> Option<Vec<u8>> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("dns="))?;
    // Padding is forbidden, and some clients send it.
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok()
}

fn way(visit: &Visit, within: DnsWithin) -> Way {
    Way { client: visit.client, resolver: visit.destination, transport: Transport::Tcp, within: Some(within) }
}

const MESSAGE: &str = "application/dns-message";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_a_query_may_have_padding_or_not() {
        assert_eq!(in_query("dns=AAE"), Some(vec![0, 1]));
        assert_eq!(in_query("a=b&dns=AAE="), Some(vec![0, 1]));
        assert_eq!(in_query("dns=A*E"), None);
        assert_eq!(in_query("name=a.test"), None);
    }
}
