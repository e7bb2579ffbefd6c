//! The chat itself, by bytes over real sockets: who hears what, and where the bounds are.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use mitmlab::network::listen::Listener;
use mitmlab::origin::{self, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::Recorder;
use mitmlab::scenario::{Cert, Clock, Place, Serve, Service, Site, World};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Bench {
    port: u16,
    connector: TlsConnector,
    recorder: Recorder,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Bench {
    async fn new(end_to_end: bool) -> Self {
        let pki = PublicPki::new(&Clock::of_this_machine()).expect("a PKI");
        let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let services = vec![Service { port, serve: Serve::Chat { end_to_end } }];
        let names = vec!["localhost".to_owned()];
        let site = Site { names, addresses: vec![HERE], asn: None, place: Place::Outside, services, cert: Cert::Good, ech: None };
        let world = Arc::new(World { sites: vec![site], ..World::default() });
        let recorder = Recorder::new();
        origin::serve(Listener::transparent(listener), Arc::new(Origins::new(world, Arc::clone(&pki), recorder.clone())));
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pki.roots_pem().as_bytes()).filter_map(Result::ok));
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(pki.provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
        Self { port, connector: TlsConnector::from(Arc::new(config.with_no_client_auth())), recorder }
    }

    async fn join(&self, room: &str) -> Result<Socket, Error> {
        let stream = TcpStream::connect((HERE, self.port)).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.connector.connect(name, stream).await.expect("TLS");
        client_async(format!("wss://localhost:{}/room/{room}", self.port), stream).await.map(|(socket, _)| socket)
    }
}

async fn hears(socket: &mut Socket) -> Message {
    tokio::time::timeout(std::time::Duration::from_secs(10), socket.next()).await.expect("in time").expect("open").expect("whole")
}

async fn closes(socket: &mut Socket) -> CloseCode {
    match hears(socket).await {
        Message::Close(Some(why)) => why.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn members_of_an_open_room_hear_each_other_as_they_spoke() {
    let bench = Bench::new(false).await;
    let (mut alice, mut bob) = (bench.join("tea").await.unwrap(), bench.join("tea").await.unwrap());
    for message in [Message::text("{\"from\":\"alice\"}"), Message::binary(vec![0, 159, 146, 150])] {
        alice.send(message.clone()).await.unwrap();
        assert_eq!((hears(&mut alice).await, hears(&mut bob).await), (message.clone(), message));
    }
    let mut carol = bench.join("tea").await.unwrap();
    assert_eq!(hears(&mut carol).await, Message::text("{\"from\":\"alice\"}"), "a newcomer is told what was said before");
    alice.close(None).await.unwrap();
    drop((bob, carol));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    assert!(bench.recorder.wait(deadline, |all| all.len() == 3 && all.iter().all(|c| c.ended)).await);
    let told = bench.recorder.connections();
    assert!(told.iter().all(|c| c.requests.len() == 1 && c.requests[0].status == Some(101)), "{told:#?}");
}

#[tokio::test]
async fn an_end_to_end_room_takes_octets_of_two_members_and_nothing_else() {
    let bench = Bench::new(true).await;
    let mut alice = bench.join("tea").await.unwrap();
    alice.send(Message::binary(vec![7; 40])).await.unwrap();
    let mut bob = bench.join("tea").await.unwrap();
    assert_eq!(hears(&mut bob).await, Message::binary(vec![7; 40]), "it waited for the other member");
    match bench.join("tea").await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("a third member: {:?}", other.map(drop)),
    }
    bob.send(Message::text("in the clear")).await.unwrap();
    assert_eq!(closes(&mut bob).await, CloseCode::Unsupported);
    alice.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(hears(&mut alice).await, Message::Pong(vec![1].into()), "and nothing of what the other one said");
}

#[tokio::test]
async fn what_is_too_long_or_no_room_is_refused() {
    let bench = Bench::new(false).await;
    for room in ["", "a/b", "%2e", &"x".repeat(65)] {
        assert!(matches!(bench.join(room).await, Err(Error::Http(_))), "{room}");
    }
    let mut alice = bench.join("tea").await.unwrap();
    alice.send(Message::binary(vec![0; 16 * 1024])).await.unwrap();
    assert_eq!(hears(&mut alice).await.len(), 16 * 1024);
    alice.send(Message::binary(vec![0; 16 * 1024 + 1])).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), alice.next()).await.expect("in time");
    assert!(!matches!(ended, Some(Ok(Message::Binary(_)))), "{ended:?}");
}
