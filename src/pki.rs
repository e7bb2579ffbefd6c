//! The genuine public PKI of the lab: what browsers would call "the web's certificate authorities".
//!
//! A root, its intermediates and a leaf for every site, with the faults that a scenario asks for. Keys are made at start,
//! live in memory and are wiped; no file of this room ever holds one. It is not the interception authority: that one
//! forges, has a profile and lives in `forge`.
//!
//! ```text
//!  mitmlab Public Root (P-256) ─┬─ mitmlab Public CA E1 (P-256) ── leaves of Cert::Good, Expired, WrongHost ...
//!                               └─ mitmlab Public CA R1 (RSA)   ── leaves of Cert::GoodRsa        (made when needed)
//!  mitmlab Unknown Root (P-256) ─── mitmlab Unknown CA (P-256)  ── leaves of Cert::UntrustedRoot  (made when needed)
//! ```
//!
//! A genuine leaf has what a forged one mostly lacks: timestamps of two logs, a stapled OCSP response, and addresses of a
//! responder, of revocation lists and of its issuer that are served in the lab (`service.rs`).
//!
//! Every leaf passes through `issue.rs`; an extension that all genuine leaves should carry is one more entry in
//! `extension.rs`. RFC 5280 is the profile; the chains pass `openssl verify -x509_strict`.

mod authority;
mod error;
mod extension;
mod issue;
mod issued;
mod key;
mod logs;
mod name;
mod punycode;
mod service;
mod subject;

pub use error::{BuildError, PkiError};
pub use issue::PublicPki;
pub use issued::Issued;
pub use name::{Name, NameError};
pub use service::{Answer, is_service_host, service_site};

#[cfg(test)]
mod tests;
