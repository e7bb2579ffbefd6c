//! The lab's resolvers: DNS over UDP and TCP (RFC 1035, RFC 6891, RFC 7766), for every resolver address of the world.
//!
//! They know the world's names and nothing else: A, AAAA and HTTPS for sites, PTR for their addresses, an empty NOERROR for
//! other types of known names, NXDOMAIN for the rest (a wildcard answer makes detectors report DNS hijacking). They
//! forward to nobody. A [`Hook`] lets the box or an operator change an answer; the tricks themselves are done here.
//!
//! [`Resolver::answer`] is pure: bytes in, bytes out. The loops around it are [`serve_udp`], [`serve_tcp`] and, for a stream that
//! somebody else has accepted and secured (DNS over TLS), [`serve_stream`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::record::{DnsWithin, Event, Recorder};
use crate::scenario::{DnsTrick, Transport, World};

mod query;
mod reply;
mod serve;
mod svcb;
mod zone;

pub use serve::{AddressedUdp, Datagram, FixedUdp, serve_stream, serve_tcp, serve_udp};

use query::{Bad, Query};
use reply::{Data, Rcode, Reply};

/// Addresses of a name of the world, for whoever asks in the lab itself (the explicit proxy). None if there is no such
/// name; a name may have no address.
pub fn addresses(world: &World, name: &str) -> Option<Vec<IpAddr>> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    Some(zone::look_up(world, &name)?.iter().filter_map(Data::address).collect())
}

/// A question as a hook sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name, lower case, no final dot.
    pub name: String,
    /// Record type (`A`, `AAAA`, `HTTPS`, `TYPE4711` ...).
    pub kind: String,
    /// Who asks.
    pub client: SocketAddr,
    /// The resolver's address that was asked.
    pub resolver: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Within TLS, where nobody on the path reads it.
    pub within: Option<DnsWithin>,
    /// The leg that asks, where the address does not tell.
    pub leg: Option<crate::record::LegId>,
}

/// What a hook does to an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The trick.
    pub trick: DnsTrick,
    /// The rule that says so, for the record.
    pub rule: Option<String>,
    /// The phase that is in force, for the record.
    pub phase: Option<String>,
}

/// Asked for every question; none leaves the true answer.
pub type Hook = Arc<dyn Fn(&Question) -> Option<Changed> + Send + Sync>;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Who asks.
    pub client: SocketAddr,
    /// The resolver's address that was asked.
    pub resolver: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Within TLS.
    pub within: Option<DnsWithin>,
}

/// What becomes of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Messages to send, in order. None for garbage and for a trick that swallows; two for a forged answer before the true one.
    pub replies: Vec<Vec<u8>>,
    /// For the record; none for garbage.
    pub event: Option<Event>,
}

/// The resolver. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    world: Arc<World>,
    recorder: Recorder,
    hook: Option<Hook>,
}

impl Resolver {
    /// A resolver that tells the truth about the world.
    pub fn new(world: Arc<World>, recorder: Recorder) -> Self {
        Self { world, recorder, hook: None }
    }

    /// Lets `hook` change answers.
    #[must_use]
    pub fn with_hook(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Answers one message. Never panics, whatever the bytes.
    pub fn answer(&self, message: &[u8], way: Way) -> Answer {
        let Way { client, resolver, transport, within } = way;
        let query = match Query::read(message) {
            Ok(query) => query,
            Err(Bad::Garbage) => return Answer::default(),
            Err(Bad::Format(header)) => return Answer { replies: vec![header.refused(Rcode::FormErr)], event: None },
            Err(Bad::Opcode(header)) => return Answer { replies: vec![header.refused(Rcode::NotImp)], event: None },
        };
        let kind = query::kind_name(query.kind);
        let question = Question { name: query.name.clone(), kind, client, resolver, transport, within, leg: None };
        let changed = self.hook.as_ref().and_then(|hook| hook(&question));
        let replies = self.replies(&query, changed.as_ref().map(|c| &c.trick));
        let told = if replies.is_empty() { vec!["(silence)".to_owned()] } else { replies.iter().flat_map(Reply::told).collect() };
        let limit = query.limit(transport);
        Answer {
            replies: replies.iter().map(|reply| reply.bytes(limit)).collect(),
            event: Some(Event::DnsQuery {
                client,
                resolver,
                name: question.name,
                kind: question.kind,
                transport,
                within,
                answer: told,
                phase: changed.as_ref().and_then(|c| c.phase.clone()),
                rule: changed.and_then(|c| c.rule),
            }),
        }
    }

    fn replies<'q>(&self, query: &'q Query<'q>, trick: Option<&DnsTrick>) -> Vec<Reply<'q>> {
        let failed = |rcode| vec![Reply::failed(query, rcode)];
        match trick {
            None => vec![self.truth(query)],
            Some(DnsTrick::Nxdomain) => vec![Reply::no_such_name(query)],
            Some(DnsTrick::Refused) => failed(Rcode::Refused),
            Some(DnsTrick::Servfail) => failed(Rcode::ServFail),
            Some(DnsTrick::Timeout) => Vec::new(),
            Some(DnsTrick::Forge { address }) => vec![Reply::forged(query, *address)],
            Some(DnsTrick::Duplicate { address }) => vec![Reply::forged(query, *address), self.truth(query)],
            Some(DnsTrick::StripHttpsRecord) => {
                let mut reply = self.truth(query);
                reply.strip(&[query::SVCB, query::HTTPS]);
                vec![reply]
            }
            Some(DnsTrick::StripEch) => self.with_bindings(query, |binding| binding.ech = None),
            Some(DnsTrick::StripAlpn) => self.with_bindings(query, |binding| binding.alpn.clear()),
        }
    }

    fn with_bindings<'q>(&self, query: &'q Query<'q>, change: impl Fn(&mut svcb::Binding)) -> Vec<Reply<'q>> {
        let mut reply = self.truth(query);
        reply.change_bindings(change);
        vec![reply]
    }

    fn truth<'q>(&self, query: &'q Query<'q>) -> Reply<'q> {
        if query.edns.is_some_and(|edns| edns.version > 0) {
            return Reply::failed(query, Rcode::BadVers);
        }
        if query.class != query::IN || query::is_transfer(query.kind) {
            return Reply::failed(query, Rcode::Refused);
        }
        match zone::look_up(&self.world, &query.name) {
            None => Reply::no_such_name(query),
            Some(all) => {
                let asked = |data: &Data| query.kind == query::ANY || data.kind() == query.kind;
                Reply::found(query, all.into_iter().filter(asked).collect())
            }
        }
    }

    /// Answers and records.
    pub fn serve(&self, message: &[u8], way: Way) -> Vec<Vec<u8>> {
        let Answer { replies, event } = self.answer(message, way);
        if let Some(event) = event {
            self.recorder.emit_run(self.recorder.leg_from(way.client), event);
        }
        replies
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("sites", &self.world.sites.len()).field("hooked", &self.hook.is_some()).finish()
    }
}

#[cfg(test)]
mod tests;
