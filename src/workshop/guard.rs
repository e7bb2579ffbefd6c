//! Who may ask, before anything is looked at: a request with the right Host, from no web page of another origin.
//!
//! Any page that a browser shows can send requests to loopback, by DNS rebinding with a foreign Host. And cookies know no ports: a page
//! of another server on this machine counts as the same site. So Host and Origin must be exactly the workshop's own.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::serve::App;
use crate::control::Problem;

/// Lets a request through, or answers it; every answer carries the same strict headers.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("(not text)").to_owned());
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
    let refused = refusal(app.hosts(), host.as_deref(), request.method(), request.headers());
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in STRICT {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}

fn refusal(hosts: &[String], host: Option<&str>, method: &Method, headers: &HeaderMap) -> Option<Problem> {
    let forbidden = |told: String| Some(Problem::new(StatusCode::FORBIDDEN, told));
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("(not text)"));
    let Some(host) = host.filter(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host))) else {
        return forbidden(format!("the Host `{}` is not this workshop's", short(host.unwrap_or_default())));
    };
    if let Some(origin) = text("origin")
        && origin != format!("http://{host}")
    {
        return forbidden(format!("requests of a web page from `{}` are refused", short(origin)));
    }
    // Where a browser says from where it asks: the console itself, or the user by hand. Only a navigation may come from elsewhere.
    let site = text("sec-fetch-site").unwrap_or("none");
    let navigation = *method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    if !matches!(site, "same-origin" | "none") && !navigation {
        return forbidden(format!("requests of a `{}` page are refused", short(site)));
    }
    let changes = *method != Method::GET && *method != Method::HEAD;
    let has_body = text("content-length").is_some_and(|length| length != "0") || text("transfer-encoding").is_some();
    let json = text("content-type").is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json");
    if changes && has_body && !json {
        return Some(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body is `application/json` here"));
    }
    None
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// No script, style or connection but the console's own; no frame around it; nothing kept on disk.
const STRICT: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, pairs: &[(&str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let host = headers.get("host").map(|host| host.to_str().unwrap().to_owned());
        let own = ["127.0.0.1:8".to_owned(), "localhost:8".to_owned()];
        refusal(&own, host.as_deref(), method, &headers).map(|problem| problem.status)
    }

    #[test]
    fn only_the_own_origin_is_let_in() {
        let own = ("host", "127.0.0.1:8");
        assert_eq!(refused(&Method::GET, &[own]), None);
        assert_eq!(refused(&Method::POST, &[("host", "LOCALHOST:8"), ("origin", "http://LOCALHOST:8")]), None);
        assert_eq!(refused(&Method::GET, &[]), Some(403));
        assert_eq!(refused(&Method::GET, &[("host", "rebound.example:8")]), Some(403));
        assert_eq!(refused(&Method::GET, &[("host", "127.0.0.1:9")]), Some(403));
        for origin in ["https://evil.example", "null", "http://127.0.0.1:9", "https://127.0.0.1:8"] {
            assert_eq!(refused(&Method::POST, &[own, ("origin", origin)]), Some(403), "{origin}");
        }
    }

    #[test]
    fn another_page_may_lead_here_but_ask_nothing() {
        let (own, site) = (("host", "127.0.0.1:8"), ("sec-fetch-site", "cross-site"));
        assert_eq!(refused(&Method::GET, &[own, site, ("sec-fetch-mode", "navigate")]), None);
        assert_eq!(refused(&Method::GET, &[own, site, ("sec-fetch-mode", "no-cors")]), Some(403));
        assert_eq!(refused(&Method::GET, &[own, ("sec-fetch-site", "same-site")]), Some(403));
        assert_eq!(refused(&Method::POST, &[own, site, ("sec-fetch-mode", "navigate")]), Some(403));
    }

    #[test]
    fn a_form_cannot_send_a_body() {
        let (own, length) = (("host", "127.0.0.1:8"), ("content-length", "2"));
        assert_eq!(refused(&Method::POST, &[own, length, ("content-type", "text/plain")]), Some(415));
        assert_eq!(refused(&Method::POST, &[own, length, ("content-type", "application/json; charset=utf-8")]), None);
    }
}
