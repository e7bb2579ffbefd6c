//! The control API: what is in force in a running lab, read and changed over HTTP on loopback or on a Unix socket.
//!
//! ```text
//!  request ─► guard (token, Origin, Host, size) ─► route ─► handler ─► Handle (a trait that the lab implements)
//!                                                     └─► openapi (the same table, so that it is complete)
//! ```
//!
//! This room knows no network and no box: it asks a [`Handle`]. Errors are RFC 9457 problems; events are server-sent events with the
//! record's own numbers. Nothing here waits for a slow reader: events are kept once, by the recorder, for all.

pub(crate) mod body;
mod connections;
mod events;
mod filter;
mod guard;
mod handle;
mod legs;
mod openapi;
mod problem;
mod routes;
mod rules;
mod serve;
mod state;
mod trust;
pub mod words;

pub use guard::Token;
pub use handle::{Awaited, Handle, Material};
pub use openapi::openapi;
pub use problem::Problem;
pub use serve::{router, serve};
