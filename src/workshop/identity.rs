//! Secrets by which a browser is known: codes of links, and cookies that no script can read.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, header};

use crate::control::Token;

/// What is kept of a secret: its hash, so that looking it up takes no time that tells of it.
pub(super) type Print = [u8; 32];

/// The hash of a secret.
pub(super) fn print(secret: &str) -> Print {
    let mut print = Print::default();
    print.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    print
}

/// Which of the two cookies; a trainer's browser may hold both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Participant,
    Trainer,
}

impl Role {
    /// Cookies know no ports: the name holds the port, so that two workshops of one machine do not disturb each other.
    fn cookie(self, port: u16) -> String {
        match self {
            Self::Participant => format!("mitmlab-{port}"),
            Self::Trainer => format!("mitmlab-trainer-{port}"),
        }
    }
}

/// The secret that a request carries.
pub(super) fn carried(headers: &HeaderMap, role: Role, port: u16) -> Option<&str> {
    let name = role.cookie(port);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name.as_str())?.strip_prefix('='))
}

/// The header that gives a browser its secret. Not `Secure`: the workshop speaks plain HTTP, on loopback.
pub(super) fn given(token: &Token, role: Role, port: u16) -> Option<HeaderValue> {
    let (name, secret) = (role.cookie(port), token.reveal());
    HeaderValue::from_str(&format!("{name}={secret}; Path=/api; HttpOnly; SameSite=Strict; Max-Age=86400")).ok()
}

/// The header that takes it away.
pub(super) fn taken(role: Role, port: u16) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}=; Path=/api; HttpOnly; SameSite=Strict; Max-Age=0", role.cookie(port))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_of_its_port() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; mitmlab-8=one; mitmlab-trainer-8=two".parse().unwrap());
        headers.append(header::COOKIE, "mitmlab-80=three".parse().unwrap());
        assert_eq!(carried(&headers, Role::Participant, 8), Some("one"));
        assert_eq!(carried(&headers, Role::Trainer, 8), Some("two"));
        assert_eq!(carried(&headers, Role::Participant, 80), Some("three"));
        assert_eq!(carried(&headers, Role::Participant, 9), None);
    }

    #[test]
    fn no_script_can_read_a_cookie() {
        let given = given(&Token::of("secret"), Role::Participant, 8).unwrap();
        let text = given.to_str().unwrap();
        assert!(text.contains("HttpOnly") && text.contains("SameSite=Strict"), "{text}");
    }
}
