//! Encryption from member to member: `NNpsk0` of the Noise Protocol Framework (revision 34), by the crate `snow`.
//!
//! Both members know one secret of 32 octets that they agreed on where the box was not: it authenticates both. Each conversation has
//! keys of its own (X25519), so that who learns the secret later cannot read what was said before. Who carries the messages learns
//! how many there are, how long and when. Each message is answered with an empty one, encrypted too: then it was heard.

use std::fmt;

use snow::{Builder, HandshakeState, TransportState};
use zeroize::Zeroizing;

use super::super::Failure;
use super::plain;
use super::talk::Talk;

/// What two members agreed on.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// A new one.
    pub(super) fn random() -> Self {
        let mut octets = Zeroizing::new([0; 32]);
        if aws_lc_rs::rand::fill(octets.as_mut_slice()).is_err() {
            unreachable!("the system's random generator failed");
        }
        Self(octets)
    }

    /// 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut octets = Zeroizing::new([0; 32]);
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (octet, digits) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(octets))
    }
}

/// As it is given to the other member.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(32 octets)")
    }
}

/// Begins the conversation, says everything, and waits until each was heard.
pub(super) async fn say(talk: &mut Talk, secret: &Secret, room: &str, texts: &[String]) -> Result<(), Failure> {
    let mut handshake = builder(secret, room).and_then(Builder::build_initiator).map_err(failed)?;
    talk.octets(&write(&mut handshake)?).await?;
    read(&mut handshake, &talk.next_octets().await?)?;
    let mut sealed = handshake.into_transport_mode().map_err(failed)?;
    for text in texts {
        if text.len() > LONGEST_TEXT {
            return Err(Failure::Setting { what: "--say".to_owned(), reason: format!("at most {LONGEST_TEXT} bytes") });
        }
        talk.octets(&seal(&mut sealed, text.as_bytes())?).await?;
        unseal(&mut sealed, &talk.next_octets().await?)?;
    }
    Ok(())
}

/// Answers whoever begins, and hears so many messages.
pub(super) async fn hear(talk: &mut Talk, secret: &Secret, room: &str, count: usize) -> Result<Vec<String>, Failure> {
    let mut handshake = builder(secret, room).and_then(Builder::build_responder).map_err(failed)?;
    read(&mut handshake, &talk.next_octets().await?)?;
    talk.octets(&write(&mut handshake)?).await?;
    let mut sealed = handshake.into_transport_mode().map_err(failed)?;
    let mut heard = Vec::new();
    while heard.len() < count {
        let text = unseal(&mut sealed, &talk.next_octets().await?)?;
        heard.push(plain(&String::from_utf8_lossy(&text)));
        talk.octets(&seal(&mut sealed, b"")?).await?;
    }
    Ok(heard)
}

/// The room is part of what both must agree on: a message cannot be carried into another one.
fn builder<'a>(secret: &'a Secret, room: &'a str) -> Result<Builder<'a>, snow::Error> {
    Builder::new(PATTERN.parse()?).prologue(room.as_bytes())?.psk(0, &secret.0)
}

fn write(handshake: &mut HandshakeState) -> Result<Vec<u8>, Failure> {
    let mut message = vec![0; LONGEST_HANDSHAKE];
    let length = handshake.write_message(&[], &mut message).map_err(failed)?;
    message.truncate(length);
    Ok(message)
}

fn read(handshake: &mut HandshakeState, message: &[u8]) -> Result<(), Failure> {
    let mut payload = vec![0; message.len()];
    handshake.read_message(message, &mut payload).map(drop).map_err(failed)
}

fn seal(sealed: &mut TransportState, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut message = vec![0; text.len() + TAG];
    let length = sealed.write_message(text, &mut message).map_err(failed)?;
    message.truncate(length);
    Ok(message)
}

fn unseal(sealed: &mut TransportState, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut text = vec![0; message.len()];
    let length = sealed.read_message(message, &mut text).map_err(failed)?;
    text.truncate(length);
    Ok(text)
}

fn failed(error: snow::Error) -> Failure {
    Failure::Http(match error {
        snow::Error::Decrypt => "the other member has another secret, or somebody changed a message on the way".to_owned(),
        other => format!("Noise: {other}"),
    })
}

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
/// An ephemeral key and a tag (sections 7.4 and 5.3).
const LONGEST_HANDSHAKE: usize = 32 + TAG;
/// RFC 8439 section 2.8.
const TAG: usize = 16;
/// Octets; a message of the lab's chat has at most 16 KiB.
const LONGEST_TEXT: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn shaken(one: &Secret, other: &Secret, rooms: [&str; 2]) -> Result<(TransportState, TransportState, Vec<Vec<u8>>), Failure> {
        let mut alice = builder(one, rooms[0]).and_then(Builder::build_initiator).map_err(failed)?;
        let mut bob = builder(other, rooms[1]).and_then(Builder::build_responder).map_err(failed)?;
        let first = write(&mut alice)?;
        read(&mut bob, &first)?;
        let second = write(&mut bob)?;
        read(&mut alice, &second)?;
        let done = |state: HandshakeState| state.into_transport_mode().map_err(failed);
        Ok((done(alice)?, done(bob)?, vec![first, second]))
    }

    #[test]
    fn two_members_with_one_secret_understand_each_other_and_nobody_else() {
        let secret = Secret::random();
        let (mut alice, mut bob, handshake) = shaken(&secret, &secret, ["/room/a"; 2]).unwrap();
        let message = seal(&mut alice, b"meet me at six").unwrap();
        assert_eq!(unseal(&mut bob, &message).unwrap(), b"meet me at six");
        assert!(unseal(&mut bob, &message).is_err(), "a message cannot be sent twice");
        let mut changed = seal(&mut alice, b"meet me at six").unwrap();
        changed[3] ^= 1;
        assert!(unseal(&mut bob, &changed).is_err());
        for octets in handshake.iter().chain([&message, &changed]) {
            assert!(octets.len() > 16 && !octets.windows(6).any(|six| six == b"at six"));
        }
    }

    #[test]
    fn another_secret_or_another_room_comes_to_nothing() {
        let (one, other) = (Secret::random(), Secret::random());
        assert!(shaken(&one, &other, ["/room/a"; 2]).is_err());
        assert!(shaken(&one, &one, ["/room/a", "/room/b"]).is_err());
    }

    #[test]
    fn a_secret_is_written_and_read_and_not_shown() {
        let secret = Secret::random();
        assert_eq!(Secret::parse(&secret.to_string()).unwrap().0, secret.0);
        assert_eq!(format!("{secret:?}"), "Secret(32 octets)");
        assert!(Secret::parse("ab").is_none() && Secret::parse(&"ö".repeat(32)).is_none());
    }
}
