//! A prelude on two streams, and the upgrade that may follow it: the way of the proxy network from the first byte, and of the sealed
//! network from the moment when both halves were taken over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Next, Prelude, Step, Told};
use crate::middlebox::block::{self, OnStream};
use crate::middlebox::sniff::{NoHello, Seen, read_first};
use crate::middlebox::stream::tell_first;
use crate::middlebox::{Course, Middlebox, pass};
use crate::network::Arrival;
use crate::network::prefixed::Prefixed;
use crate::record::{CloseKind, Event, Half, Observer, Recorder, Side, UpgradeStage};
use crate::tls::{Counts, Witness};

/// A connection in its prelude: both sides, and what was read of each already.
pub(in crate::middlebox) struct Carried {
    pub(in crate::middlebox) client: TcpStream,
    pub(in crate::middlebox) origin: TcpStream,
    pub(in crate::middlebox) prelude: Prelude,
    /// From the client, from the origin.
    pub(in crate::middlebox) first: (Vec<u8>, Vec<u8>),
    /// The origin agreed already.
    pub(in crate::middlebox) agreed: bool,
}

/// Why a prelude is over.
enum Over {
    Agreed,
    Ended,
}

/// Says what a step found.
pub(in crate::middlebox) fn tell(recorder: &Recorder, arrival: &Arrival, prelude: &Prelude, told: Vec<Told>) {
    for one in told {
        let (by, protocol) = (Observer::Box, prelude.word().to_owned());
        let event = match one {
            Told::Stage(stage) => Event::Upgrade { by, protocol, stage },
            Told::Clear(secret) => Event::Clear { by, protocol, secret },
            Told::Injected(bytes) => {
                Event::Note { text: format!("{bytes} bytes came behind the upgrade's command, ahead of the handshake") }
            }
        };
        recorder.emit(arrival.id, event);
    }
}

/// Carries the connection to its end.
pub(in crate::middlebox) async fn carry(middlebox: &Arc<Middlebox>, arrival: &Arrival, carried: Carried) {
    let witness =
        Witness::of(&middlebox.recorder, (arrival.client, arrival.destination), arrival.id, Half::Client, Observer::Wire);
    let Carried { mut client, mut origin, mut prelude, first, agreed } = carried;
    let over = match agreed {
        true => Over::Agreed,
        false => converse(middlebox, arrival, &witness, (&mut client, &mut origin), &mut prelude, first).await,
    };
    match over {
        Over::Agreed => Box::pin(upgraded(middlebox, arrival, witness, (client, origin), prelude)).await,
        Over::Ended => witness.end(Counts::Opaque),
    }
}

/// Both directions, until they agree on TLS or end.
async fn converse(
    middlebox: &Middlebox,
    arrival: &Arrival,
    witness: &Witness,
    (client, origin): (&mut TcpStream, &mut TcpStream),
    prelude: &mut Prelude,
    first: (Vec<u8>, Vec<u8>),
) -> Over {
    let mut round = Round { recorder: &middlebox.recorder, arrival, witness };
    // The origin's greeting comes before whatever the client said ahead of it.
    for (side, bytes) in [(Side::Server, first.1), (Side::Client, first.0)] {
        if let Some(over) = round.step(side, &bytes, client, origin, prelude).await {
            return over;
        }
    }
    let (mut from_client, mut from_origin) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    let mut open = [true, true];
    while open[0] || open[1] {
        let patience = if open[0] && open[1] { IDLE } else { HALF_CLOSED };
        let reading = async {
            tokio::select! {
                read = client.read_buf(&mut from_client), if open[0] => (Side::Client, read),
                read = origin.read_buf(&mut from_origin), if open[1] => (Side::Server, read),
            }
        };
        let Ok((side, read)) = tokio::time::timeout(patience, reading).await else {
            witness.ended(&crate::tls::Ended::Deadline);
            return Over::Ended;
        };
        let (buffer, other): (&mut Vec<u8>, &mut TcpStream) = match side {
            Side::Client => (&mut from_client, &mut *origin),
            Side::Server => (&mut from_origin, &mut *client),
        };
        match read {
            Ok(0) => {
                open[usize::from(side == Side::Server)] = false;
                witness.close(side, CloseKind::Fin);
                let _ = other.shutdown().await; // it may be gone
            }
            Ok(_) => {
                let bytes = std::mem::take(buffer);
                if let Some(over) = round.step(side, &bytes, client, origin, prelude).await {
                    return over;
                }
            }
            Err(error) => {
                if side == Side::Client {
                    witness.failed(&error);
                }
                return Over::Ended;
            }
        }
    }
    Over::Ended
}

