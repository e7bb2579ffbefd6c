//! The world: included files and the scenario's own sites, joined. No two sites share a name; they may share an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use time::{Date, OffsetDateTime};
use x509_parser::pem::Pem;

use super::Resolver;
use super::lists::is_host;
use crate::scenario::diagnostic::{Kind, Spot};
use crate::scenario::mail::MailService;
use crate::scenario::plan::{Cert, Serve, Service, Site, World};
use crate::scenario::written::{
    At, CertWritten, OneOrMany, Scenario, ServeWord, ServiceTable, ServiceWritten, SiteWritten, WorldFile,
};
use crate::scenario::{library, read, suggest};

/// Joins the world. Without `ipv6` no site has an IPv6 address, so that no room has to ask.
pub(super) fn resolve(r: &mut Resolver<'_>, written: &Scenario, ipv6: bool) -> World {
    let mut world = World::default();
    let mut seen = HashMap::new();
    let Some(section) = &written.world else {
        let top = r.top();
        r.collector
            .report(Kind::Missing, &top, "the scenario has no world")
            .hint("give it one: `[world]` with `include = [\"web-2019\"]`");
        return world;
    };
    let included = section.include.as_ref().map(|i| (r.spot(i), i.0.clone())).unwrap_or((r.top(), Vec::new()));
    for name in &included.1 {
        include(r, name, &included.0, &mut world, &mut seen);
    }
    let source = r.origin.source;
    add_sites(r, source, &section.site, &mut world, &mut seen);
    if let Some(OneOrMany(resolver)) = section.isp_resolver.as_ref().map(At::value) {
        world.isp_resolver.clone_from(resolver);
    }
    let roots = section.roots.iter().flat_map(|roots| &roots.0);
    world.extra_roots = roots.map(|file| r.origin.home.path(file)).collect();
    if !ipv6 {
        forget_ipv6(r, &mut world, &seen);
    }
    if world.sites.is_empty() {
        let spot = r.spot(section);
        r.collector
            .report(Kind::Missing, &spot, "the world has no site")
            .hint("`include = [\"web-2019\"]`, or a `[[world.site]]`");
    }
    world
}

fn forget_ipv6(r: &mut Resolver<'_>, world: &mut World, seen: &HashMap<String, Spot>) {
    world.isp_resolver.retain(IpAddr::is_ipv4);
    for site in &mut world.sites {
        site.addresses.retain(IpAddr::is_ipv4);
        if let (true, Some(spot)) = (site.addresses.is_empty(), seen.get(&site.names[0])) {
            let message = format!("`{}` has IPv6 addresses only, and the network has no IPv6", site.names[0]);
            r.collector.report(Kind::Contradiction, spot, message).hint("`[network]` with `ipv6 = true`");
        }
    }
}

fn include(r: &mut Resolver<'_>, name: &str, spot: &Spot, world: &mut World, seen: &mut HashMap<String, Spot>) {
    match r.origin.home.world(name) {
        Ok(found) => {
            let source = r.collector.source(found.name, found.text);
            let file: WorldFile = read::read(r.collector, source);
            if let Some(OneOrMany(resolver)) = file.isp_resolver.as_ref().map(At::value) {
                world.isp_resolver.extend(resolver);
            }
            add_sites(r, source, &file.site, world, seen);
        }
        Err(_) => {
            let message = format!("no part of the world is called `{name}`");
            let hint = suggest::hint(name, library::world_names());
            r.collector.report(Kind::UnknownName, spot, message).maybe(hint);
        }
    }
}

