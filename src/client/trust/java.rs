//! Java trust stores: PKCS #12 (RFC 7292) and JKS, written from scratch so that no `keytool` is needed.
//!
//! Java takes a certificate in a PKCS #12 file for a trust anchor only if its bag carries Oracle's *trustedKeyUsage*
//! attribute (JDK `sun.security.pkcs12.PKCS12KeyStore`). The certificates are not encrypted: they are public.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::hmac;
use rustls_pki_types::CertificateDer;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

/// A PKCS #12 file with one trusted certificate bag for each certificate.
pub(super) fn pkcs12(certificates: &[CertificateDer<'_>], password: &str) -> Vec<u8> {
    let contents = yasna::construct_der(|w| {
        w.write_sequence_of(|w| certificates.iter().enumerate().for_each(|(n, c)| bag(w.next(), n, c)));
    });
    let authenticated_safe = yasna::construct_der(|w| w.write_sequence(|w| data(w.next(), &contents)));
    let salt = &MAC_SALT;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &mac_key(password, salt, MAC_ITERATIONS));
    let mac = hmac::sign(&key, &authenticated_safe);
    yasna::construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_u8(3); // version (section 4)
            data(w.next(), &authenticated_safe);
            w.next().write_sequence(|w| {
                w.next().write_sequence(|w| {
                    w.next().write_sequence(|w| {
                        w.next().write_oid(&oid(&[1, 3, 14, 3, 2, 26])); // id-sha1
                        w.next().write_null();
                    });
                    w.next().write_bytes(mac.as_ref());
                });
                w.next().write_bytes(salt);
                w.next().write_u32(MAC_ITERATIONS);
            });
        });
    })
}

/// The same certificates as JKS, version 2 (JDK `sun.security.provider.JavaKeyStore`).
pub(super) fn jks(certificates: &[CertificateDer<'_>], password: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xfeed_feed_u32.to_be_bytes());
    out.extend(2u32.to_be_bytes());
    out.extend((certificates.len() as u32).to_be_bytes());
    for (number, certificate) in certificates.iter().enumerate() {
        out.extend(2u32.to_be_bytes()); // a trusted certificate
        utf(&mut out, &alias(number));
        out.extend(0u64.to_be_bytes()); // made in 1970: the file is the same every time
        utf(&mut out, "X.509");
        out.extend((certificate.len() as u32).to_be_bytes());
        out.extend(certificate.as_ref());
    }
    let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    password.encode_utf16().for_each(|unit| sum.update(&unit.to_be_bytes()));
    sum.update(b"Mighty Aphrodite"); // the format's own whitener
    sum.update(&out);
    out.extend(sum.finish().as_ref());
    out
}

/// A certBag (section 4.2.3) with a name and the attribute that makes it a trust anchor to Java.
fn bag(w: DERWriter<'_>, number: usize, certificate: &CertificateDer<'_>) {
    w.write_sequence(|w| {
        w.next().write_oid(&oid(&[1, 2, 840, 113549, 1, 12, 10, 1, 3])); // certBag
        w.next().write_tagged(Tag::context(0), |w| {
            w.write_sequence(|w| {
                w.next().write_oid(&oid(&[1, 2, 840, 113549, 1, 9, 22, 1])); // x509Certificate
                w.next().write_tagged(Tag::context(0), |w| w.write_bytes(certificate));
            });
        });
        w.next().write_set_of(|w| {
            w.next().write_sequence(|w| {
                w.next().write_oid(&oid(&[1, 2, 840, 113549, 1, 9, 20])); // friendlyName
                w.next().write_set_of(|w| w.next().write_bmp_string(&alias(number)));
            });
            w.next().write_sequence(|w| {
                w.next().write_oid(&oid(&[2, 16, 840, 1, 113894, 746875, 1, 1])); // Oracle trustedKeyUsage
                w.next().write_set_of(|w| w.next().write_oid(&oid(&[2, 5, 29, 37, 0]))); // anyExtendedKeyUsage
            });
        });
    });
}

/// ContentInfo of type data (section 4.1).
fn data(w: DERWriter<'_>, content: &[u8]) {
    w.write_sequence(|w| {
        w.next().write_oid(&oid(&[1, 2, 840, 113549, 1, 7, 1]));
        w.next().write_tagged(Tag::context(0), |w| w.write_bytes(content));
    });
}

/// The key of the MAC (RFC 7292 appendix B.2, ID 3). SHA-1 gives the 20 bytes in one round, so its last step never comes.
fn mac_key(password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    const BLOCK: usize = 64;
    let fill = |bytes: Vec<u8>| -> Vec<u8> {
        let length = bytes.len().div_ceil(BLOCK) * BLOCK;
        bytes.into_iter().cycle().take(length).collect()
    };
    let password = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let input = [vec![3; BLOCK], fill(salt.to_vec()), fill(password)].concat();
    let mut sum = aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &input);
    for _ in 1..iterations {
        sum = aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, sum.as_ref());
    }
    sum.as_ref().to_vec()
}

fn alias(number: usize) -> String {
    format!("mitmlab-{number}")
}

/// Java's `DataOutput.writeUTF`, for text without NUL or astral characters.
fn utf(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn oid(parts: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(parts)
}

/// SHA-1 because every Java reads it; the password is public, so the MAC guards against nothing but a torn file.
const MAC_ITERATIONS: u32 = 1024;
const MAC_SALT: [u8; 8] = *b"mitmlab\0";
