//! The record: one stream of events, everything that is known of a run.
//!
//! Every part of the lab *emits* [`Event`]s through a [`Recorder`]; nobody else writes files. Readers of the stream
//! (JSON lines, HAR, pcapng, the console) subscribe. Events of one connection fold into one [`Connection`],
//! the ground truth that the verdicts are made from, so that an old recording can be judged again.
//!
//! This module knows plain data only: it imports nothing of the lab but [`crate::scenario`]'s words.

mod alert;
mod capture;
mod chains;
mod connection;
mod event;
mod exchange;
mod folder;
mod frame;
pub mod har;
mod jsonl;
mod keep;
mod keylog;
pub mod mail;
mod manifest;
mod mask;
mod meter;
mod packets;
pub mod pcapng;
mod read;
mod recorder;
mod tapped;
mod upgrade;

pub use alert::alert_name;
pub use capture::{Capture, CaptureSummary, Limits, Tap};

pub use chains::write_chains;
pub use connection::{
    Alert, Bytes, Certificate, Close, CloseKind, Connection, DecisionRecord, HalfTruth, Handshake, Hello, Origin, Request,
};
pub use event::{ConnectionId, DnsWithin, Entry, Event, Half, LegId, LegKind, NotRun, Observer, Side};
pub use exchange::{BODY_AT_MOST, Content, Exchange};
pub use folder::{RecordFolder, RunFile, write_connections};
pub use frame::{Frame, Looks, MOST as MOST_LOOKED_AT};
pub use jsonl::Losses;
pub use keep::Keep;
pub use keylog::KeyLog;
pub use manifest::{Listed, MANIFEST, Manifest};
pub use mask::{Mask, is_secret};
pub use meter::TlsMeter;
pub use read::{ReadError, Recording, Unread, read};
pub use recorder::{Began, FlowKey, Recorder};
pub use tapped::Tapped;
pub use upgrade::{Upgrade, UpgradeStage};

/// Creates (or empties) a file that only its owner can read: a recording tells what was said, a key log lets it be read.
pub(crate) fn create_private(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
