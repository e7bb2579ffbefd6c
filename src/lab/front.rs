//! The front door of one leg in the proxy network: every connection of it belongs to this leg, and to no other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Ground, Shared};
use crate::middlebox::block::LONGEST_SILENCE;
use crate::middlebox::stream;
use crate::network::Arrival;
use crate::network::proxy::{self, Host, Refusal, Target};
use crate::network::resolver::Question;
use crate::record::{Event, LegId, Observer};
use crate::scenario::{Direction, DnsTrick, Place, Transport, Vantage};

/// Serves a leg's proxy port until it is aborted.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, leg: LegId, vantage: Vantage) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else { continue };
                if connections.len() < MOST_CONNECTIONS {
                    connections.spawn(carry(Arc::clone(&shared), stream, peer, leg, vantage));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn carry(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, leg: LegId, vantage: Vantage) {
    let _ = stream.set_nodelay(true); // only slower without
    let asked = match Box::pin(proxy::accept(stream, Instant::now() + HEAD)).await {
        Ok(asked) => asked,
        Err(error) => {
            shared.recorder.emit_run(Some(leg), Event::Note { text: format!("a connection to the proxy port: {error}") });
            return;
        }
    };
    let Some(destination) = resolve(&shared, &asked.target, (leg, vantage), peer) else {
        let text = format!("the client asked the proxy for `{}`, which is no host of the world", asked.target.host);
        shared.recorder.emit_run(Some(leg), Event::Note { text });
        let _ = asked.pending.refuse(Refusal::UnknownHost).await; // it may be gone
        return;
    };
    let Some(place) = shared.plan.world.site(destination.ip(), None).map(|site| site.place) else {
        // A resolver's lie: in the sealed network nobody listens there either.
        let text = format!("the client was sent to `{}`, which is no address of the world", destination.ip());
        shared.recorder.emit_run(Some(leg), Event::Note { text });
        let _ = asked.pending.refuse(Refusal::NotListening).await; // it may be gone
        return;
    };
    let name = match &asked.target.host {
        Host::Name(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        Host::Ip(_) => None,
    };
    let id = shared.recorder.open_new((peer, destination), name.clone(), Transport::Tcp, vantage, Observer::Wire, Some(leg));
    let direction = if vantage == Vantage::Inside { Direction::Outbound } else { Direction::Inbound };
    let ordinal = shared.middlebox.standings().next_ordinal(Some(leg));
    let arrival = Arrival {
        id,
        leg: Some(leg),
        client: peer,
        destination,
        asked: name,
        vantage,
        direction,
        transport: Transport::Tcp,
        ordinal,
    };
    let crosses_the_box = (vantage == Vantage::Inside) == (place == Place::Outside);
    let refusal = if crosses_the_box { stream::refusal(&shared.middlebox, &arrival) } else { None };
    if let Some(refusal) = refusal {
        if refusal == Refusal::TimedOut {
            let patience = tokio::time::sleep(LONGEST_SILENCE); // its port ends with the leg, at the latest
            patience.await;
        }
        asked.pending.refuse(refusal).await;
        return stream::over(&shared.middlebox, &arrival);
    }
    let Ok(client) = asked.pending.grant().await else { return };
    if crosses_the_box {
        stream::carry(&shared.middlebox, arrival, client).await;
    } else if let Ground::Loopback(ground) = &shared.ground
        && let Ok(origin) = ground.connect_directly(&arrival).await
    {
        stream::pass_by(&shared.middlebox, &arrival, client, origin).await;
    }
}

/// Names are resolved by the lab, as its resolver would for this leg: the world's addresses, IPv4 first, and what rules do to them.
fn resolve(shared: &Shared, target: &Target, leg: (LegId, Vantage), client: SocketAddr) -> Option<SocketAddr> {
    let ip = match &target.host {
        Host::Ip(ip) => *ip,
        Host::Name(name) => look_up(shared, name.trim_end_matches('.'), leg, client)?,
    };
    Some(SocketAddr::new(ip, target.port))
}

fn look_up(shared: &Shared, name: &str, (leg, vantage): (LegId, Vantage), client: SocketAddr) -> Option<IpAddr> {
    let own = shared.plan.world.isp_resolver.first().copied().filter(|_| vantage == Vantage::Inside);
    let resolver = own.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)); // who stands abroad asks a resolver there
    let resolver = SocketAddr::new(resolver, DNS);
    let name = name.to_ascii_lowercase();
    let question = Question {
        name: name.clone(),
        kind: "A".to_owned(),
        client,
        resolver,
        transport: Transport::Udp,
        within: None,
        leg: Some(leg),
    };
    let changed = (shared.names.0)(&question);
    let genuine = || {
        let site = shared.plan.world.named(&name)?;
        site.addresses.iter().find(|a| a.is_ipv4()).or(site.addresses.first()).copied()
    };
    let answer = match changed.as_ref().map(|changed| &changed.trick) {
        Some(DnsTrick::Forge { address } | DnsTrick::Duplicate { address }) => Some(*address),
        Some(DnsTrick::Nxdomain | DnsTrick::Refused | DnsTrick::Servfail | DnsTrick::Timeout) => None,
        Some(DnsTrick::StripHttpsRecord | DnsTrick::StripEch | DnsTrick::StripAlpn) | None => genuine(),
    };
    let (rule, phase) = changed.map_or((None, None), |changed| (changed.rule, changed.phase));
    if rule.is_some() {
        let answer = vec![answer.map_or("(no address)".to_owned(), |address| address.to_string())];
        let (kind, transport) = (question.kind, Transport::Udp);
        let event = Event::DnsQuery { client, resolver, name, kind, transport, within: None, answer, rule, phase };
        shared.recorder.emit_run(Some(leg), event);
    }
    answer
}

/// Port of a resolver (RFC 1035 section 4.2).
const DNS: u16 = 53;
/// How long a client may take to say what it wants of the proxy.
const HEAD: Duration = Duration::from_secs(20);
/// Connections of one leg at once.
const MOST_CONNECTIONS: usize = 4096;
