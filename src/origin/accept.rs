//! The accept loop, and the first steps of every connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::first::{self, Beginning, First};
use super::mail::{self, Mail};
use super::select::Nobody;
use super::{Origins, dns, http, https, relay};
use crate::network::listen::{Accepted, Listener};
use crate::record::{CloseKind, Side};
use crate::scenario::Serve;
use crate::tls::{self, Ended};
use crate::tls::{Counts, Witness};

/// Serves until aborted. A failed accept (no descriptors left) waits a little, so that it cannot spin.
pub(super) async fn all(listener: Listener, origins: Arc<Origins>) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= MOST_OPEN {
            open.join_next().await;
        }
        match listener.accept().await {
            Ok(accepted) => {
                open.spawn(one(accepted, Arc::clone(&origins)));
            }
            Err(error) => {
                tracing::warn!(%error, "an origin could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Connections that one listener serves at a time; the next one waits in the kernel's queue.
const MOST_OPEN: usize = 4096;

async fn one(accepted: Accepted, origins: Arc<Origins>) {
    let Accepted { mut stream, client, destination } = accepted;
    let witness = Witness::open(&origins.recorder, (client, destination), (origins.vantage)(client.ip()));
    let visit = Visit { origins: Arc::clone(&origins), witness, client, destination };
    if let Err(nobody) = origins.select(destination, None) {
        return nobody_home(&visit, stream, nobody);
    }
    if origins.relays(destination) {
        return relay::serve(&visit, stream).await;
    }
    if let Some(mail) = origins.mail_at(destination).filter(|mail| !mail.service.is_implicit()) {
        return mail::serve(&visit, stream, mail).await;
    }
    let deadline = Instant::now() + origins.patience.hello;
    let beginning = first::read(&mut stream, deadline).await;
    visit.witness.raw().add_read(beginning.bytes.len());
    begin(&visit, stream, beginning).await;
}

/// One connection: who, where to, and who writes it down.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) origins: Arc<Origins>,
    pub(super) witness: Witness,
    pub(super) client: std::net::SocketAddr,
    pub(super) destination: std::net::SocketAddr,
}

async fn begin(visit: &Visit, stream: TcpStream, beginning: Beginning) {
    let summary = match visit.origins.mail_at(visit.destination) {
        Some(mail) => mail::summary(mail, &beginning.bytes),
        None => first::summary(&beginning.bytes),
    };
    match &beginning.first {
        First::Hello(hello) => visit.witness.hello(hello),
        First::MalformedHello(why) => visit.witness.first_bytes("malformed-hello", why.clone()),
        First::TooLarge => visit.witness.first_bytes("too-large-hello", format!("{} bytes", beginning.bytes.len())),
        First::Plain if http::looks_like(&beginning.bytes) => visit.witness.first_bytes("http", summary),
        First::Plain => visit.witness.first_bytes("unknown", summary),
        First::Silence | First::Closed | First::Failed(_) => return never_began(visit, &beginning),
    }
    let name = match &beginning.first {
        First::Hello(hello) => hello.sni.clone(),
        _ => None,
    };
    let Ok(selected) = visit.origins.select(visit.destination, name.as_deref()) else { return };
    match (&selected.service.serve, &beginning.first) {
        (Serve::Https { .. } | Serve::Chat { .. }, First::Plain) if http::looks_like(&beginning.bytes) => {
            http::wrong_port(visit, stream, beginning.bytes).await;
        }
        (Serve::Https { tls: Some(only), .. }, First::Hello(_)) if only.is_old() && !visit.origins.forgives(visit.client) => {
            relay::serve_begun(visit, stream, beginning.bytes).await;
        }
        (Serve::Https { .. } | Serve::Chat { .. }, _) => https::serve(visit, stream, beginning, name.as_deref()).await,
        (Serve::Dot, _) => dns::serve_dot(visit, stream, beginning, name.as_deref()).await,
        (Serve::Http { .. }, _) => http::serve_plain(visit, stream, beginning.bytes).await,
        (serve @ Serve::Mail { .. }, _) => {
            if let Some(mail) = Mail::of(serve) {
                mail::serve_tls(visit, stream, beginning, name.as_deref(), mail).await;
            }
        }
        (Serve::Exec { .. } | Serve::Loopback { .. }, _) => {}
    }
}

/// No first bytes worth the name.
fn never_began(visit: &Visit, beginning: &Beginning) {
    match &beginning.first {
        First::Silence => {
            visit.witness.first_bytes("silence", format!("{} bytes in time", beginning.bytes.len()));
            visit.witness.ended(&Ended::Deadline);
        }
        First::Failed(error) => visit.witness.failed(error),
        _ => visit.witness.close(Side::Client, CloseKind::Fin),
    }
    visit.witness.end(Counts::Tls);
}

/// As near as an accepted connection comes to a refused one: RST, no FIN.
fn nobody_home(visit: &Visit, stream: TcpStream, nobody: Nobody) {
    visit.witness.note(nobody.text(visit.destination));
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)); // then it is a FIN; the note says why
    drop(stream);
    visit.witness.close(Side::Server, CloseKind::Rst);
    visit.witness.end(Counts::Opaque);
}

/// After the last word: waits for the peer's FIN or RST, so that the record tells how it left. Bounded in time and bytes.
pub(super) async fn drain(visit: &Visit, stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let reading = async {
        let mut waste = [0; 2048];
        let mut total = 0;
        while total < DRAIN_BYTES {
            match stream.read(&mut waste).await {
                Ok(0) => return visit.witness.close(Side::Client, CloseKind::Fin),
                Ok(count) => total += count,
                Err(error) => {
                    if let Some(kind) = tls::classify(&error).close() {
                        visit.witness.close(Side::Client, kind);
                    }
                    return;
                }
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN, reading).await; // a client that stays is told by the absence of its close
}

/// A client that has refused leaves at once; one that does not is not waited for.
const DRAIN: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 1 << 20;
