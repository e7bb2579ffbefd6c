//! The stream carrier: carries a decision out on an accepted connection of the explicit proxy.
//!
//! What it cannot do exactly (TTL, segments, a reset with the origin's sequence numbers) the report of a proxy run says.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::block::{self, OnStream};
use super::pass;
use super::sniff::{self, NoHello, Seen, read_first};
use super::starttls::Prelude;
use super::starttls::carry::{self, Carried};
use super::{Course, Middlebox};
use crate::network::prefixed::Prefixed;
use crate::network::proxy::Refusal;
use crate::network::{Arrival, Purpose};
use crate::record::{CloseKind, Event, Half, Observer, Side};
use crate::scenario::{Action, First, Serve};
use crate::tls::{Counts, Witness};

/// Takes one connection from its first bytes to its end.
pub async fn carry(middlebox: &Arc<Middlebox>, arrival: Arrival, mut client: Prefixed<TcpStream>) {
    let mut first = Vec::new();
    if greets(middlebox, &arrival) {
        Box::pin(wait_for_either(middlebox, &arrival, client, first)).await;
        return end(middlebox, &arrival).await;
    }
    let seen =
        tokio::time::timeout(SPEAKS_FIRST, read_first(&mut client, First::Stream, Instant::now() + FIRST_BYTES, &mut first))
            .await;
    match seen {
        Ok(seen) => Box::pin(go_on(middlebox, &arrival, client, first, seen, None)).await,
        Err(_) => Box::pin(wait_for_either(middlebox, &arrival, client, first)).await,
    }
    end(middlebox, &arrival).await;
}

/// The end of a connection. An origin that was reached has the last word, and its program sees the end after the socket does.
pub(super) async fn end(middlebox: &Middlebox, arrival: &Arrival) {
    let recorder = middlebox.recorder();
    let reached = recorder.connection(arrival.id).is_some_and(|c| c.reaches_origin());
    let is_over = |all: &[crate::record::Connection]| all.iter().any(|c| c.id == arrival.id && c.ended);
    let deadline = Instant::now() + if reached { LAST_WORD } else { Duration::ZERO };
    if !recorder.wait(deadline, is_over).await {
        recorder.emit(arrival.id, Event::ConnectionEnd {});
    }
    recorder.forget((arrival.client, arrival.destination));
}

/// What the proxy says in place of a connection, if a rule is about its first packet.
pub fn refusal(middlebox: &Middlebox, arrival: &Arrival) -> Option<Refusal> {
    match middlebox.settle_syn(arrival)? {
        Action::DropSyn => Some(Refusal::TimedOut),
        Action::Refuse => Some(Refusal::NotListening),
        Action::Unreachable => Some(Refusal::Unreachable { reason: "no route to host".to_owned() }),
        _ => None,
    }
}

/// A connection that never began has ended.
pub fn over(middlebox: &Middlebox, arrival: &Arrival) {
    let recorder = middlebox.recorder();
    recorder.emit(arrival.id, Event::ConnectionEnd {});
    recorder.forget((arrival.client, arrival.destination));
}

/// The client is silent: an idle socket, a slow start, or a protocol in which the server speaks first. Where the server may, the
/// origin is dialled, and whoever speaks first decides which. Where it never does, it is not: that connection would come to nothing
/// once the client speaks, and the origin would tell of an end that was not the client's.
async fn wait_for_either(middlebox: &Arc<Middlebox>, arrival: &Arrival, mut client: Prefixed<TcpStream>, mut first: Vec<u8>) {
    let deadline = Instant::now() + FIRST_BYTES;
    if !may_speak_first(middlebox, arrival) {
        let seen = read_first(&mut client, First::Stream, deadline, &mut first).await;
        return go_on(middlebox, arrival, client, first, seen, None).await;
    }
    let Ok(mut origin) = middlebox.dial.dial(arrival, Purpose::Forward).await else {
        return told_end(middlebox, arrival, client, first).await;
    };
    let mut greeting = vec![0; GREETING];
    tokio::select! {
        seen = read_first(&mut client, First::Stream, deadline, &mut first) => {
            go_on(middlebox, arrival, client, first, seen, Some(origin)).await;
        }
        read = origin.read(&mut greeting) => {
            greeting.truncate(read.unwrap_or(0));
            let protocol = sniff::greeting(&greeting);
            if let Some(prelude) = middlebox.settle_prelude(arrival, protocol) {
                tell_first(middlebox, arrival, &Seen::Plain { protocol }, 0);
                return follow(middlebox, arrival, client, origin, prelude, (first, greeting)).await;
            }
            let seen = Seen::NoHello(NoHello::Silence);
            tell_first(middlebox, arrival, &seen, 0);
            let _ = middlebox.settle_now(arrival, &seen);
            splice(middlebox, arrival, client, first, origin, &greeting).await;
        }
    }
}

