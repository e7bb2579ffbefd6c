//! The lab's own clients (web, chat) and reference detector, so that a machine without any other program has one.
//!
//! All dial as an ordinary program would: the system's resolver, the trust that `SSL_CERT_FILE` names, the proxy that
//! `HTTPS_PROXY` names. They know nothing of the lab that they run in. Every step has a deadline, every buffer a bound.

pub mod chat;
pub mod client;
pub mod detector;
mod dial;
mod failure;
mod http;
#[cfg(feature = "http3")]
mod http3;
mod settings;
mod signals;
mod split;
mod tls;
mod url;
mod verify;

pub use failure::Failure;
pub use settings::Settings;
pub use signals::{Signal, SpeaksFor};
pub use url::{Url, UrlError};

#[cfg(test)]
mod tests;
