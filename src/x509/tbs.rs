//! A certificate as its parts (RFC 5280 section 4.1): read from any origin's bytes, written from chosen or copied slices.
//!
//! Builders re-encode: they sort extensions, fold names into maps, choose string types. A forgery that is to have the
//! shape of a real one must not. So every part here is DER as it will stand; nothing is normalised, nothing checked but
//! the outer structure. `parse(write(x)) == x` holds for every [`Tbs`].

use rustls_pki_types::CertificateDer;
use thiserror::Error;

use super::der::{self, DerError, Reader, tag};
use super::key::{Digest, Key, KeyError};

/// The to-be-signed part, each field in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tbs {
    /// Version as on the wire: 0 is v1, 2 is v3. Other values are kept as read.
    pub version: u8,
    /// Content octets of the serial number; may be negative, zero or too long, as copied.
    pub serial: Vec<u8>,
    /// The AlgorithmIdentifier inside the to-be-signed part.
    pub signature: Vec<u8>,
    /// Name, whole SEQUENCE.
    pub issuer: Vec<u8>,
    /// Time, with tag and length.
    pub not_before: Vec<u8>,
    /// Time, with tag and length.
    pub not_after: Vec<u8>,
    /// Name, whole SEQUENCE.
    pub subject: Vec<u8>,
    /// SubjectPublicKeyInfo, whole SEQUENCE.
    pub spki: Vec<u8>,
    /// issuerUniqueID and subjectUniqueID, as they stand; empty in practice.
    pub unique_ids: Vec<u8>,
    /// Extensions in order; none leaves the field out.
    pub extensions: Vec<Extension>,
}

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// extnID, with tag and length.
    pub oid: Vec<u8>,
    /// The critical flag.
    pub critical: bool,
    /// Content of the extnValue OCTET STRING.
    pub value: Vec<u8>,
}

/// A certificate, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The to-be-signed part.
    pub tbs: Tbs,
    /// The to-be-signed part as it stood.
    pub tbs_raw: Vec<u8>,
    /// The AlgorithmIdentifier beside the signature.
    pub signature_algorithm: Vec<u8>,
    /// The signature's octets.
    pub signature: Vec<u8>,
}

/// Why bytes are not a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Not DER, or another structure.
    #[error("not a certificate: {0}")]
    Der(#[from] DerError),
    /// Larger than any certificate that TLS could carry to a client in practice.
    #[error("certificate of {size} bytes: more than {limit} are not read")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// More extensions than anyone writes.
    #[error("more than {limit} extensions")]
    TooManyExtensions {
        /// The limit.
        limit: usize,
    },
}

impl Parsed {
    /// Reads a certificate; tolerant of whatever does not keep its parts from being told apart.
    pub fn read(der: &[u8]) -> Result<Self, ReadError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(ReadError::TooLarge { size: der.len(), limit: MAX_CERTIFICATE });
        }
        let mut outer = Reader::new(der, "certificate");
        let certificate = outer.expect(tag::SEQUENCE)?;
        outer.end()?;
        let mut fields = certificate.inside("certificate");
        let tbs = fields.expect(tag::SEQUENCE)?;
        let algorithm = fields.expect(tag::SEQUENCE)?;
        let signature = fields.expect(tag::BIT_STRING)?;
        fields.end()?;
        Ok(Self {
            tbs: Tbs::read(tbs.raw)?,
            tbs_raw: tbs.raw.to_vec(),
            signature_algorithm: algorithm.raw.to_vec(),
            signature: signature.content.get(1..).unwrap_or_default().to_vec(),
        })
    }
}

impl Tbs {
    /// Reads a to-be-signed part.
    pub fn read(der: &[u8]) -> Result<Self, ReadError> {
        let mut outer = Reader::new(der, "to-be-signed part");
        let body = outer.expect(tag::SEQUENCE)?;
        outer.end()?;
        let mut fields = body.inside("to-be-signed part");
        let version = match fields.optional(tag::constructed(0))? {
            Some(version) => version.inside("version").expect(tag::INTEGER)?.content.last().copied().unwrap_or(0),
            None => 0,
        };
        let serial = fields.expect(tag::INTEGER)?.content.to_vec();
        let signature = fields.expect(tag::SEQUENCE)?.raw.to_vec();
        let issuer = fields.expect(tag::SEQUENCE)?.raw.to_vec();
        let mut validity = fields.expect(tag::SEQUENCE)?.inside("validity");
        let (not_before, not_after) = (validity.any()?.raw.to_vec(), validity.any()?.raw.to_vec());
        let subject = fields.expect(tag::SEQUENCE)?.raw.to_vec();
        let spki = fields.expect(tag::SEQUENCE)?.raw.to_vec();
        let mut unique_ids = Vec::new();
        let mut extensions = Vec::new();
        while !fields.is_empty() {
            let field = fields.any()?;
            match field.tag {
                tag if tag == tag::constructed(3) => extensions = read_extensions(field.content)?,
                _ => unique_ids.extend_from_slice(field.raw),
            }
        }
        Ok(Self { version, serial, signature, issuer, not_before, not_after, subject, spki, unique_ids, extensions })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let version = match self.version {
            0 => Vec::new(), // DEFAULT v1 is not encoded (X.690 section 11.5)
            version => der::value(tag::constructed(0), &der::integer_raw(&[version])),
        };
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            list => {
                let parts: Vec<Vec<u8>> = list.iter().map(Extension::write).collect();
                let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                der::value(tag::constructed(3), &der::sequence(&slices))
            }
        };
        let validity = der::sequence(&[&self.not_before, &self.not_after]);
        der::sequence(&[
            &version,
            &der::integer_raw(&self.serial),
            &self.signature,
            &self.issuer,
            &validity,
            &self.subject,
            &self.spki,
            &self.unique_ids,
            &extensions,
        ])
    }

    /// Writes it and signs it: the certificate. The inner and the outer algorithm become the one of key and digest.
    pub fn sign(mut self, key: &Key, digest: Digest) -> Result<CertificateDer<'static>, KeyError> {
        let algorithm = key.signature_algorithm(digest);
        self.signature.clone_from(&algorithm);
        let tbs = self.write();
        let signature = key.sign(digest, &tbs)?;
        Ok(CertificateDer::from(der::sequence(&[&tbs, &algorithm, &der::bit_string(&signature)])))
    }

    /// The first extension with this identifier (whole OID value).
    pub fn extension(&self, oid: &[u8]) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }
}

