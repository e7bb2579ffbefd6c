//! Issuing: a site of the world in, a chain with its key out, once per site. One arm per fault.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::authority::{self, Authority, Called, Validity};
use super::extension::{self, Validation};
use super::issued::{Issued, certificate_pem};
use super::key::Key;
use super::name::{Name, NameError};
use super::subject;
use crate::scenario::{Cert, Clock, Site};

/// Why a certificate could not be issued.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A name of the site cannot stand in a certificate.
    #[error("no certificate for site `{site}`: {source}")]
    Name {
        /// The site.
        site: String,
        /// What is wrong.
        source: NameError,
    },
    /// The certificate could not be built or signed.
    #[error("no certificate for `{what}`: {source}")]
    Build {
        /// Which certificate.
        what: String,
        /// What the builder said.
        source: rcgen::Error,
    },
    /// The key does not serve for TLS.
    #[error("the key for `{what}` is of no use to TLS: {source}")]
    Key {
        /// Which certificate.
        what: String,
        /// What rustls said.
        source: rustls::Error,
    },
    /// A PEM file of the scenario cannot be read.
    #[error("cannot read {what} from `{file}`: {reason}; give a PEM file")]
    File {
        /// Chain or key.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// The public PKI of a run.
#[derive(Debug)]
pub struct PublicPki {
    clock: Clock,
    provider: Arc<CryptoProvider>,
    root: Authority,
    ecdsa: Authority,
    rsa: OnceLock<Authority>,
    unknown: OnceLock<Authority>,
    cache: Mutex<HashMap<String, Arc<Issued>>>,
}

impl PublicPki {
    /// A new root and its first intermediate. `clock` is the scenario's.
    pub fn new(clock: &Clock) -> Result<Arc<Self>, PkiError> {
        let now = now(clock);
        let root = Authority::root(ROOT, now).map_err(building(ROOT.1))?;
        let key = Key::p256().map_err(building(ECDSA.1))?;
        let ecdsa = root.intermediate(ECDSA, key, now).map_err(building(ECDSA.1))?;
        Ok(Arc::new(Self {
            clock: clock.clone(),
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            root,
            ecdsa,
            rsa: OnceLock::new(),
            unknown: OnceLock::new(),
            cache: Mutex::default(),
        }))
    }

    /// The site's certificate with its fault, from the cache if it was issued before. The first RSA one takes some
    /// 200 ms; all others well under a millisecond.
    pub fn issue(&self, site: &Site) -> Result<Arc<Issued>, PkiError> {
        if let Some(issued) = self.issued(site) {
            return Ok(issued);
        }
        let issued = Arc::new(self.make(site)?);
        Ok(Arc::clone(self.cache().entry(cache_key(site)).or_insert(issued)))
    }

    /// The site's certificate, if it was issued before.
    pub fn issued(&self, site: &Site) -> Option<Arc<Issued>> {
        self.cache().get(&cache_key(site)).cloned()
    }

    /// Roots that everybody trusts, DER.
    pub fn roots_der(&self) -> Vec<CertificateDer<'static>> {
        vec![self.root.der().clone()]
    }

    /// Roots that everybody trusts, PEM.
    pub fn roots_pem(&self) -> String {
        certificate_pem(self.root.der())
    }

    /// The same for rustls.
    pub fn root_store(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.roots_der());
        Arc::new(store)
    }

    /// A verifier that trusts what everybody trusts.
    pub fn verifier(&self) -> Arc<WebPkiServerVerifier> {
        WebPkiServerVerifier::builder_with_provider(self.root_store(), Arc::clone(&self.provider))
            .build()
            .expect("the store holds the lab's root and no CRL is given")
    }

    /// The cryptography of the lab.
    pub fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    fn make(&self, site: &Site) -> Result<Issued, PkiError> {
        let what = site.names.first().cloned().unwrap_or_else(|| "a site without names".to_owned());
        let names = names_of(site, &what)?;
        match &site.cert {
            Cert::Good => self.leaf(&what, &names, self.valid(GOOD), &self.ecdsa),
            Cert::Expired => self.leaf(&what, &names, self.valid(EXPIRED), &self.ecdsa),
            Cert::NotYetValid => self.leaf(&what, &names, self.valid(NOT_YET), &self.ecdsa),
            Cert::WrongHost => self.leaf(&what, &[Name::Dns(WRONG_HOST.to_owned())], self.valid(GOOD), &self.ecdsa),
            Cert::UntrustedRoot => self.leaf(&what, &names, self.valid(GOOD), self.unknown(&what)?),
            Cert::GoodRsa => self.rsa_leaf(&what, &names),
            Cert::ExtendedValidation => self.extended(&what, &names),
            Cert::SelfSigned => self.self_signed(&what, &names),
            Cert::MissingIntermediate => {
                let whole = self.leaf(&what, &names, self.valid(GOOD), &self.ecdsa)?;
                Ok(Issued::new(vec![whole.leaf().clone()], Arc::clone(&whole.key.key), whole.key_pem()))
            }
            Cert::Files { chain, key } => from_files(&what, chain, key),
        }
    }

    fn leaf(&self, what: &str, names: &[Name], validity: Validity, by: &Authority) -> Result<Issued, PkiError> {
        let key = Key::p256().map_err(building(what))?;
        let params = leaf_params(subject::domain_validated(names), names, validity, &key, Validation::Domain);
        finish(what, params.map_err(building(what))?, &key, by)
    }

    fn rsa_leaf(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let key = Key::rsa2048().map_err(building(what))?;
        let params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &key, Validation::Domain);
        finish(what, params.map_err(building(what))?, &key, self.rsa(what)?)
    }

    fn extended(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let key = Key::p256().map_err(building(what))?;
        let params = leaf_params(subject::extended_validation(names), names, self.valid(GOOD), &key, Validation::Extended);
        finish(what, params.map_err(building(what))?, &key, &self.ecdsa)
    }

    fn self_signed(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let key = Key::p256().map_err(building(what))?;
        let params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &key, Validation::Domain)
            .map_err(building(what))?;
        let der = params.self_signed(&key).map_err(building(what))?.der().clone();
        Ok(Issued::new(vec![der], signer(what, &key)?, key.pem()))
    }

    fn rsa(&self, what: &str) -> Result<&Authority, PkiError> {
        if let Some(made) = self.rsa.get() {
            return Ok(made);
        }
        let key = Key::rsa2048().map_err(building(what))?;
        let made = self.root.intermediate(RSA, key, now(&self.clock)).map_err(building(what))?;
        Ok(self.rsa.get_or_init(|| made))
    }

    fn unknown(&self, what: &str) -> Result<&Authority, PkiError> {
        if let Some(made) = self.unknown.get() {
            return Ok(made);
        }
        let root = Authority::root(UNKNOWN_ROOT, now(&self.clock)).map_err(building(what))?;
        let key = Key::p256().map_err(building(what))?;
        let made = root.intermediate(UNKNOWN, key, now(&self.clock)).map_err(building(what))?;
        Ok(self.unknown.get_or_init(|| made))
    }

    fn valid(&self, (from, to): (i64, i64)) -> Validity {
        let now = now(&self.clock);
        (now + Duration::days(from), now + Duration::days(to))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Issued>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A site's names as a certificate carries them. A site without names is reached by address, and so certified.
fn names_of(site: &Site, what: &str) -> Result<Vec<Name>, PkiError> {
    if site.names.is_empty() {
        return Ok(site.addresses.iter().copied().map(Name::Ip).collect());
    }
    let parsed = site.names.iter().map(|name| Name::parse(name)).collect::<Result<Vec<_>, _>>();
    parsed.map_err(|source| PkiError::Name { site: what.to_owned(), source })
}

/// A leaf as public authorities issue it (RFC 5280; Baseline Requirements section 7.1.2.7).
fn leaf_params(
    subject: rcgen::DistinguishedName,
    names: &[Name],
    validity: Validity,
    key: &Key,
    validation: Validation,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = authority::params(subject, validity)?;
    params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if key.is_rsa() {
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.custom_extensions = vec![extension::policies(validation)];
    Ok(params)
}

fn alternative(name: &Name) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        Name::Ip(address) => SanType::IpAddress(*address),
    })
}