fn add_sites(
    r: &mut Resolver<'_>,
    source: usize,
    sites: &[At<SiteWritten>],
    world: &mut World,
    seen: &mut HashMap<String, Spot>,
) {
    for written in sites {
        let spot = |span| Spot { source, span };
        let here = spot(written.span());
        let names = names(r, written, &here, source);
        for name in &names {
            let at = written.names.as_ref().map_or(here.clone(), |n| spot(n.span()));
            if let Some(before) = seen.insert(name.clone(), at.clone()) {
                r.duplicate("sites of the world", name, &at, &before);
            }
        }
        let addresses = addresses(r, written, &here, source);
        if let (false, false) = (names.is_empty(), addresses.is_empty()) {
            let services = services(r, written, &here, source);
            world.sites.push(Site {
                names,
                addresses,
                asn: written.asn.as_ref().map(|a| *a.value()),
                place: written.place.as_ref().map(|p| *p.value()).unwrap_or_default(),
                services: versioned(r, written, source, services),
                cert: cert(r, written, source),
                ech: ech(r, written, source),
            });
        }
    }
}

fn names(r: &mut Resolver<'_>, written: &SiteWritten, here: &Spot, source: usize) -> Vec<String> {
    let Some(names) = written.names.as_ref().filter(|n| !n.0.is_empty()) else {
        r.collector.report(Kind::Missing, here, "a site without a name").hint("`names = \"www.example.test\"`, or a list");
        return Vec::new();
    };
    let spot = Spot { source, span: names.span() };
    let good = |r: &mut Resolver<'_>, name: &String| {
        let is_good = is_host(name.strip_prefix("*.").unwrap_or(name));
        if !is_good {
            r.collector.report(Kind::BadValue, &spot, format!("`{name}` is no host name"));
        }
        is_good
    };
    names.0.iter().filter(|name| good(r, name)).map(|name| name.to_ascii_lowercase()).collect()
}

fn addresses(r: &mut Resolver<'_>, written: &SiteWritten, here: &Spot, source: usize) -> Vec<IpAddr> {
    let Some(addresses) = written.address.as_ref().filter(|a| !a.0.is_empty()) else {
        r.collector.report(Kind::Missing, here, "a site without an address").hint("`address = \"192.0.2.10\"`, or a list");
        return Vec::new();
    };
    for address in addresses.0.iter().filter(|a| a.is_loopback() || a.is_multicast() || a.is_unspecified()) {
        let spot = Spot { source, span: addresses.span() };
        r.collector
            .report(Kind::BadValue, &spot, format!("`{address}` is no address of a site"))
            .hint("sites have addresses of the sealed Internet; a server of your own is a service `{ serve = \"loopback\" }`");
    }
    addresses.0.clone()
}

fn cert(r: &mut Resolver<'_>, written: &SiteWritten, source: usize) -> Cert {
    let Some(written) = &written.cert else { return Cert::default() };
    match written.value() {
        CertWritten::Word(cert) => cert.clone(),
        CertWritten::Files(files) => {
            let (chain, key) = (r.origin.home.path(&files.chain), r.origin.home.path(&files.key));
            if let Some(day) = expired_on(&chain).filter(|_| files.expired_ok.is_none()) {
                let spot = Spot { source, span: written.span() };
                let told =
                    format!("the certificate in `{}` expired on {day}: every client would refuse it", files.chain.display());
                r.collector
                    .report(Kind::Dates, &spot, told)
                    .hint("put a new one there, or say why it may have: `expired_ok = \"...\"`; `cert = \"expired\"` makes one");
            }
            Cert::Files { chain, key }
        }
    }
}

/// The day on which the leaf of a chain expired, if it has: clients judge by the machine's clock. What cannot be read is told of when
/// it is used.
fn expired_on(chain: &Path) -> Option<Date> {
    let text = std::fs::read(chain).ok()?;
    let leaf = Pem::iter_from_buffer(&text).next()?.ok()?;
    let end = leaf.parse_x509().ok()?.validity().not_after.to_datetime();
    (end < OffsetDateTime::now_utc()).then(|| end.date())
}

