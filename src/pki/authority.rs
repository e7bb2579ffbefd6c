//! A certification authority: a certificate, its key and the right to issue.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::extension::{self, Validation};
use super::key::Key;
use super::subject;

/// Begin and end of a certificate, in the machine's time.
pub(super) type Validity = (OffsetDateTime, OffsetDateTime);

/// An authority's short name (for addresses) and its common name.
pub(super) type Called = (&'static str, &'static str);

/// A root or an intermediate.
#[derive(Debug)]
pub(super) struct Authority {
    nick: &'static str,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, Key>,
}

impl Authority {
    /// A root: signed by itself, ten years.
    pub(super) fn root((nick, name): Called, now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let key = Key::p256()?;
        let mut params = params(subject::authority(name), (now - Duration::days(2 * 365), now + Duration::days(10 * 365)))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = CA_USAGES.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key)?;
        Ok(Self::new(nick, certificate, params, key))
    }

    /// An intermediate that may issue leaves only (pathLenConstraint 0), five years.
    pub(super) fn intermediate(&self, (nick, name): Called, key: Key, now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let mut params = params(subject::authority(name), (now - Duration::days(365), now + Duration::days(5 * 365)))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = CA_USAGES.to_vec();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![extension::policies(Validation::Domain)];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Self::new(nick, certificate, params, key))
    }

    /// Signs a leaf, and says in it where this authority would be found.
    pub(super) fn issue(&self, mut leaf: CertificateParams, key: &Key) -> Result<CertificateDer<'static>, rcgen::Error> {
        leaf.custom_extensions.push(extension::information_access(self.nick));
        leaf.crl_distribution_points = vec![extension::revocation_list(self.nick)];
        Ok(leaf.signed_by(key, &self.issuer)?.der().clone())
    }

    /// Its own certificate.
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    fn new(nick: &'static str, certificate: Certificate, params: CertificateParams, key: Key) -> Self {
        Self { nick, der: certificate.der().clone(), issuer: Issuer::new(params, key) }
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
