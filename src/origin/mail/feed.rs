//! A client's bytes into a session of a mail server, without a socket: what the fuzz targets and their corpora use.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::line::{Lines, Read};
use super::{MOST_COMMANDS, Mail, Next, PostOffice, Security, Session, Setting, session_of};
use crate::scenario::MailService;

/// Feeds one session to its end, to an upgrade, or to the end of the bytes; tells how many answers it gave.
pub fn feed_mail(service: MailService, bytes: &[u8]) -> usize {
    let mail = Mail { service, starttls: true, clear_login: true };
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let office = Arc::new(PostOffice::default());
    let mut session = session_of(Setting { mail, security: Security::Clear, name: "mail.example".to_owned(), client, office });
    // Bytes are there and answers are thrown away: nothing is ever waited for.
    talk(&mut *session, bytes).now_or_never().unwrap_or_default()
}

async fn talk(session: &mut dyn Session, bytes: &[u8]) -> usize {
    let mut lines = Lines::new(tokio::io::join(bytes, tokio::io::sink()));
    let mut reply = session.greeting();
    for answered in 0..MOST_COMMANDS {
        if lines.write(&reply.bytes).await.is_err() {
            return answered;
        }
        let read = match reply.next {
            Next::Tls | Next::Close => return answered,
            Next::Line => lines.line().await,
            Next::Bytes(count) => lines.exact(count).await,
            Next::Message => lines.message().await,
        };
        reply = match read {
            Ok(Read::Line(line)) => session.line(&line),
            Ok(Read::Content(content)) => session.content(content),
            Ok(Read::BadLine) => session.bad_line(),
            Ok(Read::End) | Err(_) => return answered,
        };
    }
    MOST_COMMANDS
}
