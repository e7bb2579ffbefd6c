//! TLS secrets of the lab's own connections, so that a capture can be decrypted by the reader that the secrets are given to.
//! Format: one line per secret, label, client random, secret (draft-ietf-tls-keylogfile, RFC 9850).
//!
//! Both ends that the lab holds should log here: the box towards the client and towards the origin, and the origins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::connection::Connection;

/// Secrets by client random. Cheap to clone; implements [`rustls::KeyLog`].
#[derive(Clone, Default)]
pub struct KeyLog(Arc<Mutex<Secrets>>);

#[derive(Default)]
struct Secrets {
    by_random: BTreeMap<Vec<u8>, Vec<Secret>>,
    dropped: u64,
}

/// A label and its secret.
type Secret = (String, Zeroizing<Vec<u8>>);

impl KeyLog {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The secrets of the connection whose hello had this random (hex, as in [`super::Hello::random`]), as key log lines.
    pub fn of(&self, random: &str) -> Option<Zeroizing<String>> {
        let random = unhex(random)?;
        let secrets = self.secrets();
        let lines = secrets.by_random.get(&random)?.iter().map(|(label, secret)| line(label, &random, secret));
        Some(Zeroizing::new(lines.collect()))
    }

    /// Everything as key log lines.
    pub fn lines(&self) -> Zeroizing<String> {
        let secrets = self.secrets();
        let each = secrets.by_random.iter().flat_map(|(random, all)| all.iter().map(move |(label, s)| line(label, random, s)));
        Zeroizing::new(each.collect())
    }

    /// Everything as a key log file's text: the secrets of each connection behind a comment that says which half of which it is.
    pub fn told(&self, connections: &[Connection]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        let mut known = BTreeSet::new();
        for connection in connections {
            let upstream = connection.upstream_hello.as_ref().map(|hello| ("origin", hello));
            let halves = connection.hello.as_ref().map(|hello| ("client", hello)).into_iter().chain(upstream);
            for (half, hello) in halves {
                let Some(lines) = self.of(&hello.random) else { continue };
                let _ = writeln!(text, "# {}, {half} half, {}", connection.id, connection.host()); // a String takes everything
                text.push_str(&lines);
                known.extend(unhex(&hello.random));
            }
        }
        let secrets = self.secrets();
        let rest = secrets.by_random.iter().filter(|(random, _)| !known.contains(*random)).peekable();
        for (at, (random, all)) in rest.enumerate() {
            if at == 0 {
                text.push_str("# other ends of the lab\n");
            }
            all.iter().for_each(|(label, secret)| text.push_str(&line(label, random, secret)));
        }
        text
    }

    /// Writes a key log file that only its owner can read.
    pub fn write(&self, path: &Path, connections: &[Connection]) -> std::io::Result<()> {
        super::create_private(path)?.write_all(self.told(connections).as_bytes())
    }

    /// How many connections have secrets here, and how many secrets were dropped because the store was full.
    pub fn counts(&self) -> (usize, u64) {
        let secrets = self.secrets();
        (secrets.by_random.len(), secrets.dropped)
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl rustls::KeyLog for KeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut secrets = self.secrets();
        if secrets.by_random.len() >= CONNECTIONS_AT_MOST && !secrets.by_random.contains_key(client_random) {
            secrets.dropped += 1;
            return;
        }
        let of_connection = secrets.by_random.entry(client_random.to_vec()).or_default();
        let known = of_connection.iter().any(|(l, s)| l == label && s.as_slice() == secret); // both ends log the same
        if !known {
            of_connection.push((label.to_owned(), Zeroizing::new(secret.to_vec())));
        }
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLog({} connections, secrets hidden)", self.counts().0)
    }
}

fn line(label: &str, random: &[u8], secret: &[u8]) -> String {
    format!("{label} {} {}\n", hex(random), hex(secret))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // a String takes everything
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok()).collect()
}

/// Connections whose secrets are kept: some 50 MB.
const CONNECTIONS_AT_MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use rustls::KeyLog as _;

    use super::*;

    #[test]
    fn secrets_are_found_by_random_and_hidden_in_debug() {
        let log = KeyLog::new();
        log.log("CLIENT_RANDOM", &[0xab; 32], &[1, 2, 0xff]);
        log.log("CLIENT_RANDOM", &[0xab; 32], &[1, 2, 0xff]);
        log.log("CLIENT_RANDOM", &[0xcd; 32], &[9]);
        let random = "ab".repeat(32);
        let lines = log.of(&random).expect("logged");
        assert_eq!(lines.as_str(), format!("CLIENT_RANDOM {random} 0102ff\n"));
        assert_eq!(log.lines().lines().count(), 2);
        assert_eq!(format!("{log:?}"), "KeyLog(2 connections, secrets hidden)");
        assert!(log.of("zz").is_none() && log.of("abc").is_none() && log.of(&"00".repeat(32)).is_none());
    }
}
