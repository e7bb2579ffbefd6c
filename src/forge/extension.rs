//! Extensions from a profile's rules (RFC 5280 section 4.2), for authorities and leaves alike.

use std::net::IpAddr;

use super::der::{self, tag};
use super::key::Key;
use super::oid;
use super::profile::{AuthorityKeyForm, Purpose, Usage};
use super::tbs::Extension;

/// What of the issuer stands in the certificates that it signs.
#[derive(Clone, Debug)]
pub struct IssuerFacts {
    /// Its subject: their issuer.
    pub subject: Vec<u8>,
    /// Its own issuer.
    pub issuer: Vec<u8>,
    /// Content of its serial number.
    pub serial: Vec<u8>,
    /// Its key identifier.
    pub key_id: [u8; 20],
}

/// Any extension.
pub fn extension(arcs: oid::Arcs, critical: bool, value: Vec<u8>) -> Extension {
    Extension { oid: der::oid(arcs), critical, value }
}

/// basicConstraints. DEFAULT FALSE is left out (X.690 section 11.5).
pub fn basic_constraints(ca: bool, path_len: Option<u8>, critical: bool) -> Extension {
    let flag = if ca { der::boolean_true() } else { Vec::new() };
    let length = path_len.map(|n| der::unsigned(&[n])).unwrap_or_default();
    extension(oid::BASIC_CONSTRAINTS, critical, der::sequence(&[&flag, &length]))
}

/// keyUsage.
pub fn key_usage(bits: &[Usage], critical: bool) -> Extension {
    extension(oid::KEY_USAGE, critical, der::named_bits(Usage::mask(bits)))
}

/// extendedKeyUsage.
pub fn extended_key_usage(purposes: &[Purpose], critical: bool) -> Extension {
    let purposes: Vec<Vec<u8>> = purposes
        .iter()
        .map(|purpose| match purpose {
            Purpose::ServerAuth => der::oid(oid::SERVER_AUTH),
            Purpose::ClientAuth => der::oid(oid::CLIENT_AUTH),
        })
        .collect();
    let slices: Vec<&[u8]> = purposes.iter().map(Vec::as_slice).collect();
    extension(oid::EXTENDED_KEY_USAGE, critical, der::sequence(&slices))
}

/// subjectKeyIdentifier.
pub fn subject_key_id(key: &Key) -> Extension {
    extension(oid::SUBJECT_KEY_ID, false, der::octet_string(&key.id()))
}

/// authorityKeyIdentifier: `[0]` keyIdentifier, `[1]` authorityCertIssuer, `[2]` authorityCertSerialNumber.
pub fn authority_key_id(form: AuthorityKeyForm, issuer: &IssuerFacts) -> Extension {
    let key_id = der::value(tag::context(0), &issuer.key_id);
    let value = match form {
        AuthorityKeyForm::KeyId => der::sequence(&[&key_id]),
        AuthorityKeyForm::KeyIdIssuerSerial => {
            let directory = der::value(tag::constructed(4), &issuer.issuer);
            let names = der::value(tag::constructed(1), &directory);
            let serial = der::value(tag::context(2), &issuer.serial);
            der::sequence(&[&key_id, &names, &serial])
        }
    };
    extension(oid::AUTHORITY_KEY_ID, false, value)
}

/// One name of subjectAltName.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AltName {
    /// dNSName.
    Dns(String),
    /// iPAddress.
    Address(IpAddr),
}

/// subjectAltName.
pub fn subject_alt_name(names: &[AltName], critical: bool) -> Extension {
    let names: Vec<Vec<u8>> = names.iter().map(general_name).collect();
    let slices: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    extension(oid::SUBJECT_ALT_NAME, critical, der::sequence(&slices))
}

/// nameConstraints, critical: only these names and addresses, and everything below the names. With no address permitted,
/// all addresses are excluded.
pub fn name_constraints(hosts: &[String], addresses: &[IpAddr]) -> Extension {
    let hosts = hosts.iter().map(|host| der::value(tag::context(2), host.strip_prefix("*.").unwrap_or(host).as_bytes()));
    let single = addresses.iter().map(|address| match address {
        IpAddr::V4(v4) => network(&v4.octets(), 0xff),
        IpAddr::V6(v6) => network(&v6.octets(), 0xff),
    });
    let permitted: Vec<Vec<u8>> = hosts.chain(single).map(|name| der::sequence(&[&name])).collect();
    let mut excluded = Vec::new();
    if !addresses.iter().any(IpAddr::is_ipv4) {
        excluded.push(der::sequence(&[&network(&[0; 4], 0)]));
    }
    if !addresses.iter().any(IpAddr::is_ipv6) {
        excluded.push(der::sequence(&[&network(&[0; 16], 0)]));
    }
    let subtrees = |number: u8, list: &[Vec<u8>]| match list {
        [] => Vec::new(),
        list => der::concat(tag::constructed(number), &list.iter().map(Vec::as_slice).collect::<Vec<_>>()),
    };
    extension(oid::NAME_CONSTRAINTS, true, der::sequence(&[&subtrees(0, &permitted), &subtrees(1, &excluded)]))
}

/// Netscape's comment: text that OpenSSL and others show.
pub fn comment(text: &str) -> Extension {
    extension(oid::COMMENT, false, der::value(tag::IA5_STRING, text.as_bytes()))
}

fn general_name(name: &AltName) -> Vec<u8> {
    match name {
        AltName::Dns(name) => der::value(tag::context(2), name.as_bytes()),
        AltName::Address(IpAddr::V4(v4)) => der::value(tag::context(7), &v4.octets()),
        AltName::Address(IpAddr::V6(v6)) => der::value(tag::context(7), &v6.octets()),
    }
}

/// Address and mask, as iPAddress is in name constraints (RFC 5280 section 4.2.1.10).
fn network(octets: &[u8], mask: u8) -> Vec<u8> {
    der::value(tag::context(7), &[octets, &vec![mask; octets.len()]].concat())
}
