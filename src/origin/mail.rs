//! Genuine mail servers: SMTP, submission, IMAP and POP3, in the clear, after an upgrade, or with TLS first.
//!
//! Each protocol is a [`Session`]: bytes of one command in, bytes of the answer out, nothing else. This file is what they share:
//! lines in and out, deadlines, the upgrade to TLS, and the record. Mail lies in memory ([`PostOffice`]), for two accounts; none
//! is ever sent on.
//!
//! At the upgrade (RFC 3207 section 4.2, RFC 9051 section 6.2.1, RFC 2595 section 4) everything is forgotten that was said before, and
//! whatever arrived behind the command is thrown away: no command is carried over the boundary. Commands may be sent ahead
//! of their answers (RFC 2920, RFC 9051 section 5.5, RFC 2449 section 6.6) everywhere else.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

mod accounts;
mod feed;
mod imap;
mod line;
mod pop3;
mod sasl;
mod smtp;

pub(super) use accounts::PostOffice;
pub use feed::feed_mail;

use super::accept::{Visit, drain};
use super::first::{self, Beginning, First};
use super::{https, page};
use crate::record::{CloseKind, Request, Side, mail as told};
use crate::scenario::{MailProtocol, MailService, Serve};
use crate::tls::{Counts, Ended};
use line::{Lines, Read};

/// What a server is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mail {
    pub(super) service: MailService,
    pub(super) starttls: bool,
    pub(super) clear_login: bool,
}

impl Mail {
    pub(super) fn of(serve: &Serve) -> Option<Self> {
        match *serve {
            Serve::Mail { service, starttls, clear_login } => Some(Self { service, starttls, clear_login }),
            _ => None,
        }
    }
}

/// One conversation, without its transport.
trait Session: Send {
    /// The first word of the server.
    fn greeting(&mut self) -> Reply;
    /// A command line (or the next line of a login), without its end.
    fn line(&mut self, line: &[u8]) -> Reply;
    /// What was asked for with [`Next::Bytes`] or [`Next::Message`].
    fn content(&mut self, content: Content) -> Reply;
    /// A line was longer than the protocol allows, or had a NUL in it.
    fn bad_line(&mut self) -> Reply;
    /// Nothing came for too long: the last word.
    fn too_slow(&mut self) -> Vec<u8>;
}

/// An answer, and what is read next.
struct Reply {
    bytes: Vec<u8>,
    told: Vec<Request>,
    next: Next,
}

/// What is read after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A line.
    Line,
    /// So many bytes (an IMAP literal).
    Bytes(usize),
    /// Lines up to one with a dot alone (RFC 5321 section 4.5.2).
    Message,
    /// A TLS handshake.
    Tls,
    /// Nothing: the server closes.
    Close,
}

/// Content that is no command.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// It is here.
    Whole(Vec<u8>),
    /// It had so many bytes, more than are kept.
    TooLarge(usize),
    /// It has a bare CR or LF, which some servers take for the end of a line and others do not.
    BareEnds(usize),
}

impl Reply {
    fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), told: Vec::new(), next: Next::Line }
    }

    fn then(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    fn telling(mut self, request: Request) -> Self {
        self.told.push(request);
        self
    }
}

/// What came where TLS is expected, for the record: the command's word alone, for the rest may be a password.
pub(super) fn summary(mail: Mail, bytes: &[u8]) -> String {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    told::command(mail.service.protocol(), line).method
}

/// Serves a connection on which the server speaks first.
pub(super) async fn serve(visit: &Visit, stream: TcpStream, mail: Mail) {
    visit.witness.first_bytes("mail", mail.service.word().to_owned());
    let mut session = session(visit, mail, Security::Clear);
    let mut lines = Lines::new(visit.witness.plain(stream, Vec::new()));
    match converse(visit, &mut *session, &mut lines).await {
        Over::Ended => visit.witness.end(Counts::Plain),
        Over::Upgrade => {
            let (stream, left_behind) = lines.into_parts();
            if left_behind > 0 {
                visit.witness.note(format!("{left_behind} bytes came ahead of the TLS handshake and were thrown away"));
            }
            upgrade(visit, stream.into_inner(), mail).await;
        }
    }
}

/// Serves a connection on which TLS comes first.
pub(super) async fn serve_tls(visit: &Visit, stream: TcpStream, beginning: Beginning, name: Option<&str>, mail: Mail) {
    match https::secure(visit, stream, beginning, name, (&[], None)).await {
        Ok(Some((stream, _))) => {
            let mut lines = Lines::new(visit.witness.above_tls(stream));
            let mut session = session(visit, mail, Security::First);
            converse(visit, &mut *session, &mut lines).await;
        }
        Ok(None) => {}
        Err(why) => visit.witness.note(why),
    }
    visit.witness.end(Counts::Tls);
}

