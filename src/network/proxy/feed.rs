//! A request read from memory: for fuzzing, and for the test that replays what fuzzing found. Not a way to run a proxy.

use std::time::{Duration, Instant};

use super::{Front, Kind, Target, read};

/// What the proxy reads in these bytes, and what its target would then read first; else its last word to the client, if it has one.
///
/// # Errors
/// The answer to a request that no proxy can serve; empty if its protocol has none.
pub fn feed_request(bytes: &[u8]) -> Result<(Kind, Target, Vec<u8>), Vec<u8>> {
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|_| Vec::new())?;
    let stream = tokio::io::join(bytes, tokio::io::sink());
    let mut front = Front { stream, buffer: Vec::new(), deadline: Instant::now() + PATIENCE, socks: false };
    // Bytes are there and answers are thrown away: nothing is ever waited for.
    clock.block_on(read(&mut front)).map_err(|error| error.reply(front.socks).unwrap_or_default())
}

/// Never reached.
const PATIENCE: Duration = Duration::from_secs(10);
