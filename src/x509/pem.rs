//! Certificates from and to PEM (RFC 7468), with errors that a user can act on.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};
use thiserror::Error;

use super::tbs::{Parsed, ReadError};

/// Why a file gave no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// More bytes than any chain has.
    #[error("`{}` has more than {limit} bytes: not read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Nothing in it looks like a certificate.
    #[error("no certificate in `{}`\nhint: a PEM file with `-----BEGIN CERTIFICATE-----`, or DER", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
    /// The armour is damaged.
    #[error("PEM in `{}` is damaged: {why}", path.display())]
    Armour {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The armour is whole, its content is no certificate.
    #[error("certificate {number} in `{}`: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong.
        error: ReadError,
    },
}

/// All certificates of a PEM file, or the one of a DER file; of standard input if the path is `-`. Never empty; each has been read once.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = read_file(path)?;
    let chain = if bytes.first() == Some(&0x30) { vec![CertificateDer::from(bytes)] } else { armoured(path, &bytes)? };
    for (at, certificate) in chain.iter().enumerate() {
        Parsed::read(certificate).map_err(|error| PemError::Content { path: path.to_owned(), number: at + 1, error })?;
    }
    if chain.is_empty() { Err(PemError::None { path: path.to_owned() }) } else { Ok(chain) }
}

/// One certificate in PEM.
pub fn write(certificate: &CertificateDer<'_>) -> String {
    let body = STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn read_file(path: &Path) -> Result<Vec<u8>, PemError> {
    let unreadable = |e: std::io::Error| PemError::Unreadable { path: path.to_owned(), why: e.to_string() };
    let input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(path).map_err(unreadable)?),
    };
    let mut bytes = Vec::new();
    input.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE { Err(PemError::TooLarge { path: path.to_owned(), limit: MAX_FILE }) } else { Ok(bytes) }
}

fn armoured(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let damaged = |e| PemError::Armour { path: path.to_owned(), why: in_words(&e) };
    CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(damaged)
}

/// The library shows octets as numbers.
fn in_words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it ends before its `-----END` line".to_owned(),
        pem::Error::IllegalSectionStart { line } => format!("`{}` begins nothing", line.escape_ascii()),
        other => other.to_string(),
    }
}

/// Armour adds a third to 2 MiB of certificate; a chain has some more.
const MAX_FILE: u64 = 8 << 20;
