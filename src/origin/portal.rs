//! The root that a portal offers: the authority's certificate in the forms that subscribers were given in 2019.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Gives the root that a portal offers to a client, as DER; none if the scenario has no authority. Making it may take seconds.
pub type Root = Arc<dyn Fn(SocketAddr) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>> + Send + Sync>;

/// A form of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Der,
    Pem,
}

impl Form {
    /// The form that a path means: `qazca.cer`, `.pem`, `.der` (net4people/bbs#6).
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix("/qazca.")? {
            "pem" => Some(Self::Pem),
            "der" | "cer" => Some(Self::Der),
            _ => None,
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Der => "application/x-x509-ca-cert",
            Self::Pem => "application/x-pem-file",
        }
    }

    /// RFC 7468 section 5.
    pub(super) fn bytes(self, der: Vec<u8>) -> Vec<u8> {
        if self == Self::Der {
            return der;
        }
        let text = STANDARD.encode(&der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_their_names() {
        assert_eq!(
            (Form::of("/qazca.cer"), Form::of("/qazca.pem"), Form::of("/qazca.exe")),
            (Some(Form::Der), Some(Form::Pem), None)
        );
        let pem = String::from_utf8(Form::Pem.bytes(vec![7; 100])).unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64) && pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
    }
}