fn ech(r: &mut Resolver<'_>, written: &SiteWritten, source: usize) -> Option<Vec<u8>> {
    let written = written.ech.as_ref()?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(written.value().trim()).ok();
    // The list begins with the length of what follows (RFC 9849 section 4).
    let list = decoded.filter(|list| list.len() > 2 && usize::from(u16::from_be_bytes([list[0], list[1]])) == list.len() - 2);
    if list.is_none() {
        let spot = Spot { source, span: written.span() };
        r.collector
            .report(Kind::BadValue, &spot, "`ech` is no ECHConfigList in base64")
            .hint("as it stands in an HTTPS record: `dig HTTPS example.com` shows one behind `ech=`");
    }
    list
}

fn services(r: &mut Resolver<'_>, written: &SiteWritten, here: &Spot, source: usize) -> Vec<Service> {
    let Some(listed) = &written.services else { return vec![https(), http()] };
    let spot = Spot { source, span: listed.span() };
    let mut services: Vec<Service> = Vec::new();
    for service in &listed.0 {
        let resolved = match service {
            ServiceWritten::Https => Some(https()),
            ServiceWritten::Http => Some(http()),
            ServiceWritten::Doh => Some(doh()),
            ServiceWritten::Dot => Some(Service { port: 853, serve: Serve::Dot }),
            ServiceWritten::Chat => Some(Service { port: 443, serve: Serve::Chat { end_to_end: false } }),
            ServiceWritten::Mail(service) => Some(mail(*service, service.port(), &ServiceTable::default())),
            ServiceWritten::Table(table) => detailed(r, table, &spot),
        };
        let Some(resolved) = resolved else { continue };
        if services.iter().any(|s| s.port == resolved.port) {
            r.collector.report(Kind::Duplicate, &spot, format!("two services on port {}", resolved.port));
        }
        services.push(resolved);
    }
    if listed.0.is_empty() {
        r.collector.report(Kind::Missing, here, "a site without a service").hint("leave `services` out for https and http");
    }
    services
}

/// The site's `tls` holds for each of its https services.
fn versioned(r: &mut Resolver<'_>, written: &SiteWritten, source: usize, mut services: Vec<Service>) -> Vec<Service> {
    let Some(only) = &written.tls else { return services };
    let mut any = false;
    for service in &mut services {
        if let Serve::Https { tls, .. } = &mut service.serve {
            (*tls, any) = (Some(*only.value()), true);
        }
    }
    if !any {
        let spot = Spot { source, span: only.span() };
        r.collector
            .report(Kind::Contradiction, &spot, "`tls` means nothing for a site without a service `https`")
            .hint("a server of your own chooses its versions itself");
    }
    services
}

fn https() -> Service {
    secure_web(443, false, &ServiceTable::default())
}

fn doh() -> Service {
    secure_web(443, true, &ServiceTable::default())
}

fn secure_web(port: u16, doh: bool, table: &ServiceTable) -> Service {
    let serve = Serve::Https {
        pages: table.pages.clone(),
        alpn: table.alpn.clone().map_or_else(default_alpn, |a| a.0),
        hsts: table.hsts.unwrap_or(false),
        tls: None,
        doh,
        http3: table.http3.unwrap_or(false),
    };
    Service { port, serve }
}

fn http() -> Service {
    Service { port: 80, serve: Serve::Http { pages: None, to_https: true } }
}

fn mail(service: MailService, port: u16, table: &ServiceTable) -> Service {
    let (starttls, clear_login) = (table.starttls.unwrap_or(true), table.clear_login.unwrap_or(true));
    Service { port, serve: Serve::Mail { service, starttls: starttls && !service.is_implicit(), clear_login } }
}

fn default_alpn() -> Vec<String> {
    vec!["h2".to_owned(), "http/1.1".to_owned()]
}

