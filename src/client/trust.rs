//! The trust store of one leg, in every form that a program may read. Certificates only: no key ever comes here.
//!
//! A store lies in a private directory of the run (mode 0700), never in a place of the system. What it holds *replaces*
//! the machine's roots: the lab's public roots, and the authority's root where the leg says that it is installed.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;

use crate::scenario::Trust;

mod hashed;
mod java;
pub mod name;
mod nss;
mod policy;

pub use nss::NssError;

/// A trust store on disk.
#[derive(Clone, Debug)]
pub struct TrustStore {
    /// The directory that holds all of it.
    pub dir: PathBuf,
    /// PEM bundle.
    pub bundle: PathBuf,
    /// Directory in OpenSSL's hashed form, with the bundle beside the hashes (`ca-certificates.crt`, `ca-bundle.crt`) and
    /// `java/cacerts`: fit to lie over `/etc/ssl/certs`.
    pub hashed: PathBuf,
    /// PKCS #12 trust store for Java, password [`JAVA_PASSWORD`].
    pub pkcs12: PathBuf,
    /// The same as JKS, for places where an old Java expects it.
    pub jks: PathBuf,
    /// The public roots without the authority: what a program knows from the vendor, whatever was installed since.
    pub public_roots: PathBuf,
    /// SHA-256 of blocked SubjectPublicKeyInfos, one base64 word a line. Empty if no authority was given.
    pub blocklist: PathBuf,
    /// Tree with Chromium's managed policy in `policies/managed`.
    pub chromium_policy: PathBuf,
    /// The same, with the authority on Chromium's list of distrusted certificates.
    pub chromium_policy_blocked: PathBuf,
    /// Tree with Firefox's `policies/policies.json`.
    pub firefox_policy: PathBuf,
    /// Home directory with an NSS database in `.pki/nssdb`, if one was made ([`TrustStore::write_nss`]).
    pub nss_home: Option<PathBuf>,
    /// Where the files of one leg go: configuration, caches, browser profiles ([`TrustStore::in_leg`]).
    pub leg_dir: PathBuf,
    /// Number of certificates in it.
    pub count: usize,
    /// No root was given: the store holds one placeholder whose key is gone ([`TrustStore::write`]).
    pub placeholder: bool,
}

/// Why a trust store could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The disk said no.
    #[error("cannot write trust store `{path}`: {source}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A root is no certificate.
    #[error("root number {number} is no X.509 certificate: {reason}")]
    NotACertificate {
        /// Position among the roots, the authority last.
        number: usize,
        /// What the parser said.
        reason: String,
    },
    /// The placeholder of an empty store could not be made.
    #[error("cannot make the placeholder of an empty trust store: {0}")]
    Placeholder(#[from] rcgen::Error),
}

/// The password of the Java stores: Java's own default, known to everybody. It protects nothing and is not meant to.
pub const JAVA_PASSWORD: &str = "changeit";

