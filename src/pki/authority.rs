//! A certification authority: a certificate, its key, the right to issue, and the memory of what it issued and revoked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    NameConstraints, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::error::BuildError;
use super::extension::{self, Validation};
use super::key::Key;
use super::subject;
use crate::x509::crl::{self, Revoked};
use crate::x509::key::{Digest, KeyError};
use crate::x509::ocsp::{CertId, Status};
use crate::x509::sct::{self, Log};
use crate::x509::tbs::{Parsed, Tbs};
use crate::x509::{der, oid};

/// Begin and end of a certificate, in the machine's time.
pub(super) type Validity = (OffsetDateTime, OffsetDateTime);

/// An authority's short name (for addresses) and its common name.
pub(super) type Called = (&'static str, &'static str);

/// A root or an intermediate.
#[derive(Debug)]
pub(super) struct Authority {
    nick: &'static str,
    der: CertificateDer<'static>,
    tbs: Tbs,
    issuer: Issuer<'static, Key>,
    /// Serial numbers of all that it issued; since when, if revoked.
    ledger: Mutex<BTreeMap<Vec<u8>, Option<OffsetDateTime>>>,
}

/// A certificate that an authority has just issued.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) der: CertificateDer<'static>,
    /// Content of its serial number.
    pub(super) serial: Vec<u8>,
}

impl Authority {
    /// A root: signed by itself, ten years.
    pub(super) fn root((nick, name): Called, now: OffsetDateTime) -> Result<Self, BuildError> {
        let key = Key::p256()?;
        let mut params = params(subject::authority(name), (now - Duration::days(2 * 365), now + Duration::days(10 * 365)))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = CA_USAGES.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key)?;
        Self::new(nick, certificate, params, key)
    }

    /// An intermediate that may issue leaves only (pathLenConstraint 0), five years.
    pub(super) fn intermediate(&self, called: Called, key: Key, now: OffsetDateTime) -> Result<Self, BuildError> {
        self.constrained(called, key, now, None)
    }

    /// The same, and its names are constrained (RFC 5280 section 4.2.1.10).
    pub(super) fn constrained(
        &self,
        (nick, name): Called,
        key: Key,
        now: OffsetDateTime,
        names: Option<NameConstraints>,
    ) -> Result<Self, BuildError> {
        let mut params = params(subject::authority(name), (now - Duration::days(365), now + Duration::days(5 * 365)))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = CA_USAGES.to_vec();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![extension::policies(Validation::Domain), extension::information_access(self.nick)];
        params.crl_distribution_points = vec![extension::revocation_list(self.nick)];
        params.name_constraints = names;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let made = Self::new(nick, certificate, params, key)?;
        self.ledger().insert(made.tbs.serial.clone(), None);
        Ok(made)
    }

    /// Signs a leaf with a timestamp of every log embedded (RFC 6962 section 3.3: over the certificate without them), and
    /// says in it where this authority is found.
    pub(super) fn issue(&self, leaf: CertificateParams, key: &Key, logs: &[Log]) -> Result<Fresh, BuildError> {
        self.issue_over(Digest::Sha256, leaf, key, logs)
    }

    /// The same, signed over another digest.
    pub(super) fn issue_over(
        &self,
        digest: Digest,
        mut leaf: CertificateParams,
        key: &Key,
        logs: &[Log],
    ) -> Result<Fresh, BuildError> {
        // A public authority dates a certificate an hour back, after its precertificate has been logged.
        let logged = leaf.not_before + Duration::HOUR;
        leaf.custom_extensions.push(extension::information_access(self.nick));
        leaf.crl_distribution_points = vec![extension::revocation_list(self.nick)];
        let mut tbs = Parsed::read(leaf.signed_by(key, &self.issuer)?.der())?.tbs;
        tbs.signature = self.key().x509().signature_algorithm(digest);
        if !logs.is_empty() {
            let timestamps = sct::embed(logs, &tbs, self.key().x509().spki(), logged)?;
            tbs.extensions.push(timestamps);
        }
        let serial = tbs.serial.clone();
        let der = tbs.sign(self.key().x509(), digest)?;
        self.ledger().insert(serial.clone(), None);
        Ok(Fresh { der, serial })
    }

    /// Revokes what it issued.
    pub(super) fn revoke(&self, serial: &[u8], since: OffsetDateTime) {
        self.ledger().insert(serial.to_vec(), Some(since));
    }

    /// What it says about one of its certificates.
    pub(super) fn status(&self, serial: &[u8]) -> Status {
        match self.ledger().get(serial) {
            None => Status::Unknown,
            Some(None) => Status::Good,
            Some(Some(since)) => Status::Revoked(*since),
        }
    }

    /// True if an OCSP request asks for a certificate of this authority.
    pub(super) fn is_asked(&self, id: &CertId) -> bool {
        id.is_of(&self.tbs.subject, self.key().public())
    }

    /// Its revocation list, DER: a day from an hour before `now`.
    pub(super) fn revocation_list(&self, now: OffsetDateTime) -> Result<Vec<u8>, KeyError> {
        let revoked: Vec<Revoked> = self
            .ledger()
            .iter()
            .filter_map(|(serial, since)| Some(Revoked { serial: serial.clone(), since: (*since)? }))
            .collect();
        let made = now - Duration::HOUR;
        let head = crl::Head {
            issuer: &self.tbs.subject,
            key_id: &self.key_id(),
            number: u64::try_from(made.unix_timestamp()).unwrap_or(1),
            this_update: made,
            next_update: made + Duration::DAY,
        };
        crl::write(&head, &revoked, self.key().x509())
    }

    /// Its own certificate.
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Its short name.
    pub(super) fn nick(&self) -> &'static str {
        self.nick
    }

    /// Its key.
    pub(super) fn key(&self) -> &Key {
        self.issuer.key()
    }

    /// Its whole subject, DER.
    pub(super) fn subject(&self) -> &[u8] {
        &self.tbs.subject
    }

    /// Its key identifier, as the certificates that it issues state it.
    fn key_id(&self) -> Vec<u8> {
        let own = self.tbs.extension(&der::oid(oid::SUBJECT_KEY_ID)).map(|e| e.value.clone()).unwrap_or_default();
        der::Reader::new(&own, "key identifier").any().map(|id| id.content.to_vec()).unwrap_or_default()
    }

    fn ledger(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Option<OffsetDateTime>>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new(nick: &'static str, certificate: Certificate, params: CertificateParams, key: Key) -> Result<Self, BuildError> {
        let der = certificate.der().clone();
        let tbs = Parsed::read(&der)?.tbs;
        Ok(Self { nick, der, tbs, issuer: Issuer::new(params, key), ledger: Mutex::default() })
    }
}

/// Parameters with nothing left to `rcgen`'s defaults: its dates are 1975 to 4096, its serial a hash of the key,
/// its subject "rcgen self signed cert".
pub(super) fn params(subject: DistinguishedName, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    (params.not_before, params.not_after) = validity;
    params.serial_number = Some(serial()?);
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A random positive serial of 16 octets (RFC 5280 section 4.1.2.2: positive, at most 20; the Baseline Requirements
/// want 64 bits of chance). The first octet is 0x40 to 0x7f, so that DER neither pads nor shortens it.
fn serial() -> Result<SerialNumber, rcgen::Error> {
    let mut octets = [0u8; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| rcgen::Error::RingUnspecified)?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

/// RFC 5280 section 4.2.1.3; digitalSignature since public intermediates sign OCSP responses with it.
const CA_USAGES: [KeyUsagePurpose; 3] =
    [KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
