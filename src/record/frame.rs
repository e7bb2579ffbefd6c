//! Messages of a WebSocket (RFC 6455) as the record keeps them: which way, how long, and what a reader on the way could make of them.
//! Never what they say.
//!
//! Text is told from ciphertext by looking at the octets alone, as a box must. Ciphertext and well compressed data look the same, and a
//! few octets look like anything: then the record says `unclear`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Side;
use crate::scenario::Messages;

/// A frame that somebody on the way, or at the end of the TLS connection, could read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// Who sent it.
    pub from: Side,
    /// `text`, `binary`, `continuation`, `close`, `ping`, `pong`, or a reserved number (RFC 6455 section 5.2).
    pub opcode: String,
    /// Octets of payload.
    pub length: u64,
    /// The last frame of its message.
    pub last: bool,
    /// What its payload looks like; none if it has none.
    pub looks: Option<Looks>,
}

/// What octets look like to somebody without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    /// Text that a person could read.
    Text,
    /// JSON text.
    Json,
    /// Nothing tells it from random octets: encrypted, or compressed without saying so.
    Ciphertext,
    /// Said to be compressed (RFC 7692): whoever holds the stream can inflate it.
    Compressed,
    /// Neither: binary structure, or too few octets to tell.
    Unclear,
}

impl Frame {
    /// True for a frame that carries a message, or a part of one.
    pub fn is_data(&self) -> bool {
        matches!(self.opcode.as_str(), "text" | "binary" | "continuation")
    }
}

/// What all messages of a connection come to; none if no message went by.
pub(super) fn messages(frames: &[Frame]) -> Option<Messages> {
    let looks: Vec<Looks> = frames.iter().filter(|frame| frame.is_data()).filter_map(|frame| frame.looks).collect();
    let readable = |looks: &Looks| matches!(looks, Looks::Text | Looks::Json | Looks::Compressed);
    match looks.as_slice() {
        [] => None,
        some if some.iter().any(readable) => Some(Messages::Read),
        some if some.iter().all(|looks| *looks == Looks::Ciphertext) => Some(Messages::Ciphertext),
        _ => Some(Messages::Unclear),
    }
}

impl Looks {
    /// Judges the beginning of a payload. `octets` may be cut in the middle of a character.
    pub fn of(octets: &[u8]) -> Self {
        match text(octets) {
            Some(text) if text.trim_start().starts_with(['{', '[']) => Self::Json,
            Some(_) => Self::Text,
            None if is_like_random(octets) => Self::Ciphertext,
            None => Self::Unclear,
        }
    }
}

/// The octets as text, if they are text: UTF-8, possibly cut at its end, without control characters.
fn text(octets: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(octets) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&octets[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (!text.is_empty() && text.chars().all(plain)).then_some(text)
}

/// Two counts that random octets meet but for one case in some ten thousand: how many bits are set (mean 4n, variance 2n), and
/// how many octets occur that occurred before (about n²/512 for small n).
fn is_like_random(octets: &[u8]) -> bool {
    if octets.len() < FEWEST {
        return false;
    }
    let octets = &octets[..octets.len().min(MOST)];
    let n = octets.len() as f64;
    let ones: u32 = octets.iter().map(|octet| octet.count_ones()).sum();
    let balanced = (f64::from(ones) - 4.0 * n).abs() <= 4.0 * (2.0 * n).sqrt();
    let distinct = octets.iter().collect::<std::collections::HashSet<_>>().len() as f64;
    let expected = 256.0 * (1.0 - (255.0_f64 / 256.0).powf(n));
    balanced && distinct >= expected - 4.0 * (n - expected).max(1.0).sqrt() - 1.0
}

/// Octets below which nothing is said: a tag of an authenticated cipher alone has 16 (RFC 8439 section 2.8).
const FEWEST: usize = 16;
/// Octets that are looked at.
pub const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that look random and are the same each time: a linear congruential generator's upper bits.
    fn noise(count: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let step = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn text_is_told_from_ciphertext() {
        for (octets, looks) in [
            (&b"meet me at six"[..], Looks::Text),
            (b" {\"text\": \"hi\"}", Looks::Json),
            ("Қазақстан".as_bytes(), Looks::Text),
            (&"Қазақстан".as_bytes()[..5], Looks::Text),
            (b"\x08\x01\x12\x05hello\x18\x02\x22\x00\x2a\x00\x30\x01\x38\x00\x40\x00\x48\x00\x50\x00", Looks::Unclear),
            (&[0xff; 64], Looks::Unclear),
            (&[0x9c, 0x01, 0xfe], Looks::Unclear),
        ] {
            assert_eq!(Looks::of(octets), looks, "{octets:02x?}");
        }
        let wrong = (0..2000).filter(|seed| Looks::of(&noise(18 + *seed as usize % 900, *seed)) != Looks::Ciphertext).count();
        assert!(wrong <= 8, "{wrong} of 2000 random payloads were not taken for ciphertext");
    }

    #[test]
    fn one_readable_message_is_enough() {
        let frame = |opcode: &str, looks| Frame { from: Side::Client, opcode: opcode.into(), length: 20, last: true, looks };
        let sealed = frame("binary", Some(Looks::Ciphertext));
        let ping = frame("ping", Some(Looks::Text));
        assert_eq!(messages(std::slice::from_ref(&ping)), None);
        assert_eq!(messages(&[sealed.clone(), ping]), Some(Messages::Ciphertext));
        assert_eq!(messages(&[sealed.clone(), frame("text", Some(Looks::Json))]), Some(Messages::Read));
        assert_eq!(messages(&[sealed, frame("binary", Some(Looks::Unclear))]), Some(Messages::Unclear));
    }
}