fn finish(what: &str, params: CertificateParams, key: &Key, by: &Authority) -> Result<Issued, PkiError> {
    let leaf = by.issue(params, key).map_err(building(what))?;
    Ok(Issued::new(vec![leaf, by.der().clone()], signer(what, key)?, key.pem()))
}

fn from_files(what: &str, chain: &Path, key: &Path) -> Result<Issued, PkiError> {
    let failed = |what, file: &Path, reason: String| PkiError::File { what, file: file.to_owned(), reason };
    let read = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|e| failed("a certificate chain", chain, e.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("a certificate chain", chain, "no certificate in it".to_owned()));
    }
    let text = std::fs::read_to_string(key).map(Zeroizing::new).map_err(|e| failed("a private key", key, e.to_string()))?;
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| failed("a private key", key, e.to_string()))?;
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
        .map_err(|source| PkiError::Key { what: what.to_owned(), source })?;
    Ok(Issued::new(certificates, signer, text))
}

fn signer(what: &str, key: &Key) -> Result<Arc<dyn rustls::sign::SigningKey>, PkiError> {
    key.signer().map_err(|source| PkiError::Key { what: what.to_owned(), source })
}

fn building(what: &str) -> impl Fn(rcgen::Error) -> PkiError + '_ {
    move |source| PkiError::Build { what: what.to_owned(), source }
}

/// Two sites with the same names and the same fault show the same certificate.
fn cache_key(site: &Site) -> String {
    format!("{:?} {:?} {:?}", site.names, site.addresses, site.cert)
}

/// The scenario's "now" in the time by which clients judge.
fn now(clock: &Clock) -> OffsetDateTime {
    clock.to_machine(clock.now())
}

const ROOT: Called = ("root", "mitmlab Public Root");
const ECDSA: Called = ("e1", "mitmlab Public CA E1");
const RSA: Called = ("r1", "mitmlab Public CA R1");
const UNKNOWN_ROOT: Called = ("unknown-root", "mitmlab Unknown Root");
const UNKNOWN: Called = ("unknown", "mitmlab Unknown CA");
/// `.invalid` is never a real host (RFC 6761 section 6.4).
const WRONG_HOST: &str = "another-host.invalid";
/// Days before and after now: 90 in all, as the most used public authority issues.
const GOOD: (i64, i64) = (-30, 60);
const EXPIRED: (i64, i64) = (-91, -1);
const NOT_YET: (i64, i64) = (1, 91);
