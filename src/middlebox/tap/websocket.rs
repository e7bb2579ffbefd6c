//! Frames of a WebSocket (RFC 6455 section 5.2), as one who reads along tells them: headers, and what the payload looks like.
//!
//! Reads along, never ahead: a header and the first octets of a payload are held, the rest is counted. A stream that breaks the syntax
//! is left unread from there on, and passes all the same.

use crate::record::{Frame, Looks, MOST_LOOKED_AT, Side};

/// Reads along in both directions, once the server has agreed to the upgrade (section 4.2.2).
#[derive(Debug)]
pub(super) struct WebSocketTap {
    up: Frames,
    down: Frames,
    /// What came before the answer's head was whole; none once it was.
    before: Option<Before>,
    told: usize,
}

#[derive(Debug, Default)]
struct Before {
    head: Vec<u8>,
    /// A client that does not wait for the answer.
    early: Vec<u8>,
}

impl WebSocketTap {
    /// A client has asked for the upgrade; `early` is what it sent behind its request.
    pub(super) fn asked(early: &[u8]) -> Self {
        let before = Before { head: Vec::new(), early: early.to_vec() };
        Self { up: Frames::from(Side::Client), down: Frames::from(Side::Server), before: Some(before), told: 0 }
    }

    /// Bytes from the client.
    pub(super) fn up(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Frame)) {
        match &mut self.before {
            Some(before) if before.early.len() + bytes.len() <= MOST_BEFORE => before.early.extend_from_slice(bytes),
            Some(_) => self.up.broken = true,
            None => self.up.read(bytes, &mut bounded(&mut self.told, tell)),
        }
    }

    /// Bytes from the server. False if it did not agree: there is nothing to read along.
    pub(super) fn down(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Frame)) -> bool {
        let Some(before) = &mut self.before else {
            self.down.read(bytes, &mut bounded(&mut self.told, tell));
            return true;
        };
        before.head.extend_from_slice(bytes);
        if !AGREED.starts_with(&before.head[..before.head.len().min(AGREED.len())]) || before.head.len() > MOST_BEFORE {
            return false;
        }
        let Some(end) = before.head.windows(4).position(|four| four == b"\r\n\r\n") else { return true };
        let Before { head, early } = self.before.take().unwrap_or_default();
        self.down.read(&head[end + 4..], &mut bounded(&mut self.told, tell));
        self.up.read(&early, &mut bounded(&mut self.told, tell));
        true
    }
}

/// Tells so many frames of a connection and no more.
fn bounded<'a>(told: &'a mut usize, tell: &'a mut dyn FnMut(Frame)) -> impl FnMut(Frame) + 'a {
    move |frame| {
        *told += 1;
        if *told <= MOST_TOLD {
            tell(frame);
        }
    }
}

/// The answer that opens a WebSocket; HTTP/1.1 only. (Over HTTP/2, RFC 8441, the box reads no frames.)
const AGREED: &[u8] = b"HTTP/1.1 101";
/// Octets of an answer's head, and of a client's haste.
const MOST_BEFORE: usize = 64 * 1024;
/// Frames of one connection that the record keeps.
const MOST_TOLD: usize = 2000;

/// Reads along in one direction.
#[derive(Debug)]
pub struct Frames {
    from: Side,
    held: Vec<u8>,
    /// The frame whose payload is going by.
    open: Option<Open>,
    broken: bool,
}

/// A frame whose header was read.
#[derive(Debug)]
struct Open {
    opcode: u8,
    last: bool,
    compressed: bool,
    length: u64,
    mask: Option<[u8; 4]>,
    left: u64,
    beginning: Vec<u8>,
}

impl Frames {
    /// A reader of what one side sends.
    pub fn from(side: Side) -> Self {
        Self { from: side, held: Vec::new(), open: None, broken: false }
    }

    /// Takes the next bytes in; tells each frame once its payload has gone by.
    pub fn read(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Frame)) {
        while !self.broken {
            if let Some(open) = &mut self.open {
                bytes = open.take(bytes);
                if open.left > 0 {
                    return;
                }
            }
            if let Some(open) = self.open.take() {
                tell(open.frame(self.from));
            }
            if bytes.is_empty() {
                return;
            }
            self.header(&mut bytes);
        }
    }

    /// Gathers a header octet by octet: it says itself how long it is.
    fn header(&mut self, bytes: &mut &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            self.held.push(*first);
            *bytes = rest;
            match Open::parse(&self.held) {
                Ok(Some(open)) => {
                    self.held.clear();
                    self.open = Some(open);
                    return;
                }
                Ok(None) => {}
                Err(Broken) => {
                    self.broken = true;
                    return;
                }
            }
        }
    }
}

