//! HTTPS records, read again by a library, and what is stripped of them.

use simple_dns::rdata::{HTTPS, RData, SVCParam};

use super::*;
use crate::scenario::{Serve, Service};

/// A list with one configuration of an unknown version: the lab passes it on as it is.
const ECH: [u8; 8] = [0, 6, 0xfe, 0x0d, 0, 2, 1, 2];

pub(super) fn sites() -> Vec<Site> {
    let alpn = vec!["h2".to_owned(), "http/1.1".to_owned()];
    let web = Serve::Https { pages: None, alpn, hsts: false, tls: None, doh: false, http3: true };
    let mut quick = site(&["quick.test"], &["192.0.2.70"]);
    quick.services = vec![Service { port: 443, serve: web.clone() }];
    quick.ech = Some(ECH.to_vec());
    let mut plain = site(&["plain.test"], &["192.0.2.80"]);
    plain.services = vec![Service {
        port: 443,
        serve: Serve::Https { pages: None, alpn: vec![], hsts: false, tls: None, doh: false, http3: false },
    }];
    vec![quick, plain]
}

/// As the library reads it: without the length in front.
fn listed() -> Option<Vec<u8>> {
    Some(ECH[2..].to_vec())
}

fn stripping(trick: DnsTrick) -> Resolver {
    resolver().with_hook(Arc::new(move |_| Some(Changed { trick: trick.clone(), rule: None, phase: None })))
}

/// Protocols and ECH configuration of the only HTTPS record; none if there is none.
fn binding(resolver: &Resolver, name: &str, transport: Transport) -> Option<(Option<String>, Option<Vec<u8>>)> {
    let reply = ask(resolver, &query(name, TYPE::HTTPS), transport).replies.remove(0);
    let packet = Packet::parse(&reply).expect("an answer");
    assert_eq!(packet.rcode(), RCODE::NoError);
    assert_eq!(packet.answers.is_empty(), !packet.name_servers.is_empty(), "an SOA says how long \"no\" may be kept");
    let RData::HTTPS(HTTPS(record)) = &packet.answers.first()?.rdata else { panic!("{packet:?}") };
    assert_eq!((record.priority, record.target.to_string().as_str()), (1, ""));
    let alpn = record.iter_params().find_map(|param| match param {
        SVCParam::Alpn(all) => Some(all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        _ => None,
    });
    let ech = record.iter_params().find_map(|param| if let SVCParam::Ech(list) = param { Some(list.to_vec()) } else { None });
    Some((alpn, ech))
}

#[test]
fn a_site_with_http3_or_ech_says_so_and_a_plain_one_says_nothing() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let said = binding(&resolver(), "quick.test", transport);
        assert_eq!(said, Some((Some("h3,h2,http/1.1".to_owned()), listed())));
        assert_eq!(binding(&resolver(), "plain.test", transport), None);
    }
}

#[test]
fn a_stripped_record_is_gone_or_lacks_what_was_stripped() {
    let alpn = Some("h3,h2,http/1.1".to_owned());
    for transport in [Transport::Udp, Transport::Tcp] {
        let of = |trick| binding(&stripping(trick), "quick.test", transport);
        assert_eq!(of(DnsTrick::StripHttpsRecord), None);
        assert_eq!(of(DnsTrick::StripEch), Some((alpn.clone(), None)));
        assert_eq!(of(DnsTrick::StripAlpn), Some((None, listed())));
    }
    // Addresses are left alone.
    assert_eq!(outcome(&stripping(DnsTrick::StripHttpsRecord), "quick.test", TYPE::A).1, ["A 192.0.2.70"]);
}
