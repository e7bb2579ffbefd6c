//! Writing a DNS answer (RFC 1035 section 4.1), with EDNS (RFC 6891) where the query had it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::query::{
    A, AAAA, FLAG_AUTHORITATIVE, FLAG_CHECKING_DISABLED, FLAG_RECURSION_AVAILABLE, FLAG_RECURSION_DESIRED, FLAG_RESPONSE,
    FLAG_TRUNCATED, HEADER, HTTPS, IN, OPT, OUR_SIZE, PTR, Query, SOA,
};
use super::svcb::Binding;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name for an address.
    Ptr(String),
    /// What to know of the host before dialling it.
    Https(Binding),
}

/// Response codes (RFC 1035 section 4.1.1; BADVERS RFC 6891 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    BadVers = 16,
}

/// An answer before it is bytes.
#[derive(Clone, Debug)]
pub(super) struct Reply<'a> {
    query: &'a Query<'a>,
    rcode: Rcode,
    records: Vec<Data>,
    denial: Option<Denial>,
}

/// Whose SOA goes with a negative answer (RFC 2308 section 3): it tells how long "no" may be kept.
#[derive(Clone, Copy, Debug)]
enum Denial {
    /// The name exists, the record does not: the name's own.
    NoData,
    /// No such name: the root's.
    NoName,
}

impl<'a> Reply<'a> {
    /// Records, or "the name exists, this record does not".
    pub(super) fn found(query: &'a Query<'a>, records: Vec<Data>) -> Self {
        let denial = records.is_empty().then_some(Denial::NoData);
        Self { query, rcode: Rcode::NoError, records, denial }
    }

    /// NXDOMAIN.
    pub(super) fn no_such_name(query: &'a Query<'a>) -> Self {
        Self { query, rcode: Rcode::NxDomain, records: Vec::new(), denial: Some(Denial::NoName) }
    }

    /// A code and nothing else.
    pub(super) fn failed(query: &'a Query<'a>, rcode: Rcode) -> Self {
        Self { query, rcode, records: Vec::new(), denial: None }
    }

    /// Another address than the true one. A question for the other family gets an empty answer, as injectors give.
    pub(super) fn forged(query: &'a Query<'a>, address: IpAddr) -> Self {
        let data = Data::from(address);
        let records = if data.kind() == query.kind { vec![data] } else { Vec::new() };
        Self::found(query, records)
    }

    /// Takes records of these types out.
    pub(super) fn strip(&mut self, kinds: &[u16]) {
        self.records.retain(|data| !kinds.contains(&data.kind()));
        if self.records.is_empty() && self.rcode == Rcode::NoError {
            self.denial = Some(Denial::NoData); // what a resolver says that never had any
        }
    }

    /// Changes what HTTPS records say; one that says nothing more is taken out.
    pub(super) fn change_bindings(&mut self, change: impl Fn(&mut Binding)) {
        for data in &mut self.records {
            if let Data::Https(binding) = data {
                change(binding);
            }
        }
        self.records.retain(|data| *data != Data::Https(Binding::default()));
        self.strip(&[]);
    }

    /// For the record: presentation form, or the code.
    pub(super) fn told(&self) -> Vec<String> {
        match self.rcode {
            Rcode::NoError if self.records.is_empty() => vec!["(no such record)".to_owned()],
            Rcode::NoError => self.records.iter().map(Data::told).collect(),
            other => vec![other.name().to_owned()],
        }
    }

    /// The message, at most `limit` octets: if it is larger, TC and no records (RFC 2181 section 9).
    pub(super) fn bytes(&self, limit: usize) -> Vec<u8> {
        let whole = self.write(false);
        if whole.len() <= limit { whole } else { self.write(true) }
    }

