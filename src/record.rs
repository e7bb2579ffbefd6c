//! The record: one stream of events, everything that is known of a run.
//!
//! Every part of the lab *emits* [`Event`]s through a [`Recorder`]; nobody else writes files. Readers of the stream
//! (JSON lines, HAR, pcapng, the console) subscribe. Events of one connection fold into one [`Connection`],
//! the ground truth that the verdicts are made from, so that an old recording can be judged again.
//!
//! This module knows plain data only: it imports nothing of the lab but [`crate::scenario`]'s words.

mod connection;
mod event;
mod recorder;

pub use connection::{
    Alert, Bytes, Certificate, Close, CloseKind, Connection, DecisionRecord, HalfTruth, Handshake, Hello, Origin, Request,
};
pub use event::{ConnectionId, Entry, Event, Half, LegId, LegKind, Observer, Side};
pub use recorder::{FlowKey, Recorder};
