//! OpenSSL's hashed certificate directory: files named `<hash of the subject>.<n>` (`man openssl-rehash`).
//!
//! Programs that look roots up in the directory, and never read the bundle, find them only here (node's `--use-openssl-ca`
//! and bun were measured to). The bundle lies beside the hashes under its usual names.

use std::collections::HashMap;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use super::name::subject_hash;
use super::{TrustError, pem};

/// Writes the directory: one file for each certificate, and the bundle under its usual names.
pub(super) fn write(
    dir: &Path,
    parsed: &[X509Certificate<'_>],
    all: &[CertificateDer<'_>],
    bundle: &str,
) -> Result<(), TrustError> {
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for (parsed, der) in parsed.iter().zip(all) {
        let hash = subject_hash(parsed.subject());
        let number = seen.entry(hash).or_default();
        super::write(&dir.join(format!("{hash:08x}.{number}")), pem(der).as_bytes())?;
        *number += 1;
    }
    BUNDLE_NAMES.iter().try_for_each(|name| super::write(&dir.join(name), bundle.as_bytes()))
}

/// `ca-certificates.crt`: Debian and its kin; `ca-bundle.crt`: Red Hat and its kin.
const BUNDLE_NAMES: [&str; 2] = ["ca-certificates.crt", "ca-bundle.crt"];