    fn write(&self, truncated: bool) -> Vec<u8> {
        let records: &[Data] = if truncated { &[] } else { &self.records };
        let denial = self.denial.filter(|_| !truncated);
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
        let mut out = Vec::with_capacity(HEADER + self.query.question.len() + 64 * (records.len() + 1));
        out.extend(self.query.header.id.to_be_bytes());
        out.extend(self.flags(truncated).to_be_bytes());
        out.extend(count(1));
        out.extend(count(records.len()));
        out.extend(count(usize::from(denial.is_some())));
        out.extend(count(usize::from(self.query.edns.is_some())));
        out.extend(self.query.question);
        for data in records {
            push_record(&mut out, &QUESTION_NAME, data.kind(), &data.bytes());
        }
        if let Some(denial) = denial {
            let owner: &[u8] = if matches!(denial, Denial::NoData) { &QUESTION_NAME } else { &ROOT };
            push_record(&mut out, owner, SOA, &soa());
        }
        self.push_edns(&mut out);
        out
    }

    fn flags(&self, truncated: bool) -> u16 {
        let echoed = self.query.header.flags & (FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED);
        let authoritative = if matches!(self.rcode, Rcode::NoError | Rcode::NxDomain) { FLAG_AUTHORITATIVE } else { 0 };
        let truncated = if truncated { FLAG_TRUNCATED } else { 0 };
        FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | echoed | authoritative | truncated | self.rcode.low()
    }

    /// OPT if the query had one (RFC 6891 section 7): our size, the high bits of the code, the DO bit as sent.
    fn push_edns(&self, out: &mut Vec<u8>) {
        let Some(edns) = self.query.edns else { return };
        out.push(0);
        out.extend(OPT.to_be_bytes());
        out.extend(OUR_SIZE.to_be_bytes());
        out.extend([self.rcode as u8 >> 4, 0]);
        out.extend((u16::from(edns.dnssec_ok) << 15).to_be_bytes());
        out.extend([0, 0]);
    }
}

impl Data {
    /// Its type.
    pub(super) fn kind(&self) -> u16 {
        match self {
            Self::A(_) => A,
            Self::Aaaa(_) => AAAA,
            Self::Ptr(_) => PTR,
            Self::Https(_) => HTTPS,
        }
    }

    /// The address, if it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) => Some(IpAddr::V6(*address)),
            Self::Ptr(_) | Self::Https(_) => None,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::A(address) => format!("A {address}"),
            Self::Aaaa(address) => format!("AAAA {address}"),
            Self::Ptr(name) => format!("PTR {name}"),
            Self::Https(binding) => binding.told(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::A(address) => address.octets().to_vec(),
            Self::Aaaa(address) => address.octets().to_vec(),
            Self::Ptr(name) => wire_name(name),
            Self::Https(binding) => binding.bytes(),
        }
    }
}

impl From<IpAddr> for Data {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

impl Rcode {
    /// The four bits that stand in the header.
    pub(super) fn low(self) -> u16 {
        self as u16 & 0x0f
    }

    fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::BadVers => "BADVERS",
        }
    }
}

fn push_record(out: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) {
    out.extend(owner);
    out.extend(kind.to_be_bytes());
    out.extend(IN.to_be_bytes());
    out.extend(TTL.to_be_bytes());
    out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(data);
}

fn soa() -> Vec<u8> {
    let mut data = wire_name("ns.mitmlab.invalid");
    data.extend(wire_name("nobody.invalid"));
    // Serial, refresh, retry, expire, minimum: the last one is how long "no" may be kept (RFC 2308 section 4).
    for number in [1, 3600, 600, 86400, TTL] {
        data.extend(number.to_be_bytes());
    }
    data
}

/// A name in wire form. Labels that are too long for it are cut: the plan has none.
fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(label.len() as u8);
        bytes.extend(label);
    }
    bytes.truncate(254);
    bytes.push(0);
    bytes
}

/// A pointer to the name in the question, which always stands at the same place.
const QUESTION_NAME: [u8; 2] = [0xc0, HEADER as u8];
const ROOT: [u8; 1] = [0];
/// Seconds. Short: the next leg of a check may be told something else.
const TTL: u32 = 60;
