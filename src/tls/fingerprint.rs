//! JA3 and JA4: what a ClientHello looks like, in one short word.
//!
//! JA3 (Salesforce, 2017) is the MD5 of five lists in the order of the wire. JA4 (FoxIO, 2023, BSD licence) sorts ciphers
//! and extensions, so that browsers that shuffle them keep one fingerprint. JA4S, JA4H and the rest of "JA4+" are under
//! another licence and are not here. Both leave GREASE (RFC 8701) out.

use aws_lc_rs::digest::{SHA256, digest};
use md5::{Digest as _, Md5};

use super::hello::{ALPN, ClientHello, SERVER_NAME};
use crate::scenario::Transport;

/// JA3: MD5, hex, of [`ja3_text`].
pub fn ja3(hello: &ClientHello) -> String {
    hex(&Md5::digest(ja3_text(hello)))
}

/// What JA3 hashes: `version,ciphers,extensions,groups,formats`, decimal, joined by `-`.
pub fn ja3_text(hello: &ClientHello) -> String {
    let kinds: Vec<u16> = hello.extensions().map(|(kind, _)| kind).collect();
    let formats: Vec<u16> = hello.ec_formats().iter().map(|&f| u16::from(f)).collect();
    format!(
        "{},{},{},{},{}",
        hello.legacy_version(),
        decimals(hello.ciphers()),
        decimals(&kinds),
        decimals(hello.groups()),
        decimals(&formats)
    )
}

/// JA4, such as `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub fn ja4(hello: &ClientHello, transport: Transport) -> String {
    let (ciphers, extensions) = ja4_text(hello);
    format!("{}_{}_{}", ja4_a(hello, transport), ja4_hash(&ciphers), ja4_hash(&extensions))
}

/// What the second and third part of JA4 hash: sorted ciphers; sorted extensions, `_`, signature algorithms as sent.
pub fn ja4_text(hello: &ClientHello) -> (String, String) {
    let kinds = hello.extensions().map(|(kind, _)| kind).filter(|&kind| kind != SERVER_NAME && kind != ALPN);
    let mut extensions = hex_list(sorted(kinds));
    let algorithms = hex_list(without_grease(hello.signature_algorithms()));
    if !extensions.is_empty() && !algorithms.is_empty() {
        extensions = format!("{extensions}_{algorithms}");
    }
    (hex_list(sorted(hello.ciphers().iter().copied())), extensions)
}

/// True for the values that clients send so that servers stay tolerant (RFC 8701 section 2): 0x0a0a, 0x1a1a ... 0xfafa.
pub fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 0xf]).map(|n| char::from(HEX[usize::from(n)])).collect()
}

/// Transport, version, SNI or not, two counts, first protocol.
fn ja4_a(hello: &ClientHello, transport: Transport) -> String {
    let transport = match transport {
        Transport::Tcp => 't',
        Transport::Udp => 'q',
    };
    let sni = if hello.extension(SERVER_NAME).is_some() { 'd' } else { 'i' };
    let ciphers = without_grease(hello.ciphers()).count().min(99);
    let extensions = hello.extensions().filter(|(kind, _)| !is_grease(*kind)).count().min(99);
    format!("{transport}{}{sni}{ciphers:02}{extensions:02}{}", ja4_version(hello), ja4_alpn(hello))
}

fn ja4_version(hello: &ClientHello) -> &'static str {
    match without_grease(hello.supported_versions()).max().unwrap_or(hello.legacy_version()) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hex if either is no letter or digit; `00` if there is none.
fn ja4_alpn(hello: &ClientHello) -> String {
    let Some([first, .., last] | [first @ last]) = hello.alpn().first().map(Vec::as_slice) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    [char::from(HEX[usize::from(first >> 4)]), char::from(HEX[usize::from(last & 0xf)])].iter().collect()
}

fn ja4_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..6])
}

fn sorted(values: impl Iterator<Item = u16>) -> impl Iterator<Item = u16> {
    let mut values: Vec<u16> = values.filter(|&v| !is_grease(v)).collect();
    values.sort_unstable();
    values.into_iter()
}

fn without_grease(values: &[u16]) -> impl Iterator<Item = u16> {
    values.iter().copied().filter(|&v| !is_grease(v))
}

fn decimals(values: &[u16]) -> String {
    without_grease(values).map(|v| v.to_string()).collect::<Vec<_>>().join("-")
}

fn hex_list(values: impl Iterator<Item = u16>) -> String {
    values.map(|v| format!("{v:04x}")).collect::<Vec<_>>().join(",")
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::hello::build::Build;

    /// The hello that FoxIO's technical description of JA4 spells out, list by list.
    #[test]
    fn ja4_of_the_published_example() {
        let ciphers = [
            0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f,
            0x0035,
        ];
        let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        let mut build = Build::new().ciphers(&[0x3a3a]).ciphers(&ciphers).sni("example.com").alpn(&[b"h2", b"http/1.1"]);
        build = build.versions(&[0xbaba, 0x0304, 0x0303]).signature_algorithms(&algorithms).grease(0x0a0a);
        for kind in [0x001b, 0x0033, 0x4469, 0x0017, 0x002d, 0x0005, 0x0023, 0x0012, 0xff01, 0x000b, 0x000a, 0x0015] {
            build = build.extension(kind, &[]);
        }
        let hello = build.hello();
        assert_eq!(ja4(&hello, Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(ja4(&hello, Transport::Udp), "q13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    /// Vectors of the JA3 description, which gives both the text and its MD5.
    #[test]
    fn ja3_of_the_published_examples() {
        let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let hello = Build::new().version(769).ciphers(&ciphers).sni("a.test").groups(&[23, 24, 25]).formats(&[0]).hello();
        assert_eq!(ja3_text(&hello), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        let bare = Build::new().version(769).ciphers(&[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99]).hello();
        assert_eq!(ja3_text(&bare), "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(ja3(&bare), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn ja4_alpn_of_odd_protocols() {
        let alpn = |bytes: &[u8]| ja4_alpn(&Build::new().alpn(&[bytes]).hello());
        assert_eq!(alpn(b"h2"), "h2");
        assert_eq!(alpn(b"http/1.1"), "h1");
        assert_eq!(alpn(b"x"), "xx");
        assert_eq!(alpn(&[0xab]), "ab");
        assert_eq!(alpn(&[0xab, 0xcd]), "ad");
        assert_eq!(alpn(&[0x30, 0xab]), "3b");
        assert_eq!(alpn(&[0x30, 0xab, 0xcd, 0x31]), "01".to_owned());
        assert_eq!(alpn(b""), "00");
    }

    #[test]
    fn ja4_of_next_to_nothing() {
        let hello = Build::new().version(0x0301).hello();
        assert_eq!(ja4(&hello, Transport::Tcp), "t10i000000_000000000000_000000000000");
    }

    #[test]
    fn grease_is_sixteen_values() {
        assert_eq!((0..=u16::MAX).filter(|&v| is_grease(v)).count(), 16);
        assert!(is_grease(0x0a0a) && is_grease(0xfafa) && !is_grease(0x0a1a) && !is_grease(0x0b0b));
    }
}
