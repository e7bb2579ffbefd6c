//! Who may ask: whoever has the token, from this machine, and from no web page of another origin.
//!
//! A browser on the same machine can be made to send requests to loopback by any page (and by DNS rebinding with a foreign Host). So a
//! request with an Origin other than the API's own, or a Host that is not loopback, is refused before the token is looked at.

use std::net::IpAddr;

use aws_lc_rs::rand;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::Problem;
use super::serve::App;

/// The bearer token of one lab. Its `Debug` form is masked.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A fresh one: 192 random bits.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn fresh() -> Result<Self, String> {
        let mut bytes = [0; 24];
        rand::fill(&mut bytes).map_err(|_| "the system gives no random bytes for the control token".to_owned())?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A given one.
    pub fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that clients send.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn fits(&self, given: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Lets a request through, or answers it.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match refusal(request.headers(), request.uri().host(), app.token()) {
        Some(problem) => {
            let unauthorized = problem.status == StatusCode::UNAUTHORIZED.as_u16();
            let mut response = problem.into_response();
            if unauthorized {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
            }
            response
        }
        None => next.run(request).await,
    }
}

fn refusal(headers: &HeaderMap, authority: Option<&str>, token: &Token) -> Option<Problem> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("(not text)"));
    let host = text(header::HOST).or(authority);
    if let Some(host) = host.filter(|host| !is_local(host)) {
        let told = format!("the Host `{}` is not this machine's loopback", short(host));
        return Some(Problem::new(StatusCode::FORBIDDEN, told));
    }
    if let Some(origin) = text(header::ORIGIN)
        && host.is_none_or(|host| origin != format!("http://{host}"))
    {
        let told = format!("requests of a web page from `{}` are refused", short(origin));
        return Some(Problem::new(StatusCode::FORBIDDEN, told));
    }
    let given = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    match given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, given)) if token.fits(given.trim()) => None,
        Some(_) => Some(unauthorized("the token is another lab's")),
        None => Some(unauthorized("there is no token in the request")),
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail).hint("send `Authorization: Bearer TOKEN`; `mitmlab up` prints the token")
}

/// Loopback by address or by its name; a Unix socket's clients may say anything local.
fn is_local(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(bare, _)| bare),
    };
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        refusal(&headers, None, &Token::of("secret")).map(|problem| problem.status)
    }

    #[test]
    fn only_the_token_opens_and_only_from_here() {
        let good = ("authorization", "Bearer secret");
        assert_eq!(refused(&[("host", "127.0.0.1:1"), good]), None);
        assert_eq!(refused(&[("host", "[::1]:1"), good]), None);
        assert_eq!(refused(&[("host", "localhost:1"), ("origin", "http://localhost:1"), good]), None);
        assert_eq!(refused(&[("host", "127.0.0.1:1")]), Some(401));
        assert_eq!(refused(&[("authorization", "Bearer secreT")]), Some(401));
        assert_eq!(refused(&[("authorization", "Basic secret")]), Some(401));
        assert_eq!(refused(&[("host", "evil.example:1"), good]), Some(403));
        assert_eq!(refused(&[("host", "127.0.0.1:1"), ("origin", "https://evil.example"), good]), Some(403));
        assert_eq!(refused(&[("host", "127.0.0.1:1"), ("origin", "null"), good]), Some(403));
    }

    #[test]
    fn tokens_differ_and_do_not_show() {
        let (a, b) = (Token::fresh().unwrap(), Token::fresh().unwrap());
        assert_ne!(a.reveal(), b.reveal());
        assert!(!format!("{a:?}").contains(a.reveal()));
    }
}
