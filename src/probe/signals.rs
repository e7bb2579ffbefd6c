//! The signs that a detector reads from what it saw. One file for each kind of sign; each sign carries its evidence.
//!
//! A sign is a function from a [`Sight`] to at most one [`Signal`]. To add one, write the function and list it.

use rustls_pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;

use super::tls::Parameters;
use super::verify::Refusal;

pub(super) mod comparison;
pub(super) mod copy;
pub(super) mod ct;
mod fault;
mod issuer;
mod key;
mod promise;

/// A sign, and what it speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// What it speaks for.
    pub speaks_for: SpeaksFor,
    /// What was seen, in words.
    pub evidence: String,
}

/// What a sign speaks for, and how loudly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpeaksFor {
    /// Interception; enough by itself.
    Interception,
    /// Interception, together with others or with an unknown issuer.
    InterceptionPerhaps,
    /// A fault of the site itself.
    BrokenSite,
    /// A portal that wants something of the user first.
    Portal,
    /// The site as it always was.
    Genuine,
    /// The site, with another certificate than before.
    Change,
    /// Either of several things: enough to be unsure.
    Unclear,
}

/// Everything that the signs are read from.
pub(super) struct Sight<'a> {
    pub(super) host: &'a str,
    /// The chain that was shown, leaf first, as far as it can be parsed.
    pub(super) chain: Vec<X509Certificate<'a>>,
    pub(super) der: &'a [CertificateDer<'static>],
    /// Why the store refuses the chain.
    pub(super) refusal: Option<&'a Refusal>,
    /// The store knows the issuer, faults of date and name aside.
    pub(super) issuer_known: bool,
    /// The vendors' roots know the issuer; none if they are not known.
    pub(super) issuer_public: Option<bool>,
    /// The genuine chain, from a file.
    pub(super) reference: Option<&'a [CertificateDer<'static>]>,
    /// The chain that another address shows for the same name.
    pub(super) control: Option<&'a [CertificateDer<'static>]>,
    /// The chain that the same address shows for another name.
    pub(super) other_name: Option<&'a [CertificateDer<'static>]>,
    /// Public certificates are expected to carry SCTs.
    pub(super) expect_ct: bool,
    /// Known transparency logs.
    pub(super) logs: Option<&'a [ct::Log]>,
    /// Keys that are pinned for the host, base64.
    pub(super) pins: Option<&'a [String]>,
    /// A stapled OCSP response came.
    pub(super) has_staple: bool,
    /// Revocation lists, DER.
    pub(super) lists: &'a [Vec<u8>],
    /// What was negotiated.
    pub(super) parameters: Option<&'a Parameters>,
    /// What was negotiated for another name at the same address.
    pub(super) other_parameters: Option<&'a Parameters>,
}

impl<'a> Sight<'a> {
    pub(super) fn leaf(&self) -> Option<&X509Certificate<'a>> {
        self.chain.first()
    }

    /// The genuine chain, wherever it came from.
    pub(super) fn genuine(&self) -> Option<&'a [CertificateDer<'static>]> {
        self.reference.or(self.control)
    }
}

/// Reads all signs.
pub(super) fn read(sight: &Sight<'_>) -> Vec<Signal> {
    SIGNS.iter().filter_map(|sign| sign(sight)).collect()
}

type Sign = fn(&Sight<'_>) -> Option<Signal>;

const SIGNS: &[Sign] = &[
    issuer::blocked,
    issuer::known_key,
    issuer::known_name,
    issuer::local_root,
    comparison::reference,
    comparison::shifted_validity,
    comparison::control,
    comparison::other_name,
    comparison::on_demand,
    comparison::parameters,
    copy::serial,
    copy::stripped,
    copy::shared_key,
    copy::one_key,
    promise::pins,
    promise::staple,
    promise::revoked,
    ct::unlisted,
    ct::missing,
    key::exponent_three,
    key::short,
    fault::self_signed,
    fault::dates,
    fault::name,
    fault::same_for_every_name,
];

fn interception(name: &'static str, evidence: String) -> Signal {
    Signal { name, speaks_for: SpeaksFor::Interception, evidence }
}

fn perhaps(name: &'static str, evidence: String) -> Signal {
    Signal { name, speaks_for: SpeaksFor::InterceptionPerhaps, evidence }
}

fn broken(name: &'static str, evidence: String) -> Signal {
    Signal { name, speaks_for: SpeaksFor::BrokenSite, evidence }
}

#[cfg(test)]
mod tests;
