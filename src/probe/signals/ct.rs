//! Certificate transparency (RFC 6962): timestamps that are missing, or that no known log has signed.
//!
//! A forger can have logs of its own, and can copy timestamps; it cannot have a listed log sign what it forged. So timestamps
//! are not counted but checked, against a list in the browsers' form.

use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::ParsedExtension;

use super::{Sight, Signal, interception, perhaps};
use crate::probe::Failure;
use crate::x509::key::hex;
use crate::x509::oid;
use crate::x509::sct::signed_data;
use crate::x509::tbs::{Extension, Parsed};

/// A known log.
#[derive(Clone, Debug)]
pub(in crate::probe) struct Log {
    id: Vec<u8>,
    /// The P-256 point of its key; empty for a key of another kind, whose signatures are not checked.
    point: Vec<u8>,
}

/// What the timestamps of a leaf come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe) enum Logged {
    /// It carries none.
    None,
    /// One at least is of a listed log.
    Listed,
    /// All are of logs that are not listed, or do not verify.
    Unlisted,
}

/// Reads a log list (version 3 of the browsers' form).
pub(in crate::probe) fn logs(path: &Path) -> Result<Vec<Log>, Failure> {
    let wrong = |reason: String| Failure::Setting { what: format!("log list `{}`", path.display()), reason };
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let list: serde_json::Value = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    let operators = list["operators"].as_array().ok_or_else(|| wrong("it has no `operators`".to_owned()))?;
    let of = |operator: &serde_json::Value| operator["logs"].as_array().cloned().unwrap_or_default();
    Ok(operators.iter().flat_map(of).filter_map(|log| one(&log)).collect())
}

fn one(log: &serde_json::Value) -> Option<Log> {
    let bytes = |field: &str| STANDARD.decode(log[field].as_str()?).ok();
    let key = bytes("key")?;
    let point = key.len().checked_sub(POINT).filter(|at| key.get(*at) == Some(&UNCOMPRESSED)).map(|at| key[at..].to_vec());
    Some(Log { id: bytes("log_id")?, point: point.unwrap_or_default() })
}

/// No timestamps though public certificates here carry them (RFC 6962 section 3.3). Logs take nothing from an authority that is not
/// public, so a forger cannot have them.
pub(super) fn missing(sight: &Sight<'_>) -> Option<Signal> {
    let missing = (sight.expect_ct || sight.logs.is_some()) && !has_any(sight);
    missing.then(|| perhaps("no-sct", "the leaf carries no signed certificate timestamps".to_owned()))
}

/// Timestamps that no listed log has signed: they were made for a checker that only counts them.
pub(super) fn unlisted(sight: &Sight<'_>) -> Option<Signal> {
    let logs = sight.logs?;
    (logged(sight.der, logs)? == Logged::Unlisted).then(|| {
        let evidence = "the leaf's timestamps are of logs that are not in the list, or do not verify".to_owned();
        interception("unknown-log", evidence)
    })
}

/// What the timestamps of a chain's leaf come to; none if it cannot be read.
pub(in crate::probe) fn logged(chain: &[CertificateDer<'_>], logs: &[Log]) -> Option<Logged> {
    let mut leaf = Parsed::read(chain.first()?).ok()?;
    let at = leaf.tbs.extensions.iter().position(is_timestamps);
    let Some(list) = at.map(|at| leaf.tbs.extensions.remove(at)) else { return Some(Logged::None) };
    let issuer = chain.get(1).and_then(|issuer| Parsed::read(issuer).ok()).map(|issuer| issuer.tbs.spki);
    let tbs = leaf.tbs.write();
    let good = timestamps(&list.value).any(|sct| verifies(sct, logs, &tbs, issuer.as_deref()));
    Some(if good { Logged::Listed } else { Logged::Unlisted })
}

/// Identifiers of the logs, for the report.
pub(in crate::probe) fn named(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = Parsed::read(leaf) else { return Vec::new() };
    let list = parsed.tbs.extensions.iter().find(|e| is_timestamps(e)).map(|e| e.value.clone()).unwrap_or_default();
    timestamps(&list).filter_map(|sct| sct.get(1..5).map(hex)).collect()
}

fn is_timestamps(extension: &Extension) -> bool {
    oid::extension_name(&extension.oid) == "timestamps"
}

/// RFC 6962 section 3.2: version, log, time, extensions, algorithms, signature.
fn verifies(sct: &[u8], logs: &[Log], tbs: &[u8], issuer: Option<&[u8]>) -> bool {
    let read = || {
        let log = logs.iter().find(|log| sct.get(1..33) == Some(log.id.as_slice()))?;
        let millis: &[u8; 8] = sct.get(33..41)?.try_into().ok()?;
        let extensions = usize::from(u16::from_be_bytes(sct.get(41..43)?.try_into().ok()?));
        let signature = sct.get(43 + extensions + 4..)?;
        Some((log, millis, extensions, signature))
    };
    match (read(), issuer) {
        // A key of another kind, or an issuer that was not sent: the list's word is all there is.
        (Some((log, ..)), None) if !log.id.is_empty() => true,
        (Some((log, ..)), _) if log.point.is_empty() => true,
        (Some((log, millis, 0, signature)), Some(issuer)) => {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &log.point);
            key.verify(&signed_data(millis, tbs, issuer), signature).is_ok()
        }
        _ => false,
    }
}

/// The timestamps in the extension's value: an octet string of a list with lengths.
fn timestamps(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = x509_parser::der_parser::der::parse_der_octetstring(value).ok();
    let mut rest = list.and_then(|(_, list)| list.as_slice().ok()).and_then(|list| list.get(2..)).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, body) = rest.split_first_chunk::<2>()?;
        let sct = body.get(..usize::from(u16::from_be_bytes(*length)))?;
        rest = &body[sct.len()..];
        Some(sct)
    })
}

fn has_any(sight: &Sight<'_>) -> bool {
    let carries = |leaf: &x509_parser::certificate::X509Certificate<'_>| {
        leaf.extensions().iter().any(|e| matches!(e.parsed_extension(), ParsedExtension::SCT(_)))
    };
    sight.leaf().is_some_and(carries)
}

/// An uncompressed point on P-256 (SEC 1 section 2.3.3).
const POINT: usize = 65;
const UNCOMPRESSED: u8 = 4;
