//! Certificates as octets: read and written field by field, for the genuine PKI and the forger alike.
//!
//! ```text
//!  octets ──► der ──► tbs (parts, each as it stood) ──► describe (words)
//!  words, name, extension, dates, oid ──► tbs ──► key ──► octets ──► pem
//!                         sct, ocsp, crl ──► key ──► octets
//! ```
//!
//! - [`der`], [`tbs`], [`oid`], [`name`], [`dates`], [`extension`], [`words`]: the writer and reader
//! - [`key`]: keys of every kind the field has seen
//! - [`sct`], [`ocsp`], [`crl`]: what is said about a certificate by others, signed
//! - [`describe`], [`pem`]: for people, for files
//!
//! Nothing here decides what a certificate should say, opens a socket or writes a file.

pub mod crl;
pub mod dates;
pub mod der;
pub mod describe;
pub mod extension;
pub mod key;
pub mod name;
pub mod ocsp;
pub mod oid;
pub mod pem;
pub mod sct;
pub mod tbs;
pub mod words;