/// Carries a connection that may turn to TLS.
async fn follow(
    middlebox: &Arc<Middlebox>,
    arrival: &Arrival,
    client: Prefixed<TcpStream>,
    origin: TcpStream,
    prelude: Prelude,
    (mut first, greeting): (Vec<u8>, Vec<u8>),
) {
    let (unread, client) = client.into_inner();
    first.extend(unread);
    let carried = Carried { client, origin, prelude, first: (first, greeting), agreed: false };
    Box::pin(carry::carry(middlebox, arrival, carried)).await;
}

/// A connection that does not cross the box: nobody looks at it.
pub async fn pass_by(middlebox: &Middlebox, arrival: &Arrival, client: Prefixed<TcpStream>, origin: TcpStream) {
    splice(middlebox, arrival, client, Vec::new(), origin, &[]).await;
    end(middlebox, arrival).await;
}

/// False for the lab's own web servers: in HTTP and in TLS the client speaks first.
fn may_speak_first(middlebox: &Middlebox, arrival: &Arrival) -> bool {
    let site = middlebox.plan.world.site(arrival.destination.ip(), arrival.asked.as_deref());
    let service = site.and_then(|site| site.services.iter().find(|s| s.port == arrival.destination.port()));
    let chats_or_web =
        |serve: &Serve| matches!(serve, Serve::Https { .. } | Serve::Dot | Serve::Http { .. } | Serve::Chat { .. });
    service.is_some_and(|service| !chats_or_web(&service.serve))
}

/// True for the lab's own mail servers that speak first: nothing is gained by waiting for the client.
fn greets(middlebox: &Middlebox, arrival: &Arrival) -> bool {
    if !middlebox.greeting_ports.contains(&arrival.destination.port()) {
        return false;
    }
    let site = middlebox.plan.world.site(arrival.destination.ip(), arrival.asked.as_deref());
    let service = site.and_then(|site| site.services.iter().find(|s| s.port == arrival.destination.port()));
    service.is_some_and(|service| matches!(service.serve, Serve::Mail { service, .. } if !service.is_implicit()))
}

/// `dialled` is a connection to the origin that was made while the client was silent.
async fn go_on(
    middlebox: &Arc<Middlebox>,
    arrival: &Arrival,
    client: Prefixed<TcpStream>,
    first: Vec<u8>,
    seen: Seen,
    dialled: Option<TcpStream>,
) {
    tell_first(middlebox, arrival, &seen, 0);
    if matches!(seen, Seen::NoHello(NoHello::Empty | NoHello::Failed(_))) {
        return told_end(middlebox, arrival, client, first).await;
    }
    if let Seen::Plain { protocol } = seen
        && let Some(prelude) = middlebox.settle_prelude(arrival, protocol)
    {
        return match dial_unless(dialled, middlebox, arrival).await {
            Ok(origin) => follow(middlebox, arrival, client, origin, prelude, (first, Vec::new())).await,
            Err(error) => {
                middlebox.recorder.emit(arrival.id, Event::UpstreamFailed { error: error.to_string() });
                told_end(middlebox, arrival, client, first).await;
            }
        };
    }
    // A connection may last long and be one of thousands: each stage is boxed, so that its memory goes when it is over.
    let course = Box::pin(middlebox.settle(arrival, &seen)).await;
    drop(seen);
    match course {
        Course::Forward => match dial_unless(dialled, middlebox, arrival).await {
            Ok(origin) => splice(middlebox, arrival, client, first, origin, &[]).await,
            Err(error) => {
                middlebox.recorder.emit(arrival.id, Event::UpstreamFailed { error: error.to_string() });
                told_end(middlebox, arrival, client, first).await;
            }
        },
        Course::Intercept(ready) => Box::pin(middlebox.serve(arrival, *ready, client, first)).await,
        Course::Act(action) => act(middlebox, arrival, client, first, &action).await,
    }
}