struct Round<'a> {
    recorder: &'a Recorder,
    arrival: &'a Arrival,
    witness: &'a Witness,
}

impl Round<'_> {
    /// Bytes of one side through the prelude, and on.
    async fn step(
        &mut self,
        side: Side,
        bytes: &[u8],
        client: &mut TcpStream,
        origin: &mut TcpStream,
        prelude: &mut Prelude,
    ) -> Option<Over> {
        if bytes.is_empty() {
            return None;
        }
        let Step { onward, back, told, next } = match side {
            Side::Client => prelude.up(bytes),
            Side::Server => prelude.down(bytes),
        };
        tell(self.recorder, self.arrival, prelude, told);
        let (to_client, to_origin) = match side {
            Side::Client => (back, onward),
            Side::Server => (onward, back),
        };
        let tally = self.witness.raw();
        tally.add_read(if side == Side::Client { bytes.len() } else { 0 });
        tally.add_written(to_client.len());
        let written = async {
            origin.write_all(&to_origin).await.map_err(|error| (Side::Server, error))?;
            client.write_all(&to_client).await.map_err(|error| (Side::Client, error))
        };
        match tokio::time::timeout(IDLE, written).await {
            Ok(Ok(())) => {}
            Ok(Err((Side::Client, error))) => {
                self.witness.failed(&error);
                return Some(Over::Ended);
            }
            Ok(Err(_)) | Err(_) => return Some(Over::Ended), // the origin's side of it is the origin's to tell
        }
        match next {
            Next::GoOn => None,
            Next::Agreed => Some(Over::Agreed),
            Next::Close => {
                let _ = tokio::join!(client.shutdown(), origin.shutdown()); // either may be gone
                self.witness.close(Side::Server, CloseKind::Fin);
                Some(Over::Ended)
            }
        }
    }
}

/// The client's next bytes are a hello, or nothing of use.
async fn upgraded(
    middlebox: &Arc<Middlebox>,
    arrival: &Arrival,
    witness: Witness,
    (mut client, origin): (TcpStream, TcpStream),
    prelude: Prelude,
) {
    let mut first = Vec::new();
    let looks_at = middlebox.plan.network.first;
    let seen = read_first(&mut client, looks_at, Instant::now() + HELLO, &mut first).await;
    if matches!(seen, Seen::NoHello(NoHello::Empty | NoHello::Failed(_))) {
        witness.close(Side::Client, CloseKind::Fin);
        return witness.end(Counts::Opaque);
    }
    if seen.hello().is_none() {
        let text = "what followed the upgrade was no ClientHello that the box could read".to_owned();
        middlebox.recorder.emit(arrival.id, Event::Note { text });
        return forward(witness, client, origin, first).await;
    }
    tell_first(middlebox, arrival, &seen, 0);
    tell(&middlebox.recorder, arrival, &prelude, vec![Told::Stage(UpgradeStage::Upgraded)]);
    match Box::pin(middlebox.settle_asking(arrival, &seen, Some(&prelude.asking()))).await {
        Course::Forward => forward(witness, client, origin, first).await,
        Course::Intercept(ready) => match middlebox.both_halves(arrival, &seen, *ready, origin).await {
            Ok(ready) => {
                let ready = ready.speaking(prelude.mail());
                Box::pin(middlebox.serve(arrival, ready, client, first)).await;
            }
            Err(error) => {
                let text = format!("the origin did not shake hands on the connection that was taken over: {error}");
                middlebox.recorder.emit(arrival.id, Event::Note { text });
                let _ = client.shutdown().await; // it may be gone
                witness.close(Side::Server, CloseKind::Fin);
                witness.end(Counts::Opaque);
            }
        },
        Course::Act(action) => {
            let mut client = witness.passing(Prefixed::new(Vec::new(), client), first);
            let on = OnStream { middlebox, arrival, origin: Mutex::new(Some(origin)) };
            if let Some(kind) = block::on_stream(on, &mut client, &action).await {
                witness.close(Side::Server, kind);
            }
            drop(client);
            witness.end(Counts::Opaque);
        }
    }
}

async fn forward(witness: Witness, client: TcpStream, origin: TcpStream, first: Vec<u8>) {
    pass::pass(&witness, client, origin, first, &[]).await;
    witness.end(Counts::Opaque);
}

/// Bytes read at once.
const PIECE: usize = 16 * 1024;
/// How long a prelude may be quiet: RFC 5321 section 4.5.3.2.7 has five minutes for a server's patience.
const IDLE: Duration = Duration::from_secs(300);
/// How long a half-closed connection may stay silent.
const HALF_CLOSED: Duration = Duration::from_secs(30);
/// How long a hello may take after the origin agreed.
const HELLO: Duration = Duration::from_secs(60);
