//! The box asks the origin for the upgrade itself: on a connection of its own, as a client would, so that it can look at the genuine
//! certificate before it decides about a client's hello.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::scenario::MailProtocol;

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::middlebox) enum Asking {
    /// By the commands of a mail protocol.
    Mail(MailProtocol),
    /// In a stream to a domain.
    Xmpp {
        /// The domain, as the client named it.
        to: String,
    },
}

impl Asking {
    /// Brings a fresh connection to where a ClientHello is expected.
    pub(in crate::middlebox) async fn ask<S>(&self, stream: &mut S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self {
            Self::Mail(MailProtocol::Smtp) => {
                say(stream, b"", |text| last_line(text).is_some_and(|line| line.starts_with(b"220 "))).await?;
                say(stream, EHLO, |text| last_line(text).is_some_and(|line| line.starts_with(b"250 "))).await?;
                say(stream, b"STARTTLS\r\n", |text| last_line(text).is_some_and(|line| line.starts_with(b"220 "))).await
            }
            Self::Mail(MailProtocol::Imap) => {
                say(stream, b"", |text| text.starts_with(b"* OK") && text.ends_with(b"\n")).await?;
                say(stream, b"m1 STARTTLS\r\n", |text| last_line(text).is_some_and(|line| line.starts_with(b"m1 OK"))).await
            }
            Self::Mail(MailProtocol::Pop3) => {
                say(stream, b"", |text| text.starts_with(b"+OK") && text.ends_with(b"\n")).await?;
                say(stream, b"STLS\r\n", |text| text.starts_with(b"+OK") && text.ends_with(b"\n")).await
            }
            Self::Xmpp { to } => {
                let head = format!(
                    "<?xml version='1.0'?><stream:stream to='{to}' xmlns='jabber:client' \
                     xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
                );
                say(stream, head.as_bytes(), |text| text.ends_with(b"</stream:features>")).await?;
                say(stream, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", |text| {
                    super::strip::find(text, b"<proceed").is_some() && text.ends_with(b">")
                })
                .await
            }
        }
    }
}

/// Says something and reads until the answer is the one that is hoped for.
async fn say<S>(stream: &mut S, words: &[u8], agreed: impl Fn(&[u8]) -> bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(words).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    while !agreed(&answer) {
        if answer.len() > MOST_ANSWER || refuses(&answer) {
            return Err(io::Error::other("the origin did not agree to the upgrade"));
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// A final answer that is not the one that was hoped for: what cannot become it by more bytes.
fn refuses(answer: &[u8]) -> bool {
    let Some(line) = last_line(answer) else { return false };
    matches!(line, [b'4' | b'5', _, _, b' ', ..] | [b'-', b'E', b'R', b'R', ..])
        || line.starts_with(b"m1 ")
        || super::strip::find(answer, b"<failure").is_some()
}

/// The last line, if it is whole.
fn last_line(text: &[u8]) -> Option<&[u8]> {
    let lines = text.strip_suffix(b"\n")?;
    lines.rsplit(|&byte| byte == b'\n').next()
}

/// An address literal, for the box has no name (RFC 5321 section 4.1.3).
const EHLO: &[u8] = b"EHLO [127.0.0.1]\r\n";
/// More than any announcement.
const MOST_ANSWER: usize = 64 * 1024;
