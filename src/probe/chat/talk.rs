//! A WebSocket (RFC 6455) as the client's end: opened with one request, then messages, then an orderly close.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::super::split::Split;
use super::{Failure, Url};

/// An open WebSocket.
pub(super) struct Talk(WebSocketStream<TlsStream<Split>>);

impl Talk {
    /// Asks for the upgrade.
    pub(super) async fn open(stream: TlsStream<Split>, url: &Url) -> Result<Self, Failure> {
        let request = format!("wss://{}{}", url.authority(), url.path).into_client_request().map_err(failed)?;
        let limits = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
        let (socket, _) = client_async_with_config(request, stream, Some(limits)).await.map_err(failed)?;
        Ok(Self(socket))
    }

    /// Sends text.
    pub(super) async fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.0.send(Message::text(text)).await.map_err(failed)
    }

    /// Sends octets.
    pub(super) async fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.0.send(Message::binary(octets.to_vec())).await.map_err(failed)
    }

    /// The next text.
    pub(super) async fn next_text(&mut self) -> Result<String, Failure> {
        loop {
            if let Message::Text(text) = self.next().await? {
                return Ok(text.to_string());
            }
        }
    }

    /// The next octets.
    pub(super) async fn next_octets(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Message::Binary(octets) = self.next().await? {
                return Ok(octets.to_vec());
            }
        }
    }

    async fn next(&mut self) -> Result<Message, Failure> {
        match self.0.next().await {
            Some(Ok(Message::Close(Some(why)))) => Err(Failure::Http(format!("the chat closed: {}", why.reason))),
            Some(message) => message.map_err(failed),
            None => Err(Failure::Http("the chat closed".to_owned())),
        }
    }

    /// Closes, and hears the other end's close if it comes soon.
    pub(super) async fn close(mut self) {
        let farewell = async {
            let _ = self.0.close(None).await; // it may be gone
            while self.0.next().await.is_some_and(|message| message.is_ok()) {}
        };
        let _ = timeout(LAST_WORD, farewell).await;
    }
}

fn failed(error: Error) -> Failure {
    Failure::Http(match error {
        Error::Http(answer) => match answer.body() {
            Some(body) => format!("{}: {}", answer.status(), String::from_utf8_lossy(body).trim()),
            None => answer.status().to_string(),
        },
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => "the chat hung up".to_owned(),
        other => other.to_string(),
    })
}

/// Octets of a message: more than the lab's chat lets through.
const LONGEST: usize = 64 * 1024;
/// How long the other end may take to answer a close.
const LAST_WORD: Duration = Duration::from_secs(1);
