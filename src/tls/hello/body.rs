//! The ClientHello message and the extensions that the lab looks into.
//!
//! The message itself must be well formed. An extension whose *body* is not is kept as sent and named in
//! [`ClientHello::unreadable`]: a box reads what it can, and an odd client is what a lab is for.

use std::ops::Range;

use super::client_hello::{ClientHello, Offers};
use super::reader::Reader;
use super::server_name::ServerName;
use super::{Framing, Malformed};

/// Reads a whole handshake message (type, length, body).
pub(super) fn parse(raw: Vec<u8>, framing: Framing) -> Result<ClientHello, Malformed> {
    let mut reader = Reader::new(&raw, 0..raw.len());
    let kind = reader.u8("msg_type")?;
    if kind != super::CLIENT_HELLO {
        return Err(Malformed::OtherMessage(kind));
    }
    let high = usize::from(reader.u8("length")?);
    if (high << 16) + usize::from(reader.u16("length")?) != reader.left() {
        return Err(Malformed::Length("ClientHello"));
    }
    let legacy_version = reader.u16("legacy_version")?;
    let random = reader.take(32, "random")?;
    let session_id = reader.vec8("legacy_session_id")?;
    if session_id.len() > 32 {
        return Err(Malformed::Length("legacy_session_id"));
    }
    let ciphers = reader.vec16("cipher_suites")?;
    let ciphers = reader.u16s(ciphers, "cipher_suites")?;
    let compression = reader.vec8("legacy_compression_methods")?;
    let extensions = extensions(&mut reader)?;
    let offers = offers(&reader, &extensions);
    Ok(ClientHello { framing, legacy_version, random, session_id, ciphers, compression, extensions, offers, raw })
}

/// The extensions block; a hello without one is fine (RFC 5246 section 7.4.1.2).
fn extensions(reader: &mut Reader<'_>) -> Result<Vec<(u16, Range<usize>)>, Malformed> {
    if reader.is_empty() {
        return Ok(Vec::new());
    }
    let block = reader.vec16("extensions")?;
    reader.done("ClientHello")?;
    let mut block = reader.inside(block);
    let mut found = Vec::new();
    while !block.is_empty() {
        let kind = block.u16("extension_type")?;
        found.push((kind, block.vec16("extension_data")?));
    }
    Ok(found)
}

fn offers(reader: &Reader<'_>, extensions: &[(u16, Range<usize>)]) -> Offers {
    let mut offers = Offers::default();
    for (kind, range) in extensions {
        let mut body = reader.inside(range.clone());
        if offer(&mut offers, *kind, &mut body).is_err() {
            offers.unreadable.push(*kind);
        }
    }
    offers
}

/// Reads one extension. Of two with the same type (forbidden, RFC 8446 section 4.2) the first is what counts.
fn offer(offers: &mut Offers, kind: u16, body: &mut Reader<'_>) -> Result<(), Malformed> {
    match kind {
        SERVER_NAME => names(&mut offers.names, body),
        SUPPORTED_GROUPS => first(&mut offers.groups, body.list16("named_group_list")?),
        EC_POINT_FORMATS => first(&mut offers.ec_formats, body.list8("ec_point_format_list")?),
        SIGNATURE_ALGORITHMS => first(&mut offers.signature_algorithms, body.list16("supported_signature_algorithms")?),
        ALPN => first(&mut offers.alpn, protocols(body)?),
        PRE_SHARED_KEY => seen(&mut offers.psk),
        EARLY_DATA => seen(&mut offers.early_data),
        SUPPORTED_VERSIONS => first(&mut offers.versions, versions(body)?),
        KEY_SHARE => first(&mut offers.key_shares, key_shares(body)?),
        ENCRYPTED_CLIENT_HELLO => seen(&mut offers.ech),
        _ => Ok(()),
    }
}

fn seen(place: &mut bool) -> Result<(), Malformed> {
    *place = true;
    Ok(())
}

fn first<T>(place: &mut Vec<T>, found: Vec<T>) -> Result<(), Malformed> {
    if place.is_empty() {
        *place = found;
    }
    Ok(())
}

/// RFC 6066 section 3. Names of a type other than host_name have a two-byte length too, and are passed over.
fn names(names: &mut Vec<ServerName>, body: &mut Reader<'_>) -> Result<(), Malformed> {
    let list = body.vec16("server_name_list")?;
    let mut list_reader = body.inside(list);
    while !list_reader.is_empty() {
        let kind = list_reader.u8("name_type")?;
        let name = list_reader.vec16("HostName")?;
        if kind == HOST_NAME {
            names.push(ServerName::new(list_reader.bytes(name)));
        }
    }
    body.done("server_name")?;
    if names.is_empty() { Err(Malformed::Length("server_name_list")) } else { Ok(()) }
}

/// RFC 7301 section 3.1.
fn protocols(body: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let list = body.vec16("protocol_name_list")?;
    let mut list = body.inside(list);
    let mut found = Vec::new();
    while !list.is_empty() {
        let name = list.vec8("ProtocolName")?;
        found.push(list.bytes(name).to_vec());
    }
    Ok(found)
}

/// RFC 8446 section 4.2.1.
fn versions(body: &mut Reader<'_>) -> Result<Vec<u16>, Malformed> {
    let list = body.vec8("supported_versions")?;
    body.u16s(list, "supported_versions")
}

/// RFC 8446 section 4.2.8: the groups; the keys are left alone.
fn key_shares(body: &mut Reader<'_>) -> Result<Vec<u16>, Malformed> {
    let list = body.vec16("client_shares")?;
    let mut list = body.inside(list);
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(list.u16("group")?);
        list.vec16("key_exchange")?;
    }
    Ok(found)
}

impl Reader<'_> {
    fn list8(&mut self, field: &'static str) -> Result<Vec<u8>, Malformed> {
        let list = self.vec8(field)?;
        Ok(self.bytes(list).to_vec())
    }

    fn list16(&mut self, field: &'static str) -> Result<Vec<u16>, Malformed> {
        let list = self.vec16(field)?;
        self.u16s(list, field)
    }
}

/// RFC 6066 section 3.
pub(crate) const SERVER_NAME: u16 = 0x0000;
/// RFC 6066 section 3: NameType of a host name.
const HOST_NAME: u8 = 0x00;
/// RFC 8446 section 4.2.7.
const SUPPORTED_GROUPS: u16 = 0x000a;
/// RFC 8422 section 5.1.2.
const EC_POINT_FORMATS: u16 = 0x000b;
/// RFC 8446 section 4.2.3.
const SIGNATURE_ALGORITHMS: u16 = 0x000d;
/// RFC 7301.
pub(crate) const ALPN: u16 = 0x0010;
/// RFC 8446 section 4.2.11.
const PRE_SHARED_KEY: u16 = 0x0029;
/// RFC 8446 section 4.2.10.
const EARLY_DATA: u16 = 0x002a;
/// RFC 8446 section 4.2.1.
const SUPPORTED_VERSIONS: u16 = 0x002b;
/// RFC 8446 section 4.2.8.
const KEY_SHARE: u16 = 0x0033;
/// RFC 9849 section 5.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
