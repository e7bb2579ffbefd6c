//! The splice of un-intercepted streams, over real sockets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::record::{Half, Observer, Recorder};
use crate::scenario::{Transport, Vantage};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a connection");
    (near, listener.accept().await.expect("a connection").0)
}

fn witness() -> (Recorder, Witness) {
    let recorder = Recorder::new();
    let key: (SocketAddr, SocketAddr) = (([192, 0, 2, 1], 40000).into(), ([192, 0, 2, 2], 443).into());
    let (id, _) = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Wire);
    (recorder.clone(), Witness::of(&recorder, key, id, Half::Client, Observer::Wire))
}

/// Larger than every buffer on the way, so that both ways of carrying are used, and a rest is kept.
const LARGE: usize = 8 << 20;

#[tokio::test]
async fn a_large_body_arrives_whole_and_is_counted() {
    let ((mut client, near), (far, mut origin)) = (pair().await, pair().await);
    let (_recorder, witness) = witness();
    let body: Vec<u8> = (0..LARGE).map(|n| (n / 7) as u8).collect();
    let sent = body.clone();
    let serving = tokio::spawn(async move {
        let mut asked = [0; 8];
        origin.read_exact(&mut asked).await.expect("a request");
        assert_eq!(&asked, b"ask more");
        origin.write_all(&sent).await.expect("sent");
    });
    let telling = witness.clone();
    let passing = tokio::spawn(async move { pass(&telling, near, far, b"ask".to_vec(), b"hi").await });
    client.write_all(b" more").await.expect("sent");
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.expect("all of it");
    drop(client);
    passing.await.expect("no panic");
    serving.await.expect("no panic");
    assert!(got.starts_with(b"hi") && got[2..] == body);
    assert_eq!((witness.raw().read(), witness.raw().written()), (8, LARGE as u64 + 2));
    assert!(witness.has_closed(Side::Server));
}

#[tokio::test]
async fn a_reset_of_the_client_is_told_and_ends_it() {
    let ((client, near), (far, mut origin)) = (pair().await, pair().await);
    let (recorder, witness) = witness();
    let telling = witness.clone();
    let passing = tokio::spawn(async move { pass(&telling, near, far, Vec::new(), b"").await });
    client.set_zero_linger().expect("an option");
    drop(client);
    passing.await.expect("no panic");
    assert_eq!(origin.read(&mut [0; 8]).await.expect("the end"), 0);
    let closes = recorder.connections()[0].client_half.closes.clone();
    assert_eq!(closes.first().map(|c| (c.side, c.kind)), Some((Side::Client, CloseKind::Rst)));
}
