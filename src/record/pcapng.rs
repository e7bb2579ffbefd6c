//! A writer of capture files: the five pcapng blocks that the lab needs (draft-ietf-opsawg-pcapng), little-endian.
//!
//! Section Header, Interface Description, Enhanced Packet, Name Resolution (so that readers show the world's names for
//! its addresses) and Decryption Secrets (so that they decrypt; must come before the packets it is for).

use std::io::{self, Write};
use std::net::IpAddr;

/// A capture file being written.
#[derive(Debug)]
pub struct Pcapng<W> {
    out: W,
    interfaces: u32,
}

/// What an interface's packets begin with (LINKTYPE_ registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IPv4 or IPv6 header.
    Ip,
}

/// A packet as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the interface, as given by [`Pcapng::interface`].
    pub interface: u32,
    /// Microseconds since 1970-01-01 UTC.
    pub at_us: u64,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
    /// How long it was.
    pub length: usize,
    /// A remark for the reader.
    pub comment: Option<&'a str>,
}

impl<W: Write> Pcapng<W> {
    /// Begins a file.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let mut this = Self { out, interfaces: 0 };
        let mut body = Vec::new();
        body.extend(0x1A2B_3C4D_u32.to_le_bytes()); // byte-order magic
        body.extend(1_u16.to_le_bytes()); // version 1.0
        body.extend(0_u16.to_le_bytes());
        body.extend(u64::MAX.to_le_bytes()); // section length: not told
        option(&mut body, SHB_USERAPPL, application);
        this.block(0x0A0D_0D0A, body, true)?;
        Ok(this)
    }

    /// Describes an interface; gives its number. Its clock counts microseconds (the format's default).
    pub fn interface(&mut self, link: Link, name: &str, description: &str) -> io::Result<u32> {
        let kind: u16 = match link {
            Link::Ethernet => 1,
            Link::Ip => 101,
        };
        let mut body = Vec::new();
        body.extend(kind.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend(0_u32.to_le_bytes()); // no limit on packet length
        option(&mut body, IF_NAME, name);
        option(&mut body, IF_DESCRIPTION, description);
        self.block(1, body, true)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Says what addresses are called.
    pub fn names<'a>(&mut self, names: impl IntoIterator<Item = (IpAddr, &'a str)>) -> io::Result<()> {
        let mut body = Vec::new();
        for (address, name) in names {
            let (kind, octets): (u16, Vec<u8>) = match address {
                IpAddr::V4(v4) => (NRB_IPV4, v4.octets().to_vec()),
                IpAddr::V6(v6) => (NRB_IPV6, v6.octets().to_vec()),
            };
            entry(&mut body, kind, &[&octets, name.as_bytes(), &[0]].concat());
        }
        if body.is_empty() {
            return Ok(());
        }
        body.extend([0; 4]); // nrb_record_end
        self.block(4, body, false)
    }

    /// Gives TLS secrets, as key log lines, for the packets that follow.
    pub fn secrets(&mut self, key_log_lines: &str) -> io::Result<()> {
        let length = u32::try_from(key_log_lines.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut body = Vec::new();
        body.extend(0x544C_534B_u32.to_le_bytes()); // "TLSK"
        body.extend(length.to_le_bytes());
        body.extend(key_log_lines.as_bytes());
        pad(&mut body);
        self.block(0xA, body, false)
    }

    /// Adds a packet.
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let kept = u32::try_from(packet.bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = u32::try_from(packet.length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut body = Vec::with_capacity(packet.bytes.len() + 64);
        body.extend(packet.interface.to_le_bytes());
        body.extend(((packet.at_us >> 32) as u32).to_le_bytes());
        body.extend((packet.at_us as u32).to_le_bytes());
        body.extend(kept.to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(packet.bytes);
        pad(&mut body);
        if let Some(comment) = packet.comment {
            option(&mut body, OPT_COMMENT, comment);
            self.block(6, body, true)
        } else {
            self.block(6, body, false)
        }
    }

    /// Ends the file and gives the output back, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn block(&mut self, kind: u32, mut body: Vec<u8>, has_options: bool) -> io::Result<()> {
        if has_options {
            body.extend([0; 4]); // opt_endofopt
        }
        let total = u32::try_from(body.len() + 12).map_err(|_| io::ErrorKind::InvalidInput)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(&body)?;
        self.out.write_all(&total)
    }
}

/// An option with a text, cut at a character where it is too long.
fn option(body: &mut Vec<u8>, code: u16, text: &str) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    entry(body, code, &text.as_bytes()[..end]);
}

/// An option or a name record: code, length, value, padding.
fn entry(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(LONGEST)];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const OPT_COMMENT: u16 = 1;
const NRB_IPV4: u16 = 1;
const NRB_IPV6: u16 = 2;
const LONGEST: usize = u16::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_and_aligned() {
        let mut file = Pcapng::new(Vec::new(), "test").expect("memory");
        let interface = file.interface(Link::Ip, "rebuilt", "ünïcode").expect("memory");
        file.names([([192, 0, 2, 1].into(), "a.test"), (IpAddr::V6([0x2001; 8].into()), "b.test")]).expect("memory");
        file.secrets("CLIENT_RANDOM 00 11\n").expect("memory");
        let at_us = (7_u64 << 32) + 5;
        file.packet(&Packet { interface, at_us, bytes: &[0x45; 21], length: 21, comment: Some("x") }).expect("memory");
        let bytes = file.finish().expect("memory");
        let (mut at, mut kinds) = (0, Vec::new());
        while at < bytes.len() {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
            let total = word(at + 4) as usize;
            assert_eq!((total % 4, word(at + total - 4) as usize), (0, total));
            kinds.push(word(at));
            if word(at) == 6 {
                assert_eq!((word(at + 12), word(at + 16), word(at + 20)), (7, 5, 21));
            }
            at += total;
        }
        assert_eq!(kinds, [0x0A0D_0D0A, 1, 4, 0xA, 6]);
    }

    #[test]
    fn a_long_comment_is_cut_at_a_character() {
        let mut body = Vec::new();
        option(&mut body, 1, &"é".repeat(LONGEST));
        assert_eq!(u16::from_le_bytes([body[2], body[3]]) as usize, LONGEST - 1);
        assert_eq!(body.len() % 4, 0);
    }
}
