//! How the box makes a certificate: from a genuine one and a profile, octet by octet.
//!
//! ```text
//!  certs/*.toml ──► Profile ──► Authority (roots, intermediates, fresh keys) ─┐
//!  genuine leaf ──► Parsed (slices) ──► Making (field by field) ──► Tbs ──► sign ──► Forged
//!                                          KeySupply (warm keys) ─┘
//! ```
//!
//! - [`profile`]: recipes, with what each field rests on
//! - [`der`], [`tbs`], [`oid`], [`name`], [`dates`], [`extension`]: the writer and reader
//! - [`key`], [`supply`]: keys of every kind the field has seen, and a shelf of fresh ones
//! - [`sct`], [`ocsp`]: what a stealthy forger adds
//! - [`describe`], [`diff`], [`explain`]: certificates in words, side by side, with the reasons
//! - [`pem`], [`blocklist`]: files in and out, the vendors' answer
//!
//! Keys live in memory only and die with the [`Forger`]. Nothing here opens a socket or writes a file.

pub mod blocklist;
pub mod dates;
pub mod der;
pub mod describe;
pub mod diff;
pub mod explain;
pub mod extension;
pub mod key;
pub mod name;
pub mod ocsp;
pub mod oid;
pub mod pem;
pub mod profile;
pub mod sct;
pub mod supply;
pub mod tbs;

mod authority;
mod cache;
mod error;
mod fault;
mod forger;
mod host;
mod leaf;

pub use dates::Dates;
pub use error::ForgeError;
pub use fault::OriginFault;
pub use forger::{Forged, Forger, Options};
pub use profile::{Profile, ProfileError, profiles};
