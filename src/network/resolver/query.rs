//! Reading a DNS query (RFC 1035 section 4.1).
//!
//! Read by hand and not by a packet library: a library refuses types that it does not know, where a resolver must say
//! "no such record"; and the question is echoed byte for byte, so that a client that mixes the case of letters against
//! forgery (the "0x20" method) finds its own spelling again.

use super::reply::Rcode;
use crate::scenario::Transport;

/// A query that can be answered.
#[derive(Clone, Debug)]
pub(super) struct Query<'a> {
    pub(super) header: Header,
    /// Name, type and class as sent.
    pub(super) question: &'a [u8],
    /// Lower case, no final dot; `.` in a label is written `\.`, odd octets `\DDD`. Empty for the root.
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) edns: Option<Edns>,
}

/// What of the header an answer needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
}

/// What the OPT record said (RFC 6891 section 6.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Edns {
    pub(super) size: u16,
    pub(super) version: u8,
    pub(super) dnssec_ok: bool,
}

/// Why a message is no query that can be answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bad {
    /// Not even a header, or an answer: dropped, so that two servers cannot talk to each other for ever.
    Garbage,
    /// FORMERR.
    Format(Header),
    /// NOTIMP.
    Opcode(Header),
}

impl<'a> Query<'a> {
    /// Reads a message.
    pub(super) fn read(message: &'a [u8]) -> Result<Self, Bad> {
        let word = |at: usize| message.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let (Some(id), Some(flags)) = (word(0), word(2)) else { return Err(Bad::Garbage) };
        let (Some(questions), Some(answers), Some(authorities), Some(additional)) = (word(4), word(6), word(8), word(10)) else {
            return Err(Bad::Garbage);
        };
        if flags & FLAG_RESPONSE != 0 {
            return Err(Bad::Garbage);
        }
        let header = Header { id, flags };
        if flags & OPCODE != 0 {
            return Err(Bad::Opcode(header));
        }
        let format = Bad::Format(header);
        // One question, always (RFC 9619).
        if questions != 1 {
            return Err(format);
        }
        let mut reader = Reader { message, at: HEADER };
        let name = reader.name().ok_or(format)?;
        let (kind, class) = (reader.word().ok_or(format)?, reader.word().ok_or(format)?);
        let question = &message[HEADER..reader.at];
        let others = u32::from(answers) + u32::from(authorities);
        let edns = reader.edns(others, u32::from(additional)).ok_or(format)?;
        Ok(Self { header, question, name, kind, class, edns })
    }

    /// The most octets that an answer may have.
    pub(super) fn limit(&self, transport: Transport) -> usize {
        match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => self.edns.map_or(512, |edns| usize::from(edns.size.clamp(512, OUR_SIZE))),
        }
    }
}

impl Header {
    /// An answer without a question: for messages that could not be read.
    pub(super) fn refused(self, rcode: Rcode) -> Vec<u8> {
        let flags = FLAG_RESPONSE | self.flags & (OPCODE | FLAG_RECURSION_DESIRED) | FLAG_RECURSION_AVAILABLE | rcode.low();
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.message.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|&at| at <= self.message.len())?;
        Some(())
    }

    /// A name without compression: nothing stands before a question that it could point to.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let begin = self.at;
        loop {
            let length = usize::from(self.byte()?);
            if length == 0 {
                return Some(name);
            }
            if length > 63 || self.at + length - begin > 254 {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            for _ in 0..length {
                push_octet(&mut name, self.byte()?);
            }
        }
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                pointer if pointer >= 0xc0 => return self.skip(1),
                length if length <= 63 => self.skip(usize::from(length))?,
                _ => return None,
            }
        }
    }

    /// The OPT record among the additional ones, if there is one. None if the message is malformed or has two.
    fn edns(&mut self, others: u32, additional: u32) -> Option<Option<Edns>> {
        let mut found = None;
        for number in 0..others + additional {
            let is_root = self.message.get(self.at) == Some(&0);
            self.skip_name()?;
            let (kind, class) = (self.word()?, self.word()?);
            let (high, low) = (self.word()?, self.word()?);
            let length = self.word()?;
            self.skip(usize::from(length))?;
            if kind == OPT && number >= others {
                if found.is_some() || !is_root {
                    return None;
                }
                found = Some(Edns { size: class, version: high.to_be_bytes()[1], dnssec_ok: low & 0x8000 != 0 });
            }
        }
        Some(found)
    }
}

/// As zone files write it (RFC 1035 section 5.1).
fn push_octet(name: &mut String, octet: u8) {
    match octet {
        b'.' | b'\\' => {
            name.push('\\');
            name.push(char::from(octet));
        }
        0x21..=0x7e => name.push(char::from(octet.to_ascii_lowercase())),
        _ => name.push_str(&format!("\\{octet:03}")),
    }
}

/// Name of a type; `TYPE123` for one without (RFC 3597 section 5).
pub(super) fn kind_name(kind: u16) -> String {
    KINDS.iter().find(|(own, _)| *own == kind).map_or_else(|| format!("TYPE{kind}"), |(_, name)| (*name).to_owned())
}

/// AXFR and IXFR: nobody gets a whole zone.
pub(super) fn is_transfer(kind: u16) -> bool {
    matches!(kind, 251 | 252)
}

/// Octets of the header.
pub(super) const HEADER: usize = 12;
/// The size that we offer and the most that we send over UDP: no fragments on any path (DNS flag day 2020).
pub(super) const OUR_SIZE: u16 = 1232;
pub(super) const FLAG_RESPONSE: u16 = 0x8000;
pub(super) const FLAG_AUTHORITATIVE: u16 = 0x0400;
pub(super) const FLAG_TRUNCATED: u16 = 0x0200;
pub(super) const FLAG_RECURSION_DESIRED: u16 = 0x0100;
pub(super) const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;
pub(super) const FLAG_CHECKING_DISABLED: u16 = 0x0010;
const OPCODE: u16 = 0x7800;
/// Class Internet.
pub(super) const IN: u16 = 1;
pub(super) const A: u16 = 1;
pub(super) const SOA: u16 = 6;
pub(super) const PTR: u16 = 12;
pub(super) const AAAA: u16 = 28;
pub(super) const OPT: u16 = 41;
pub(super) const SVCB: u16 = 64;
pub(super) const HTTPS: u16 = 65;
pub(super) const ANY: u16 = 255;

const KINDS: [(u16, &str); 22] = [
    (A, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (SOA, "SOA"),
    (PTR, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (AAAA, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (43, "DS"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (SVCB, "SVCB"),
    (HTTPS, "HTTPS"),
    (251, "IXFR"),
    (252, "AXFR"),
    (ANY, "ANY"),
    (257, "CAA"),
];
