//! Long headers and what protects them: finding the Initial packets of a datagram, and opening one. RFC 8999 section 5.1, RFC 9000
//! sections 17.2 and 17.2.2, RFC 9001 sections 5.3 and 5.4, RFC 9369 section 3.2.

use rustls::quic::{DirectionalKeys, Version};

use super::Unread;

/// An Initial packet, still protected.
#[derive(Debug)]
pub(super) struct Initial<'a> {
    pub(super) version: Version,
    /// Destination Connection ID.
    pub(super) destination: &'a [u8],
    /// The packet, from its first byte to the end that its length states.
    bytes: &'a [u8],
    /// Where the packet number begins.
    number_at: usize,
}

/// The packets of a datagram, one after the other.
pub(super) struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Initial<'a>, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = read(self.rest);
        let length = read.as_ref().ok().map_or(self.rest.len(), |(_, length)| *length);
        self.rest = &self.rest[length..];
        Some(read.and_then(|(packet, _)| packet.ok_or(Unread::NoInitial)))
    }
}

/// One packet at the beginning, if it is an Initial, and its length.
fn read(bytes: &[u8]) -> Result<(Option<Initial<'_>>, usize), Unread> {
    let mut cursor = Cursor { bytes, at: 0 };
    let first = cursor.u8()?;
    if first & LONG == 0 {
        return Err(Unread::NotQuic);
    }
    let number = cursor.u32()?;
    let (version, kind) = match number {
        VERSION_1 => (Version::V1, first >> 4 & 0b11),
        // Version 2 counts its types one further (RFC 9369 section 3.2).
        VERSION_2 => (Version::V2, (first >> 4).wrapping_sub(1) & 0b11),
        _ if first & FIXED == 0 => return Err(Unread::NotQuic),
        _ => return Err(Unread::OtherVersion(number)),
    };
    if first & FIXED == 0 {
        return Err(Unread::NotQuic);
    }
    let destination = cursor.identifier()?;
    cursor.identifier()?;
    if kind == RETRY {
        return Err(Unread::NoInitial); // no length, and a server's
    }
    if kind == INITIAL {
        let token = cursor.varint()?;
        cursor.take(token)?;
    }
    let length = cursor.varint()?;
    let number_at = cursor.at;
    cursor.take(length)?;
    let packet = (kind == INITIAL).then(|| Initial { version, destination, bytes: &bytes[..cursor.at], number_at });
    Ok((packet, cursor.at))
}

impl Initial<'_> {
    /// Takes the protection off: the frames, and the packet number. None if the keys do not open it.
    pub(super) fn open(&self, keys: &DirectionalKeys, largest: u64) -> Option<(Vec<u8>, u64)> {
        let mut packet = self.bytes.to_vec();
        let sample_at = self.number_at + 4; // as if the number had four bytes (RFC 9001 section 5.4.2)
        let sample = self.bytes.get(sample_at..sample_at + keys.header.sample_len())?;
        let (first, rest) = packet.split_first_mut()?;
        keys.header.decrypt_in_place(sample, first, rest.get_mut(self.number_at - 1..self.number_at + 3)?).ok()?;
        let length = usize::from(packet[0] & 0b11) + 1;
        let header_end = self.number_at + length;
        let sent = packet[self.number_at..header_end].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let number = whole_number(sent, 8 * length as u32, largest);
        let (header, payload) = packet.split_at_mut(header_end);
        let frames = keys.packet.decrypt_in_place(number, header, payload).ok()?.len();
        packet.drain(..header_end);
        packet.truncate(frames);
        Some((packet, number))
    }
}

/// The packet number of which the last bits were sent (RFC 9000 appendix A.3).
fn whole_number(sent: u64, bits: u32, largest: u64) -> u64 {
    let expected = largest + 1;
    let window = 1u64 << bits;
    let candidate = expected & !(window - 1) | sent;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

/// Reads integers and vectors.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Unread> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length)).ok_or(Unread::NotQuic)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unread::NotQuic)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Unread> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, Unread> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A variable-length integer (RFC 9000 section 16).
    pub(super) fn varint(&mut self) -> Result<u64, Unread> {
        let first = self.u8()?;
        let more = self.take((1 << (first >> 6)) - 1)?;
        Ok(more.iter().fold(u64::from(first & 0x3f), |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A connection ID: at most 20 bytes in the versions that are read (RFC 9000 section 17.2).
    fn identifier(&mut self) -> Result<&'a [u8], Unread> {
        let length = self.u8()?;
        if length > 20 { Err(Unread::NotQuic) } else { self.take(u64::from(length)) }
    }
}

/// Header form (RFC 8999 section 5.1).
const LONG: u8 = 0x80;
/// Always set in the versions that are read (RFC 9000 section 17.2).
const FIXED: u8 = 0x40;
/// Packet types of version 1.
const INITIAL: u8 = 0;
const RETRY: u8 = 3;
const VERSION_1: u32 = 0x0000_0001;
/// RFC 9369 section 3.1.
const VERSION_2: u32 = 0x6b33_43cf;
