//! Issuing: a site of the world in, a chain with its key out, once per site. One arm per fault.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::authority::{self, Authority, Called, Fresh, Validity};
use super::error::{PkiError, building};
use super::extension::{self, Validation};
use super::issued::{Issued, certificate_pem};
use super::key::Key;
use super::logs::Logs;
use super::name::{self, Name};
use super::subject;
use crate::scenario::{Cert, Clock, Site};
use crate::x509::extension::IssuerFacts;
use crate::x509::ocsp;

mod faulty;

/// The public PKI of a run.
#[derive(Debug)]
pub struct PublicPki {
    clock: Clock,
    provider: Arc<CryptoProvider>,
    logs: Logs,
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
            logs: Logs::new().map_err(building("the logs"))?,
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

    /// The list of the lab's transparency logs, in version 3 of the browsers' JSON form.
    pub fn log_list(&self) -> String {
        format!("{:#}\n", self.logs.list(self.now()))
    }

    /// SHA-256 of the SubjectPublicKeyInfo of the site's leaf, then of its issuer: what an app may pin, in base64. The site
    /// of several certificates has the pins of all of them.
    pub fn pins(&self, site: &Site) -> Result<Vec<String>, PkiError> {
        let mut pins = Vec::new();
        for site in several(site) {
            for certificate in &self.issue(&site)?.chain {
                let Ok(read) = crate::x509::tbs::Parsed::read(certificate) else { continue };
                let pin = base64::engine::general_purpose::STANDARD.encode(crate::x509::key::sha256(&read.tbs.spki));
                if !pins.contains(&pin) {
                    pins.push(pin);
                }
            }
        }
        Ok(pins)
    }

    /// The authorities that have been made so far.
    pub(super) fn authorities(&self) -> impl Iterator<Item = &Authority> {
        [&self.root, &self.ecdsa].into_iter().chain(self.rsa.get()).chain(self.unknown.get())
    }

    /// The scenario's "now" in the time by which clients judge.
    pub(super) fn now(&self) -> OffsetDateTime {
        now(&self.clock)
    }

    fn make(&self, site: &Site) -> Result<Issued, PkiError> {
        let what = site.names.first().cloned().unwrap_or_else(|| "a site without names".to_owned());
        let names = names_of(site, &what)?;
        let domain = Leaf { names: &names, days: GOOD, staple: true, ..Leaf::default() };
        match &site.cert {
            Cert::Good | Cert::Cdn => self.leaf(&what, domain),
            Cert::Rotated => self.leaf(&what, Leaf { days: RENEWED, ..domain }),
            Cert::GoodRsa | Cert::OtherAuthority => self.leaf(&what, Leaf { kind: Kind::Rsa, ..domain }),
            Cert::ExtendedValidation => self.leaf(&what, Leaf { validation: Validation::Extended, ..domain }),
            Cert::MustStaple => self.leaf(&what, Leaf { must_staple: true, ..domain }),
            Cert::Wildcard => self.leaf(&what, Leaf { names: &name::wildcards(&names), ..domain }),
            Cert::ManyNames => self.leaf(&what, Leaf { names: &name::among_many(&names), ..domain }),
            Cert::Expired => self.leaf(&what, Leaf { days: EXPIRED, staple: false, ..domain }),
            Cert::NotYetValid => self.leaf(&what, Leaf { days: NOT_YET, staple: false, ..domain }),
            Cert::WrongHost => self.leaf(&what, Leaf { names: &[Name::Dns(WRONG_HOST.to_owned())], ..domain }),
            Cert::UntrustedRoot => self.leaf(&what, Leaf { kind: Kind::Unknown, ..domain }),
            Cert::Revoked => self.leaf(&what, Leaf { revoked: true, staple: false, ..domain }),
            Cert::RevokedStaple => self.leaf(&what, Leaf { revoked: true, ..domain }),
            Cert::WithoutTimestamps => self.leaf(&what, Leaf { logged: false, ..domain }),
            Cert::SmallKey => self.leaf(&what, Leaf { kind: Kind::SmallRsa, ..domain }),
            Cert::Namesake => self.namesake(&what, &names),
            Cert::ReplacedKey => self.replaced_key(&what, domain),
            Cert::SignedByLeaf => self.signed_by_leaf(&what, &names),
            Cert::ClientOnly => self.client_only(&what, &names),
            Cert::BeyondConstraints => self.beyond_constraints(&what, &names),
            Cert::Sha1 => self.sha1(&what, &names),
            Cert::SelfSigned => self.self_signed(&what, &names),
            Cert::MissingIntermediate => {
                let whole = self.leaf(&what, domain)?;
                Ok(Issued::new(vec![whole.leaf().clone()], Arc::clone(&whole.key.key), whole.key_pem()))
            }
            Cert::Files { chain, key } => from_files(&what, chain, key),
        }
    }

