//! `mitmlab client`, `mitmlab chat` and `mitmlab probe`: the lab's own programs. They know nothing of a lab.

use super::network::runtime;
use crate::error::Error;
use crate::probe::{Settings, chat as own_chat, client as own_client, detector};

/// Gets a URL.
pub(super) fn client(options: &own_client::Options) -> Result<u8, Error> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    Ok(runtime()?.block_on(own_client::run(options, Settings::from_env(), &mut out, &mut err)))
}

/// Talks in a room.
pub(super) fn chat(options: &own_chat::Options) -> Result<u8, Error> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    Ok(runtime()?.block_on(own_chat::run(options, Settings::from_env(), &mut out, &mut err)))
}

/// Looks at a URL.
pub(super) fn probe(options: &detector::Options) -> Result<u8, Error> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let runtime = runtime()?;
    let code = runtime.block_on(detector::run(options, Settings::from_env(), &mut out, &mut err));
    runtime.shutdown_background(); // a resolver that does not answer holds a thread, and the deadline is over
    Ok(code)
}
