//! What the genuine authorities serve over HTTP, at addresses that stand in every genuine certificate: their OCSP
//! responder, their revocation lists, their own certificates. The world has one site for it.
//!
//! OCSP over HTTP: RFC 6960 appendix A.1. Revocation lists and certificates in DER: RFC 5280 sections 4.2.1.13 and 4.2.2.1.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authority::Authority;
use super::extension::{CERTIFICATES, LISTS, RESPONDER};
use super::issue::PublicPki;
use crate::scenario::{Cert, Place, Serve, Service, Site, World};
use crate::x509::ocsp::{self, Refused, Request, Status};

/// An answer of the authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its media type.
    pub content_type: &'static str,
    /// The body, DER.
    pub body: Vec<u8>,
}

/// The site of the authorities: plain HTTP, abroad, at an address that no other site has. None if the world has one already
/// (a scenario's own, which then must do without these answers).
pub fn service_site(world: &World) -> Option<Site> {
    if SERVED.iter().any(|name| world.named(name).is_some()) {
        return None;
    }
    let taken = |ip: &IpAddr| world.sites.iter().any(|s| s.addresses.contains(ip)) || world.isp_resolver.contains(ip);
    let address = (1..=254).rev().map(|n| IpAddr::V4(Ipv4Addr::new(203, 0, 113, n))).find(|ip| !taken(ip))?;
    Some(Site {
        names: SERVED.iter().map(|&name| name.to_owned()).collect(),
        addresses: vec![address],
        asn: None,
        place: Place::Outside,
        services: vec![Service { port: 80, serve: Serve::Http { pages: None, to_https: false } }],
        cert: Cert::Good,
        ech: None,
    })
}

/// True if a host is one of the authorities'.
pub fn is_service_host(host: &str) -> bool {
    SERVED.contains(&host)
}

impl PublicPki {
    /// Answers a GET for a path, or (with a body) a POST. None if nothing is served there.
    pub fn answer(&self, host: &str, path: &str, posted: Option<&[u8]>) -> Option<Answer> {
        match (host, posted) {
            (RESPONDER, Some(request)) => Some(self.ocsp(request)),
            (RESPONDER, None) => Some(self.ocsp(&STANDARD.decode(unescaped(path.trim_start_matches('/'))).unwrap_or_default())),
            (LISTS, None) => {
                let authority = self.authority(path.trim_start_matches('/').strip_suffix(".crl")?)?;
                let body = authority.revocation_list(self.now()).ok()?;
                Some(Answer { content_type: "application/pkix-crl", body })
            }
            (CERTIFICATES, None) => {
                let authority = self.authority(path.trim_start_matches('/').strip_suffix(".crt")?)?;
                Some(Answer { content_type: "application/pkix-cert", body: authority.der().to_vec() })
            }
            _ => None,
        }
    }

    /// Every authority's revocation list in PEM, one after another.
    pub fn revocation_lists_pem(&self) -> String {
        let lists = self.authorities().filter_map(|authority| authority.revocation_list(self.now()).ok());
        lists.map(|der| super::key::pem("X509 CRL", &der).to_string()).collect()
    }

    fn ocsp(&self, request: &[u8]) -> Answer {
        let body = self.ocsp_response(request).unwrap_or_else(ocsp::refusal);
        Answer { content_type: "application/ocsp-response", body }
    }

    fn ocsp_response(&self, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let request = Request::read(request)?;
        let signer =
            request.asked.iter().find_map(|id| self.authorities().find(|a| a.is_asked(id))).ok_or(Refused::Unauthorized)?;
        let status = |id: &ocsp::CertId| if signer.is_asked(id) { signer.status(&id.serial) } else { Status::Unknown };
        let answers: Vec<_> = request.asked.iter().map(|id| (id.clone(), status(id))).collect();
        ocsp::response(signer.key().x509(), &answers, request.nonce.as_deref(), self.now()).map_err(|_| Refused::InternalError)
    }

    fn authority(&self, nick: &str) -> Option<&Authority> {
        self.authorities().find(|authority| authority.nick() == nick)
    }
}

/// Percent-encoding (RFC 3986 section 2.1) undone: base64 in a path has its `/`, `+` and `=` escaped.
fn unescaped(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escaped.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

const SERVED: [&str; 3] = [RESPONDER, LISTS, CERTIFICATES];
