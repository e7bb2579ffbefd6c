//! A certificate as the record tells it: the fields that a reader looks at first, and the bytes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use time::format_description::well_known::Rfc3339;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::record::Certificate;

/// Tells one certificate. Bytes that are no certificate are told by their hash alone.
pub fn describe(der: &[u8]) -> Certificate {
    let mut told = Certificate {
        subject: String::new(),
        issuer: String::new(),
        serial: String::new(),
        not_before: String::new(),
        not_after: String::new(),
        names: Vec::new(),
        key: "unreadable".to_owned(),
        sha256: sha256(der),
        spki_sha256: String::new(),
        der: STANDARD.encode(der),
    };
    if let Ok((_, read)) = X509Certificate::from_der(der) {
        told.subject = read.subject().to_string();
        told.issuer = read.issuer().to_string();
        told.serial = hex(read.raw_serial());
        told.not_before = moment(read.validity().not_before);
        told.not_after = moment(read.validity().not_after);
        told.names = names(&read);
        told.key = key(read.public_key());
        told.spki_sha256 = sha256(read.public_key().raw);
    }
    told
}

/// Tells a chain, leaf first. The record keeps one description of a certificate, however many connections show it.
pub fn describe_chain(chain: &[CertificateDer<'_>]) -> Vec<Arc<Certificate>> {
    chain.iter().map(|der| described(der)).collect()
}

/// Tells a certificate that may have been told before: reading and writing it out again takes longer than finding it.
fn described(der: &[u8]) -> Arc<Certificate> {
    static TOLD: LazyLock<Mutex<HashMap<Digest, Arc<Certificate>>>> = LazyLock::new(Mutex::default);
    let key = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref().try_into().expect("SHA-256 has 32 bytes");
    let known = || TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(told) = known().get(&key) {
        return Arc::clone(told);
    }
    let told = Arc::new(describe(der));
    let mut known = known();
    if known.len() >= MOST_TOLD {
        known.clear();
    }
    known.insert(key, Arc::clone(&told));
    told
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|o| std::net::IpAddr::from(o).to_string()),
            16 => <[u8; 16]>::try_from(*octets).ok().map(|o| std::net::IpAddr::from(o).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn key(spki: &SubjectPublicKeyInfo<'_>) -> String {
    match spki.parsed() {
        Ok(PublicKey::RSA(rsa)) => match rsa.try_exponent() {
            Ok(exponent) => format!("RSA-{} e={exponent}", rsa.key_size()),
            Err(_) => format!("RSA-{}", rsa.key_size()),
        },
        Ok(PublicKey::EC(point)) => match point.key_size() {
            528 | 521 => "P-521".to_owned(),
            bits => format!("P-{bits}"),
        },
        _ => spki.algorithm.algorithm.to_id_string(),
    }
}

fn moment(time: ASN1Time) -> String {
    time.to_datetime().format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256.
type Digest = [u8; 32];

/// Descriptions that are remembered, some 2 KiB each. Then it begins anew.
const MOST_TOLD: usize = 4096;