impl Extension {
    fn write(&self) -> Vec<u8> {
        let critical = if self.critical { der::boolean_true() } else { Vec::new() };
        der::sequence(&[&self.oid, &critical, &der::octet_string(&self.value)])
    }
}

fn read_extensions(content: &[u8]) -> Result<Vec<Extension>, ReadError> {
    let mut outer = Reader::new(content, "extensions");
    let list = outer.expect(tag::SEQUENCE)?;
    outer.end()?;
    let mut items = list.inside("extensions");
    let mut extensions = Vec::new();
    while !items.is_empty() {
        if extensions.len() == MAX_EXTENSIONS {
            return Err(ReadError::TooManyExtensions { limit: MAX_EXTENSIONS });
        }
        let mut fields = items.expect(tag::SEQUENCE)?.inside("extension");
        let oid = fields.expect(tag::OID)?.raw.to_vec();
        let critical = fields.optional(tag::BOOLEAN)?.is_some_and(|flag| flag.content.first().is_some_and(|&b| b != 0));
        let value = fields.expect(tag::OCTET_STRING)?.content.to_vec();
        extensions.push(Extension { oid, critical, value });
    }
    Ok(extensions)
}

/// OpenSSL's default limit for a peer's whole certificate list is 100 KiB (`SSL_MAX_CERT_LIST_DEFAULT`); ten thousand
/// names need some 500 KiB. Beyond 2 MiB no client takes part in any experiment.
const MAX_CERTIFICATE: usize = 2 << 20;

/// Real certificates have about ten.
const MAX_EXTENSIONS: usize = 1000;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn any_value(tag: u8) -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..40).prop_map(move |content| der::value(tag, &content))
    }

    fn any_extension() -> impl Strategy<Value = Extension> {
        (any_value(tag::OID), any::<bool>(), vec(any::<u8>(), 0..300)).prop_map(|(oid, critical, value)| Extension {
            oid,
            critical,
            value,
        })
    }

    prop_compose! {
        fn any_tbs()(
            version in 0u8..128,
            serial in vec(any::<u8>(), 0..30),
            signature in any_value(tag::SEQUENCE),
            issuer in any_value(tag::SEQUENCE),
            not_before in any_value(tag::UTC_TIME),
            not_after in any_value(tag::GENERALIZED_TIME),
            subject in any_value(tag::SEQUENCE),
            spki in any_value(tag::SEQUENCE),
            unique_ids in prop_oneof![Just(Vec::new()), any_value(tag::context(1)), any_value(tag::context(2))],
            extensions in vec(any_extension(), 0..20),
        ) -> Tbs {
            Tbs { version, serial, signature, issuer, not_before, not_after, subject, spki, unique_ids, extensions }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tbs in any_tbs()) {
            prop_assert_eq!(Tbs::read(&tbs.write()), Ok(tbs));
        }

        #[test]
        fn noise_is_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..400)) {
            let _ = Parsed::read(&bytes);
        }

        #[test]
        fn a_damaged_certificate_is_no_panic(tbs in any_tbs(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut der = der::sequence(&[&tbs.write(), &der::sequence(&[]), &der::bit_string(&[1, 2, 3])]);
            prop_assert!(Parsed::read(&der).is_ok());
            let place = at.index(der.len());
            der[place] = byte;
            let _ = Parsed::read(&der);
            let short = cut.index(der.len());
            prop_assert!(Parsed::read(&der[..short]).is_err());
        }
    }

    #[test]
    fn limits_hold() {
        let big = der::value(tag::SEQUENCE, &vec![0; MAX_CERTIFICATE]);
        assert!(matches!(Parsed::read(&big), Err(ReadError::TooLarge { .. })));
        let one = Extension { oid: der::oid(&[2, 5, 29, 17]), critical: false, value: vec![] };
        let empty = || der::sequence(&[]);
        let time = der::value(tag::UTC_TIME, b"700101000000Z");
        let tbs = Tbs {
            version: 2,
            serial: vec![1],
            signature: empty(),
            issuer: empty(),
            not_before: time.clone(),
            not_after: time,
            subject: empty(),
            spki: empty(),
            unique_ids: vec![],
            extensions: vec![one; MAX_EXTENSIONS + 1],
        };
        assert_eq!(Tbs::read(&tbs.write()), Err(ReadError::TooManyExtensions { limit: MAX_EXTENSIONS }));
    }
}
