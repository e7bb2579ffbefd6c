//! What a recorder keeps besides events, if it is asked to: TLS secrets, what crossed the network, whole exchanges.
//!
//! Nobody asks: then no key is logged, no byte copied, no header looked at.

use std::sync::Arc;

use super::capture::{Capture, Limits, Tap};
use super::event::{ConnectionId, Half, Observer};
use super::keylog::KeyLog;
use super::mask::Mask;
use super::recorder::{FlowKey, Recorder};

/// What is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keep {
    keys: KeyLog,
    capture: Capture,
    from_streams: bool,
    mask: Mask,
}

impl Keep {
    /// Keeps secrets and exchanges, and what crosses the network: with `from_streams` as the ends see it (there are no packets of the
    /// lab's own), else as somebody who sees packets tells.
    pub fn new(recorder: &Recorder, limits: Limits, from_streams: bool, mask: Mask) -> Self {
        Self { keys: KeyLog::new(), capture: Capture::new(recorder, limits), from_streams, mask }
    }

    /// TLS secrets.
    pub fn keys(&self) -> &KeyLog {
        &self.keys
    }

    /// What crossed the network.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// How secrets are treated.
    pub fn mask(&self) -> Mask {
        self.mask
    }
}

impl Recorder {
    /// Where a TLS end logs its secrets: nowhere, unless they are kept.
    pub fn key_log(&self) -> Arc<dyn rustls::KeyLog> {
        match self.kept() {
            Some(keep) => Arc::new(keep.keys.clone()),
            None => Arc::new(rustls::NoKeyLog {}),
        }
    }

    /// Listens to a stream, if streams are kept and nobody else listens to that half.
    pub fn tap(&self, id: ConnectionId, half: Half, by: Observer, key: FlowKey) -> Option<Tap> {
        self.kept().filter(|keep| keep.from_streams)?.capture.tap(id, half, by, key)
    }
}
