//! Close: an orderly end, FIN, where an answer should be. Clients report an unexpected end of file.

use tokio::io::AsyncWriteExt as _;

use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;
use crate::record::CloseKind;

#[cfg(target_os = "linux")]
pub(super) fn on_wire() -> Act {
    Act::Close
}

pub(super) async fn on_stream(client: &mut Client) -> Told {
    say(client, &[]).await
}

/// One last word, then FIN. A client that has gone already needs neither.
pub(super) async fn say(client: &mut Client, bytes: &[u8]) -> Told {
    let _ = client.write_all(bytes).await;
    let _ = client.shutdown().await;
    Some(CloseKind::Fin)
}