/// The header breaks RFC 6455.
struct Broken;

impl Open {
    /// None if the header is not whole.
    fn parse(held: &[u8]) -> Result<Option<Self>, Broken> {
        let [first, second, rest @ ..] = held else { return Ok(None) };
        let (wide, masked) = (usize::from(second & 0x7f), second & 0x80 != 0);
        let size = match wide {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < size + if masked { 4 } else { 0 } {
            return Ok(None);
        }
        let length = match size {
            0 => wide as u64,
            _ => rest[..size].iter().fold(0, |length, octet| length << 8 | u64::from(*octet)),
        };
        let is_control = first & 0x08 != 0;
        // Section 5.2: the most significant bit of a length is 0; section 5.5: control frames are short and whole; RSV2 and RSV3
        // belong to no extension in use.
        if length >> 63 != 0 || first & 0x30 != 0 || (is_control && (length > 125 || first & 0x80 == 0)) {
            return Err(Broken);
        }
        let mask = masked.then(|| std::array::from_fn(|at| rest[size + at]));
        Ok(Some(Self {
            opcode: first & 0x0f,
            last: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            length,
            mask,
            left: length,
            beginning: Vec::new(),
        }))
    }

    /// Lets payload go by; gives back what comes after it.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let (payload, after) = bytes.split_at(here);
        for octet in payload.iter().take(MOST_LOOKED_AT.saturating_sub(self.beginning.len())) {
            let key = self.mask.map_or(0, |mask| mask[self.beginning.len() % 4]); // section 5.3
            self.beginning.push(octet ^ key);
        }
        self.left -= here as u64;
        after
    }

    fn frame(self, from: Side) -> Frame {
        let looks = match self.opcode {
            _ if self.beginning.is_empty() => None,
            _ if self.compressed => Some(Looks::Compressed),
            8 => None, // a status code and a reason
            _ => Some(Looks::of(&self.beginning)),
        };
        Frame { from, opcode: opcode(self.opcode), length: self.length, last: self.last, looks }
    }
}

fn opcode(number: u8) -> String {
    match number {
        0 => "continuation".to_owned(),
        1 => "text".to_owned(),
        2 => "binary".to_owned(),
        8 => "close".to_owned(),
        9 => "ping".to_owned(),
        10 => "pong".to_owned(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: Side, bytes: &[u8], piece: usize) -> Vec<Frame> {
        let mut frames = Frames::from(from);
        let mut told = Vec::new();
        for part in bytes.chunks(piece) {
            frames.read(part, &mut |frame| told.push(frame));
        }
        told
    }

    #[test]
    fn examples_of_the_standard_are_read() {
        // RFC 6455 section 5.7: a masked "Hello", its two unmasked fragments, a ping, 256 octets, an empty close.
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let mut server = vec![0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f, 0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        server.extend([0x82, 0x7e, 0x01, 0x00]);
        server.extend([0xff; 256]);
        server.extend([0x88, 0x00]);
        for piece in [1, 3, 1000] {
            let up = told(Side::Client, &masked, piece);
            assert_eq!((up.len(), up[0].opcode.as_str(), up[0].length, up[0].looks), (1, "text", 5, Some(Looks::Text)));
            let down = told(Side::Server, &server, piece);
            let heads: Vec<_> = down.iter().map(|frame| (frame.opcode.as_str(), frame.length, frame.last)).collect();
            let expected =
                [("text", 3, false), ("continuation", 2, true), ("ping", 5, true), ("binary", 256, true), ("close", 0, true)];
            assert_eq!(heads, expected);
        }
    }

    #[test]
    fn what_breaks_the_syntax_is_left_unread() {
        for bytes in [&[0x89, 0x7e, 0x01, 0x00][..], &[0x82, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0], &[0xb1, 0x00], &[0x09, 0x00]] {
            let mut twice = bytes.to_vec();
            twice.extend([0x81, 0x01, b'x']);
            assert_eq!(told(Side::Server, &twice, 1), []);
        }
    }

    #[test]
    fn a_long_payload_is_counted_and_not_held() {
        let mut bytes = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 0];
        bytes.resize(bytes.len() + (1 << 20), 0x41);
        let mut frames = Frames::from(Side::Server);
        frames.read(&bytes[..5000], &mut |_| panic!("it has not gone by"));
        assert_eq!(frames.open.as_ref().map(|open| open.beginning.len()), Some(MOST_LOOKED_AT));
        let mut lengths = Vec::new();
        frames.read(&bytes[5000..], &mut |frame| lengths.push(frame.length));
        assert_eq!(lengths, [1 << 20]);
    }
}
