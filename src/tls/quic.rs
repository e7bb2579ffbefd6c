//! The ClientHello in a QUIC connection's first datagrams: Initial packets in, one [`ClientHello`] out.
//!
//! Initial packets are encrypted with keys that anybody on the path can derive from the client's first Destination Connection ID
//! (RFC 9001 section 5.2, RFC 9369 section 3.3 for version 2): that is how boxes read names in QUIC. The hello lies in CRYPTO frames
//! (RFC 9000 section 19.6), in any order, over several packets and datagrams: post-quantum key shares do not fit into one.
//!
//! Pure and bounded: datagrams in, [`Look`] out. It is no QUIC implementation: nothing is acknowledged, and whatever a server would
//! refuse for another reason (a short datagram, a short connection ID) is read all the same.

use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Keys, Version};
use thiserror::Error;

use super::hello::{self, ClientHello, Malformed};

mod crypto;
mod packet;

use crypto::Crypto;
use packet::{Initial, Packets};

/// What a client's datagrams say so far.
#[derive(Debug)]
pub enum Look {
    /// A part of a hello, or of what comes before it: the next datagram may tell more.
    More,
    /// The whole hello, and in how many datagrams it came.
    Hello(Box<ClientHello>, u32),
    /// There is nothing to read, and there will be nothing.
    Unread(Unread),
}

/// Why there is no hello in what may be QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unread {
    /// No long header (RFC 8999 section 5.1): no QUIC, or a connection that is under way.
    #[error("no QUIC handshake")]
    NotQuic,
    /// A version whose keys are not known: a draft, one to come, or one that is sent to provoke a negotiation.
    #[error("QUIC version {0:#010x}, which is not read")]
    OtherVersion(u32),
    /// Long headers, but no Initial packet among them.
    #[error("QUIC without an Initial packet")]
    NoInitial,
    /// It is no Initial packet of this version, or not of its first connection ID.
    #[error("an Initial packet that its connection ID does not open")]
    Locked,
    /// Frames that an Initial packet must not have, or that end too early (RFC 9000 section 12.4).
    #[error("an Initial packet with frames that it must not have")]
    Frames,
    /// More, or in more pieces, than is kept.
    #[error("a hello in more bytes, pieces or datagrams than is read")]
    TooMuch,
    /// The message is no hello that a server could read.
    #[error("{0}")]
    Malformed(Malformed),
}

/// The beginning of one QUIC connection, from its client's side.
#[derive(Default)]
pub struct Initials {
    keys: Option<Opened>,
    crypto: Crypto,
    datagrams: u32,
}

/// The keys of a connection, and the largest packet number that they opened.
struct Opened {
    keys: DirectionalKeys,
    largest: u64,
}

impl std::fmt::Debug for Initials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Initials").field("datagrams", &self.datagrams).field("crypto", &self.crypto).finish_non_exhaustive()
    }
}

impl Initials {
    /// Nothing was seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// True if an Initial packet was opened: it is QUIC.
    pub fn is_quic(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes one datagram of the client in. To be asked until it answers something other than [`Look::More`].
    pub fn datagram(&mut self, bytes: &[u8]) -> Look {
        if self.datagrams >= MOST_DATAGRAMS {
            return Look::Unread(Unread::TooMuch);
        }
        self.datagrams += 1;
        let found = self.packets(bytes);
        self.told(found)
    }

    /// The same for the frames of a packet that was opened.
    pub fn frames(&mut self, frames: &[u8]) -> Look {
        let found = self.crypto.frames(frames);
        self.told(found)
    }

    fn told(&self, found: Result<(), Unread>) -> Look {
        match self.crypto.message() {
            Err(why) => return Look::Unread(why),
            Ok(Some(message)) => {
                return match hello::read_message(message) {
                    Ok(hello) => Look::Hello(Box::new(hello), self.datagrams),
                    Err(reason) => Look::Unread(Unread::Malformed(reason)),
                };
            }
            Ok(None) => {}
        }
        match found {
            // Later datagrams may be of another kind, and one that nobody can read may lie between: what was begun goes on.
            Err(Unread::NotQuic | Unread::OtherVersion(_) | Unread::NoInitial | Unread::Locked) if self.keys.is_some() => {
                Look::More
            }
            Err(why) => Look::Unread(why),
            Ok(()) => Look::More,
        }
    }

    /// Coalesced packets (RFC 9000 section 12.2): those that are Initials and open are taken in.
    fn packets(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        let mut found = Err(Unread::NoInitial);
        for packet in Packets::of(bytes).take(MOST_PACKETS) {
            let frames = match packet.and_then(|initial| self.open(&initial)) {
                Ok(frames) => frames,
                Err(why) => {
                    // The first packet says what the datagram is.
                    if found == Err(Unread::NoInitial) {
                        found = Err(why);
                    }
                    continue;
                }
            };
            self.crypto.frames(&frames)?;
            found = Ok(());
        }
        found
    }

    /// The frames of an Initial packet. After a Retry the keys are those of another connection ID (RFC 9001 section 5.2), and the hello
    /// begins anew.
    fn open(&mut self, initial: &Initial<'_>) -> Result<Vec<u8>, Unread> {
        if let Some(opened) = &mut self.keys
            && let Some((frames, number)) = initial.open(&opened.keys, opened.largest)
        {
            opened.largest = opened.largest.max(number);
            return Ok(frames);
        }
        let keys = keys(initial.version, initial.destination).ok_or(Unread::Locked)?;
        let (frames, largest) = initial.open(&keys, 0).ok_or(Unread::Locked)?;
        self.keys = Some(Opened { keys, largest });
        self.crypto = Crypto::default();
        Ok(frames)
    }
}

/// The client's keys for Initial packets.
fn keys(version: Version, destination: &[u8]) -> Option<DirectionalKeys> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
    Some(Keys::initial(version, suite, suite.quic?, destination, Side::Server).remote)
}

/// Datagrams that are looked at. A hello takes two with post-quantum key shares; clients send each some times if none is answered.
const MOST_DATAGRAMS: u32 = 16;
/// Packets of one datagram that are looked at: a client coalesces an Initial with 0-RTT.
const MOST_PACKETS: usize = 4;

#[cfg(test)]
#[path = "quic/tests.rs"]
mod tests;