impl TrustStore {
    /// Writes the store for what a leg trusts: picks from `roots` and `authority` what `trust` says.
    pub fn for_trust(
        dir: &Path,
        trust: Trust,
        roots: &[CertificateDer<'_>],
        authority: Option<&CertificateDer<'_>>,
    ) -> Result<Self, TrustError> {
        match trust {
            Trust::None => Self::write(dir, &[], None),
            Trust::Web => Self::write(dir, roots, None),
            Trust::WebAuthority | Trust::WebAuthorityBlocklist => Self::write(dir, roots, authority),
        }
    }

    /// The same for several roots of authorities (a family, or one for each phase): `installed` are in the store where the
    /// trust says so, `listed` are those whose keys the vendors blocked.
    pub fn for_authorities(
        dir: &Path,
        trust: Trust,
        roots: &[CertificateDer<'_>],
        installed: &[CertificateDer<'_>],
        listed: &[CertificateDer<'_>],
    ) -> Result<Self, TrustError> {
        match trust {
            Trust::None => Self::write_all(dir, &[], &[], &[]),
            Trust::Web => Self::write_all(dir, roots, &[], &[]),
            Trust::WebAuthority | Trust::WebAuthorityBlocklist => Self::write_all(dir, roots, installed, listed),
        }
    }

    /// Writes a store that holds `roots` and, if given, the authority's root. The directory is made (0700) if need be.
    ///
    /// A store without any root gets one placeholder certificate, because an empty bundle is an error to many programs:
    /// curl ends with code 77 before it dials, and would look like a client that refused. The placeholder's key is
    /// dropped here, so nothing that it signed can exist.
    pub fn write(dir: &Path, roots: &[CertificateDer<'_>], authority: Option<&CertificateDer<'_>>) -> Result<Self, TrustError> {
        let authority = authority.map(std::slice::from_ref).unwrap_or_default();
        Self::write_all(dir, roots, authority, authority)
    }

    fn write_all(
        dir: &Path,
        roots: &[CertificateDer<'_>],
        installed: &[CertificateDer<'_>],
        listed: &[CertificateDer<'_>],
    ) -> Result<Self, TrustError> {
        let mut all: Vec<CertificateDer<'_>> = roots.iter().chain(installed).map(|c| CertificateDer::from(c.as_ref())).collect();
        let placeholder = all.is_empty();
        if placeholder {
            all.push(placeholder_root()?);
        }
        let parsed = parse(&all)?;
        let store = Self::at(dir, all.len(), placeholder);
        private_dir(dir)?;

        let bundle = pem_bundle(&all);
        write(&store.bundle, bundle.as_bytes())?;
        write(&store.public_roots, pem_bundle(if roots.is_empty() { &all } else { roots }).as_bytes())?;
        hashed::write(&store.hashed, &parsed, &all, &bundle)?;
        let jks = java::jks(&all, JAVA_PASSWORD);
        write(&store.jks, &jks)?;
        write(&store.hashed.join("java/cacerts"), &jks)?;
        write(&store.pkcs12, &java::pkcs12(&all, JAVA_PASSWORD))?;
        write(&store.blocklist, blocklist(listed)?.as_bytes())?;
        write(&store.chromium_policy.join(policy::CHROMIUM_FILE), policy::chromium(&all, &[]).as_bytes())?;
        write(&store.chromium_policy_blocked.join(policy::CHROMIUM_FILE), policy::chromium(&all, listed).as_bytes())?;
        write(&store.firefox_policy.join("policies/policies.json"), policy::firefox(&store.bundle_parts(&all)?).as_bytes())?;
        Ok(store)
    }

    /// Makes an NSS database (for Chromium, and programs on libnss) in the leg's own home: a browser keeps more there than roots,
    /// and two of them in one home disturb each other. `Ok(false)` if there is no `certutil`.
    pub async fn write_nss(&mut self) -> Result<bool, NssError> {
        let home = self.leg_dir.join("home");
        let made = nss::write(&home.join(nss::IN_HOME), &self.parts()).await?;
        self.nss_home = made.then_some(home);
        Ok(made)
    }

    /// The same store for another leg: what a program keeps (profiles, caches) stays apart in `dir`.
    pub fn in_leg(&self, dir: PathBuf) -> Self {
        Self { leg_dir: dir, ..self.clone() }
    }

    fn at(dir: &Path, count: usize, placeholder: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            bundle: dir.join("ca.pem"),
            hashed: dir.join("certs"),
            pkcs12: dir.join("cacerts.p12"),
            jks: dir.join("cacerts.jks"),
            public_roots: dir.join("public-roots.pem"),
            blocklist: dir.join("blocklist.txt"),
            chromium_policy: dir.join("chromium"),
            chromium_policy_blocked: dir.join("chromium-blocked"),
            firefox_policy: dir.join("firefox"),
            nss_home: None,
            leg_dir: dir.join("leg"),
            count,
            placeholder,
        }
    }

    /// One PEM file for each certificate: Firefox's policy and `certutil` read one at a time.
    fn parts(&self) -> Vec<PathBuf> {
        (0..self.count).map(|n| self.dir.join(format!("roots/{n}.pem"))).collect()
    }

    fn bundle_parts(&self, all: &[CertificateDer<'_>]) -> Result<Vec<PathBuf>, TrustError> {
        let parts = self.parts();
        for (path, certificate) in parts.iter().zip(all) {
            write(path, pem(certificate).as_bytes())?;
        }
        Ok(parts)
    }
}

/// A pin without the prefix that some tools write: `sha256/` (OkHttp) or `sha256//` (curl). A digest may itself begin with a
/// slash, so its length decides.
pub fn bare_pin(pin: &str) -> &str {
    const DIGEST: usize = 44; // 32 octets in base64
    let bare = pin.len().checked_sub(DIGEST).and_then(|at| pin.split_at_checked(at));
    bare.filter(|(prefix, _)| ["sha256/", "sha256//"].contains(prefix)).map_or(pin, |(_, digest)| digest)
}

/// SHA-256 of the certificate's SubjectPublicKeyInfo, base64: the form of pins and of the block list.
pub fn spki_pin(certificate: &CertificateDer<'_>) -> Result<String, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|e| e.to_string())?;
    Ok(STANDARD.encode(digest(&SHA256, parsed.public_key().raw)))
}

/// One certificate in PEM (RFC 7468).
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = STANDARD.encode(certificate);
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 60);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn pem_bundle(certificates: &[CertificateDer<'_>]) -> String {
    certificates.iter().map(pem).collect()
}

fn parse<'a>(all: &'a [CertificateDer<'_>]) -> Result<Vec<x509_parser::certificate::X509Certificate<'a>>, TrustError> {
    all.iter()
        .enumerate()
        .map(|(number, der)| {
            x509_parser::parse_x509_certificate(der)
                .map(|(_, parsed)| parsed)
                .map_err(|e| TrustError::NotACertificate { number, reason: e.to_string() })
        })
        .collect()
}

/// A block list of keys: one base64 SHA-256 of a SubjectPublicKeyInfo a line.
///
/// # Errors
/// [`TrustError::NotACertificate`].
pub fn blocklist(listed: &[CertificateDer<'_>]) -> Result<String, TrustError> {
    let mut text = String::from("# SHA-256 of blocked SubjectPublicKeyInfos, base64\n");
    for (number, root) in listed.iter().enumerate() {
        text.push_str(&spki_pin(root).map_err(|reason| TrustError::NotACertificate { number, reason })?);
        text.push('\n');
    }
    Ok(text)
}

fn placeholder_root() -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "mitmlab placeholder: this store trusts nothing");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    Ok(params.self_signed(&rcgen::KeyPair::generate()?)?.der().clone())
}

fn private_dir(dir: &Path) -> Result<(), TrustError> {
    let failed = |source| TrustError::Write { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    let failed = |source| TrustError::Write { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_may_begin_with_a_slash() {
        let (plain, slash) = ("7oDpGjm0Ue0vHZYyvsu1HVGIOgrbRUjsh0JbmXhHxXU=", "/UzNwWfrCfCUVvIjBFFlZI8OpXMH8LwbgJvmpyUK1og=");
        for digest in [plain, slash] {
            for prefix in ["", "sha256/", "sha256//"] {
                assert_eq!(bare_pin(&format!("{prefix}{digest}")), digest);
            }
        }
        assert_eq!(bare_pin("sha1/abc"), "sha1/abc", "what is no such pin is equal to none");
    }

    #[test]
    fn an_empty_store_holds_a_placeholder_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("trust");
        let store = TrustStore::write(&at, &[], None).unwrap();
        assert!(store.placeholder);
        assert_eq!(std::fs::read_to_string(&store.bundle).unwrap().matches("BEGIN").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn the_authority_is_in_the_store_and_on_the_blocklist_but_no_public_root() {
        let dir = tempfile::tempdir().unwrap();
        let (web, authority) = (placeholder_root().unwrap(), placeholder_root().unwrap());
        let store = TrustStore::for_trust(dir.path(), Trust::WebAuthority, &[web], Some(&authority)).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert!(read(&store.bundle).contains(&pem(&authority)));
        assert!(!read(&store.public_roots).contains(&pem(&authority)));
        assert!(read(&store.blocklist).contains(&spki_pin(&authority).unwrap()));
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = TrustStore::write(dir.path(), &[CertificateDer::from(vec![0x30, 0x03, 1])], None).unwrap_err();
        assert!(matches!(error, TrustError::NotACertificate { number: 0, .. }));
    }
}