/// After `STARTTLS`: the client's hello comes, or nothing of use.
async fn upgrade(visit: &Visit, mut stream: TcpStream, mail: Mail) {
    let beginning = first::read(&mut stream, Instant::now() + visit.origins.patience.hello).await;
    let moved = visit.witness.behind_the_box().map(|witness| Visit { witness, ..visit.clone() });
    let visit = moved.as_ref().unwrap_or(visit);
    visit.witness.raw().add_read(beginning.bytes.len());
    match &beginning.first {
        First::Hello(hello) => {
            visit.witness.hello(hello);
            let name = hello.sni.clone();
            match https::secure(visit, stream, beginning, name.as_deref(), (&[], None)).await {
                Ok(Some((stream, _))) => {
                    let mut session = session(visit, mail, Security::Upgraded);
                    let mut lines = Lines::new(visit.witness.above_tls(stream));
                    // No greeting: the first word is the client's (RFC 3207 section 4.2).
                    let silent = Reply::new(Vec::new());
                    go_on(visit, &mut *session, &mut lines, silent).await;
                }
                Ok(None) => {}
                Err(why) => visit.witness.note(why),
            }
        }
        First::Silence => visit.witness.ended(&Ended::Deadline),
        First::Closed => visit.witness.close(Side::Client, CloseKind::Fin),
        First::Failed(error) => visit.witness.failed(error),
        First::Plain | First::MalformedHello(_) | First::TooLarge => {
            visit.witness.note("what followed the upgrade was no ClientHello".to_owned());
            let _ = stream.shutdown().await; // the client may be gone
            visit.witness.close(Side::Server, CloseKind::Fin);
            drain(visit, &mut stream).await;
        }
    }
    // What was said in the clear before is no application data of the TLS connection.
    visit.witness.end(Counts::Tls);
}

/// How far a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// Not at all.
    Clear,
    /// By an upgrade.
    Upgraded,
    /// From the first byte.
    First,
}

/// What every session knows of its connection.
struct Setting {
    mail: Mail,
    security: Security,
    /// The server's name for itself.
    name: String,
    client: std::net::IpAddr,
    office: Arc<PostOffice>,
}

impl Setting {
    fn may_upgrade(&self) -> bool {
        self.mail.starttls && self.security == Security::Clear
    }

    fn may_log_in(&self) -> bool {
        self.mail.clear_login || self.security != Security::Clear
    }
}

fn session(visit: &Visit, mail: Mail, security: Security) -> Box<dyn Session> {
    let site = visit.origins.select(visit.destination, None).map(|selected| page::site_name(selected.site));
    let setting = Setting {
        mail,
        security,
        name: site.unwrap_or_else(|_| visit.destination.ip().to_string()),
        client: visit.client.ip(),
        office: Arc::clone(&visit.origins.post),
    };
    session_of(setting)
}

fn session_of(setting: Setting) -> Box<dyn Session> {
    match setting.mail.service.protocol() {
        MailProtocol::Smtp => Box::new(smtp::Smtp::new(setting)),
        MailProtocol::Imap => Box::new(imap::Imap::new(setting)),
        MailProtocol::Pop3 => Box::new(pop3::Pop3::new(setting)),
    }
}

/// Why a conversation is over.
enum Over {
    /// It has ended, and so has the connection.
    Ended,
    /// The upgrade was agreed on.
    Upgrade,
}

async fn converse<S>(visit: &Visit, session: &mut dyn Session, lines: &mut Lines<S>) -> Over
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let greeting = session.greeting();
    go_on(visit, session, lines, greeting).await
}

async fn go_on<S>(visit: &Visit, session: &mut dyn Session, lines: &mut Lines<S>, first: Reply) -> Over
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut reply = first;
    for _ in 0..MOST_COMMANDS {
        reply.told.drain(..).for_each(|request| visit.witness.request(request));
        let idle = visit.origins.patience.idle;
        match tokio::time::timeout(idle, lines.write(&reply.bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Over::Ended, // the stream has told
            Err(_) => {
                visit.witness.ended(&Ended::Deadline);
                return Over::Ended;
            }
        }
        let read = match reply.next {
            Next::Tls => return Over::Upgrade,
            Next::Close => break,
            Next::Line => tokio::time::timeout(idle, lines.line()).await,
            Next::Bytes(count) => tokio::time::timeout(idle, lines.exact(count)).await,
            Next::Message => tokio::time::timeout(idle, lines.message()).await,
        };
        reply = match read {
            Ok(Ok(Read::Line(line))) => session.line(&line),
            Ok(Ok(Read::Content(content))) => session.content(content),
            Ok(Ok(Read::BadLine)) => session.bad_line(),
            Ok(Ok(Read::End) | Err(_)) => return Over::Ended, // the stream has told
            Err(_) => {
                let _ = lines.write(&session.too_slow()).await; // it may not be taken either
                visit.witness.ended(&Ended::Deadline);
                return Over::Ended;
            }
        };
    }
    let stream = lines.stream();
    let _ = stream.shutdown().await; // the client may be gone
    drain(visit, stream).await;
    Over::Ended
}

/// More than any client of a lesson sends on one connection; the record keeps each.
const MOST_COMMANDS: usize = 2000;

#[cfg(test)]
mod tests;
