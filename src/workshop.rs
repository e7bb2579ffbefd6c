//! A workshop: many participants, a lab for each, lessons, and one console for the browser.
//!
//! ```text
//!  browser ─► guard (Host, Origin, cookie) ─► console's files
//!                                          ├► lessons, answers, bench, stories, take-away
//!                                          └► relay ─► the participant's own lab (`mitmlab up`, a child with its own token)
//! ```
//!
//! The workshop itself stands on the host and in no namespace; it never carries a client's bytes and holds no key. Labs are children
//! that end when their standard input does, so none outlives it, however it ends. It listens on loopback; on another address only if the
//! user names that address.

mod bench;
mod child;
mod connections;
mod files;
mod guard;
mod identity;
mod lab;
pub mod lesson;
mod lessons;
mod participants;
mod people;
mod progress;
mod recording;
mod relay;
mod reports;
mod serve;
mod settings;
mod spares;
mod story;
mod takeaway;
mod timeline;
mod trainer;
mod words;

pub use bench::Switch;
pub use serve::{Listener, Served, serve};
pub use settings::{Network, Settings};