fn detailed(r: &mut Resolver<'_>, table: &ServiceTable, spot: &Spot) -> Option<Service> {
    let Some(serve) = table.serve else {
        let hint =
            "`serve` is one of `https`, `http`, `chat`, `doh`, `dot`, `exec`, `loopback`, or a mail service such as `imaps`";
        r.collector.report(Kind::Missing, spot, "a service that does not say what it serves").hint(hint);
        return None;
    };
    for key in foreign_keys(serve, table) {
        r.collector.report(Kind::Contradiction, spot, format!("`{key}` means nothing for a service `{}`", word(serve)));
    }
    let port = table.port.or(match serve {
        ServeWord::Https | ServeWord::Chat | ServeWord::Doh => Some(443),
        ServeWord::Http => Some(80),
        ServeWord::Dot => Some(853),
        other => other.mail().map(MailService::port),
    });
    let Some(port) = port.filter(|p| *p != 0) else {
        r.collector.report(Kind::Missing, spot, format!("a service `{}` without a port", word(serve)));
        return None;
    };
    if let Some(service) = serve.mail() {
        return Some(mail(service, port, table));
    }
    let serve = match serve {
        ServeWord::Https | ServeWord::Doh => return Some(secure_web(port, serve == ServeWord::Doh, table)),
        ServeWord::Dot => Serve::Dot,
        ServeWord::Http => Serve::Http { pages: table.pages.clone(), to_https: table.to_https.unwrap_or(false) },
        ServeWord::Chat => Serve::Chat { end_to_end: table.end_to_end.unwrap_or(false) },
        ServeWord::Exec => exec(r, table, spot)?,
        _ => loopback(r, table, spot)?,
    };
    Some(Service { port, serve })
}

fn exec(r: &mut Resolver<'_>, table: &ServiceTable, spot: &Spot) -> Option<Serve> {
    let Some(argv) = table.run.clone().filter(|run| !run.is_empty()) else {
        r.collector
            .report(Kind::Missing, spot, "a service `exec` without a program")
            .hint("`run = [\"program\", \"--port\", \"{port}\"]`");
        return None;
    };
    Some(Serve::Exec { argv, ready_within: table.ready_within.map_or(Duration::from_secs(10), |s| s.0) })
}

fn loopback(r: &mut Resolver<'_>, table: &ServiceTable, spot: &Spot) -> Option<Serve> {
    match table.address {
        Some(address) if address.ip().is_loopback() && address.port() != 0 => Some(Serve::Loopback { address }),
        Some(address) => {
            r.collector
                .report(Kind::BadValue, spot, format!("`{address}` is not on the loopback interface"))
                .hint("the lab dials no other address of the host");
            None
        }
        None => {
            r.collector
                .report(Kind::Missing, spot, "a service `loopback` without an address")
                .hint("`address = \"127.0.0.1:8443\"`");
            None
        }
    }
}

fn foreign_keys(serve: ServeWord, table: &ServiceTable) -> Vec<&'static str> {
    let secure = matches!(serve, ServeWord::Https | ServeWord::Doh);
    let web = secure || serve == ServeWord::Http;
    let upgrades = serve.mail().is_some_and(|service| !service.is_implicit());
    let keys = [
        ("starttls", table.starttls.is_some(), upgrades),
        ("clear_login", table.clear_login.is_some(), upgrades),
        ("pages", table.pages.is_some(), web),
        ("alpn", table.alpn.is_some(), secure),
        ("hsts", table.hsts.is_some(), secure),
        ("http3", table.http3.is_some(), secure),
        ("to_https", table.to_https.is_some(), serve == ServeWord::Http),
        ("end_to_end", table.end_to_end.is_some(), serve == ServeWord::Chat),
        ("run", table.run.is_some(), serve == ServeWord::Exec),
        ("ready_within", table.ready_within.is_some(), serve == ServeWord::Exec),
        ("address", table.address.is_some(), serve == ServeWord::Loopback),
    ];
    keys.into_iter().filter(|(_, given, known)| *given && !known).map(|(key, ..)| key).collect()
}

fn word(serve: ServeWord) -> &'static str {
    if let Some(service) = serve.mail() {
        return service.word();
    }
    match serve {
        ServeWord::Https => "https",
        ServeWord::Http => "http",
        ServeWord::Doh => "doh",
        ServeWord::Dot => "dot",
        ServeWord::Chat => "chat",
        ServeWord::Exec => "exec",
        _ => "loopback",
    }
}
