//! SOCKS5 (RFC 1928): no authentication, CONNECT only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncWrite};

use super::target::Host;
use super::{Front, Kind, ProxyError, SOCKS5, Target};

/// Reads greeting and request; says on the way that no authentication is wanted.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(front: &mut Front<S>) -> Result<(Kind, Target, Vec<u8>), ProxyError> {
    choose_method(front).await?;
    front.need(5, "its SOCKS5 request").await?; // one byte of the address: the length of a name
    let &[version, command, _reserved, kind, first, ..] = front.buffer.as_slice() else {
        return Err(ProxyError::Closed { doing: "its SOCKS5 request", bytes: front.buffer.len() });
    };
    if version != SOCKS5 {
        return Err(ProxyError::SocksVersion { version });
    }
    let (begin, length) = match kind {
        IPV4 => (4, 4),
        IPV6 => (4, 16),
        NAME => (5, usize::from(first)),
        _ => return Err(ProxyError::AddressType { kind }),
    };
    front.need(begin + length + 2, "its SOCKS5 request").await?;
    if command != CONNECT {
        return Err(ProxyError::Command { command });
    }
    let rest = front.buffer.split_off(begin + length + 2);
    let (address, port) = front.buffer[begin..].split_at(length);
    let port = u16::from_be_bytes([port[0], port[1]]);
    let host = host(address, kind).filter(|_| port != 0);
    let host = host.ok_or_else(|| ProxyError::BadTarget { target: format!("{}:{port}", address.escape_ascii()) })?;
    Ok((Kind::Socks5, Target { host, port }, rest))
}

/// A reply (RFC 1928 section 6), with no address to tell.
pub(super) fn reply(code: u8) -> [u8; 10] {
    [SOCKS5, code, 0, IPV4, 0, 0, 0, 0, 0, 0]
}

/// RFC 1928 section 3.
async fn choose_method<S: AsyncRead + AsyncWrite + Unpin>(front: &mut Front<S>) -> Result<(), ProxyError> {
    front.need(2, "its SOCKS5 greeting").await?;
    let end = 2 + usize::from(front.buffer[1]);
    front.need(end, "its SOCKS5 greeting").await?;
    let rest = front.buffer.split_off(end);
    let greeting = std::mem::replace(&mut front.buffer, rest);
    if !greeting[2..].contains(&NO_AUTHENTICATION) {
        return Err(ProxyError::Authentication { methods: greeting[2..].to_vec() });
    }
    front.say(&[SOCKS5, NO_AUTHENTICATION]).await
}

fn host(address: &[u8], kind: u8) -> Option<Host> {
    match kind {
        IPV4 => <[u8; 4]>::try_from(address).ok().map(|octets| Host::Ip(IpAddr::V4(Ipv4Addr::from(octets)))),
        IPV6 => <[u8; 16]>::try_from(address).ok().map(|octets| Host::Ip(IpAddr::V6(Ipv6Addr::from(octets)))),
        _ => Host::parse(std::str::from_utf8(address).ok()?),
    }
}

/// METHOD: no authentication required.
const NO_AUTHENTICATION: u8 = 0x00;
/// The whole answer to a greeting without a method that is served.
pub(super) const NO_METHOD: [u8; 2] = [SOCKS5, 0xff];
/// CMD.
const CONNECT: u8 = 0x01;
/// ATYP.
const IPV4: u8 = 0x01;
const NAME: u8 = 0x03;
const IPV6: u8 = 0x04;
/// REP.
pub(super) const SUCCEEDED: u8 = 0x00;
pub(super) const GENERAL: u8 = 0x01;
pub(super) const COMMAND: u8 = 0x07;
pub(super) const ADDRESS_TYPE: u8 = 0x08;
