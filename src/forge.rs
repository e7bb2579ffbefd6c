//! How the box makes a certificate: from a genuine one and a profile, octet by octet.
//!
//! ```text
//!  certs/*.toml ──► Profile ──► Authority (roots, intermediates, fresh keys) ─┐
//!  genuine leaf ──► Parsed (slices) ──► Making (field by field) ──► Tbs ──► sign ──► Forged
//!                                          KeySupply (warm keys) ─┘
//! ```
//!
//! - [`profile`]: recipes, with what each field rests on
//! - [`supply`]: a shelf of fresh keys
//! - [`diff`], [`explain`]: certificates side by side, with the reasons
//! - [`blocklist`]: the vendors' answer
//!
//! The octets themselves are read and written in [`x509`](crate::x509).
//!
//! Keys live in memory only and die with the last [`Forger`] of a run. Nothing here opens a socket or writes a file.

pub mod blocklist;
pub mod diff;
pub mod explain;
pub mod profile;
pub mod supply;

mod authority;
mod cache;
mod dates;
mod error;
mod fault;
mod forger;
mod host;
mod keys;
mod leaf;

pub use dates::Dates;
pub use error::ForgeError;
pub use fault::OriginFault;
pub use forger::{Forged, Forger, Options};
pub use keys::Keys;
pub use profile::{Profile, ProfileError, profiles};
