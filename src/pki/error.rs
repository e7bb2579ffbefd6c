//! Why a certificate could not be issued.

use std::path::PathBuf;

use thiserror::Error;

use super::name::NameError;
use crate::x509::key::KeyError;
use crate::x509::tbs::ReadError;

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
        source: BuildError,
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

/// What the builder or the signer said.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The builder.
    #[error(transparent)]
    Builder(#[from] rcgen::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The builder's own certificate could not be read back.
    #[error("the builder's certificate cannot be read: {0}")]
    Read(#[from] ReadError),
}

/// Tells for which certificate it was.
pub(super) fn building<E: Into<BuildError>>(what: &str) -> impl Fn(E) -> PkiError + '_ {
    move |source| PkiError::Build { what: what.to_owned(), source: source.into() }
}