async fn dial_unless(dialled: Option<TcpStream>, middlebox: &Middlebox, arrival: &Arrival) -> std::io::Result<TcpStream> {
    match dialled {
        Some(origin) => Ok(origin),
        None => middlebox.dial.dial(arrival, Purpose::Forward).await,
    }
}

/// Says what the first bytes were.
pub(super) fn tell_first(middlebox: &Middlebox, arrival: &Arrival, seen: &Seen, segments: u32) {
    let event = match seen {
        Seen::Hello(hello) => Event::HelloSeen {
            half: Half::Client,
            by: Observer::Box,
            hello: Box::new(hello.to_record(arrival.transport, segments)),
        },
        other => {
            let Some((protocol, summary)) = other.first_bytes() else { return };
            Event::FirstBytes { protocol, summary }
        }
    };
    middlebox.recorder.emit(arrival.id, event);
}

/// Carries bytes both ways without looking. The origin tells what became of the connection, if it is the lab's.
async fn splice(
    middlebox: &Middlebox,
    arrival: &Arrival,
    client: Prefixed<TcpStream>,
    first: Vec<u8>,
    origin: TcpStream,
    greeting: &[u8],
) {
    let witness = witness(middlebox, arrival);
    let (unread, client) = client.into_inner();
    let first = [first, unread].concat();
    pass::pass(&witness, client, origin, first, greeting).await;
    witness.end(Counts::Opaque);
}

/// The client went without a word, or nobody is there to talk to.
async fn told_end(middlebox: &Middlebox, arrival: &Arrival, mut client: Prefixed<TcpStream>, first: Vec<u8>) {
    let witness = witness(middlebox, arrival);
    witness.raw().add_read(first.len());
    let _ = client.shutdown().await; // it may be gone
    witness.close(Side::Client, CloseKind::Fin);
    witness.end(Counts::Opaque);
}

/// An action of a rule, as exactly as a stream can.
async fn act(middlebox: &Middlebox, arrival: &Arrival, client: Prefixed<TcpStream>, first: Vec<u8>, action: &Action) {
    let witness = witness(middlebox, arrival);
    let mut client = witness.passing(client, first);
    if let Some(kind) = block::on_stream(OnStream { middlebox, arrival, origin: Mutex::new(None) }, &mut client, action).await {
        witness.close(Side::Server, kind);
    }
    drop(client);
    witness.end(Counts::Opaque);
}

fn witness(middlebox: &Middlebox, arrival: &Arrival) -> Witness {
    let key = (arrival.client, arrival.destination);
    Witness::of(&middlebox.recorder, key, arrival.id, Half::Client, Observer::Wire)
}

/// How long an origin's last word is waited for. It comes within a millisecond on an idle machine.
const LAST_WORD: Duration = Duration::from_millis(500);
/// A client that is silent for so long may be waiting for the server to speak. Clients that speak first do so within
/// a millisecond on loopback.
const SPEAKS_FIRST: Duration = Duration::from_millis(300);
/// How long a connection may stay without a byte from either side.
const FIRST_BYTES: Duration = Duration::from_secs(60);
/// More than any greeting (RFC 5321 section 4.5.3.1.5: 512 octets a line).
const GREETING: usize = 4096;