    /// Issues a leaf, has it logged, and asks for the response that its server staples.
    fn leaf(&self, what: &str, leaf: Leaf<'_>) -> Result<Issued, PkiError> {
        let (key, by) = match leaf.kind {
            Kind::Ecdsa => (Key::p256(), &self.ecdsa),
            Kind::SmallRsa => (Key::rsa1024(), &self.ecdsa),
            Kind::Rsa => (Key::rsa2048(), self.rsa(what)?),
            Kind::Unknown => (Key::p256(), self.unknown(what)?),
        };
        let key = key.map_err(building(what))?;
        let mut params =
            leaf_params(leaf.subject(), leaf.names, self.valid(leaf.days), &key, leaf.validation).map_err(building(what))?;
        if leaf.must_staple {
            params.custom_extensions.push(extension::must_staple());
        }
        // No public log takes what no known root has signed.
        let logs = if leaf.kind == Kind::Unknown || !leaf.logged { &[] } else { self.logs.all() };
        let Fresh { der, serial } = by.issue(params, &key, logs).map_err(building(what))?;
        if leaf.revoked {
            by.revoke(&serial, self.now() - Duration::DAY);
        }
        let issued = Issued::new(vec![der, by.der().clone()], key.signer(), key.pem());
        if !leaf.staple {
            return Ok(issued);
        }
        let facts =
            IssuerFacts { subject: by.subject().to_vec(), issuer: Vec::new(), serial: Vec::new(), key_id: by.key().x509().id() };
        let answer = (ocsp::CertId::of(&facts, &serial), by.status(&serial));
        let response = ocsp::response(by.key().x509(), &[answer], None, self.now()).map_err(building(what))?;
        Ok(issued.stapled(response))
    }

    fn self_signed(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let key = Key::p256().map_err(building(what))?;
        let params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &key, Validation::Domain)
            .map_err(building(what))?;
        let der = params.self_signed(&key).map_err(building(what))?.der().clone();
        Ok(Issued::new(vec![der], key.signer(), key.pem()))
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

/// A leaf to be issued.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    names: &'a [Name],
    /// Days before and after now.
    days: (i64, i64),
    kind: Kind,
    validation: Validation,
    must_staple: bool,
    revoked: bool,
    /// Logs have timestamped it.
    logged: bool,
    /// Its server staples an OCSP response.
    staple: bool,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self {
            names: &[],
            days: GOOD,
            kind: Kind::Ecdsa,
            validation: Validation::Domain,
            must_staple: false,
            revoked: false,
            logged: true,
            staple: false,
        }
    }
}

impl Leaf<'_> {
    fn subject(&self) -> rcgen::DistinguishedName {
        match self.validation {
            Validation::Domain => subject::domain_validated(self.names),
            Validation::Extended => subject::extended_validation(self.names),
        }
    }
}

/// By which authority, and with which key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ecdsa,
    Rsa,
    /// With few bits.
    SmallRsa,
    /// By a root that nobody trusts.
    Unknown,
}

/// The certificates that a site shows in turn, as sites with one each.
fn several(site: &Site) -> Vec<Site> {
    let with = |cert: Cert| Site { cert, ..site.clone() };
    match &site.cert {
        Cert::Rotated => vec![with(Cert::Good), with(Cert::Rotated)],
        Cert::Cdn => vec![with(Cert::Good), with(Cert::GoodRsa)],
        _ => vec![site.clone()],
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

/// Two sites with the same names and the same fault show the same certificate.
fn cache_key(site: &Site) -> String {
    let cert = if site.cert == Cert::Cdn { &Cert::Good } else { &site.cert }; // one of its two is the common one
    format!("{:?} {:?} {cert:?}", site.names, site.addresses)
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
/// The certificate that took the place of one of [`GOOD`].
const RENEWED: (i64, i64) = (-2, 88);
const EXPIRED: (i64, i64) = (-91, -1);
const NOT_YET: (i64, i64) = (1, 91);
