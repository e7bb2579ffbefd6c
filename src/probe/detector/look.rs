//! The looks: at the site, at a control address, at the same address under another name, at plain HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::time::timeout;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{Finding, Options, Report, judge, report};
use crate::probe::dial::dial;
use crate::probe::http;
use crate::probe::settings::certificates;
use crate::probe::signals::{self, Sight, Signal, SpeaksFor};
use crate::probe::tls::{self, Ended, Hello, secure};
use crate::probe::verify::{Manner, Shown, Store};
use crate::probe::{Failure, Settings, Url};

/// Looks at everything that the options ask for, and judges.
pub(super) async fn look(url: &Url, options: &Options, settings: &Settings) -> Result<Report, Failure> {
    let reference = options.reference.as_deref().map(certificates).transpose()?;
    let (shown, address, failure) = match handshake(url, options, settings, plain_hello()).await {
        Ok((shown, address)) => (shown, Some(address), None),
        Err(Ended { failure: failure @ Failure::Setting { .. }, .. }) => return Err(failure),
        Err(Ended { failure, shown: Some(shown), address }) => (shown, address, Some(failure)),
        Err(Ended { failure, shown: None, address }) => return Ok(without_chain(url, options, settings, failure, address).await),
    };
    let trusted = shown.refusal.is_none();
    let control = match options.control {
        Some(address) => at(url, address, options, settings).await,
        None => None,
    };
    let other_name = match trusted {
        true => None, // nothing to explain
        false => under_another_name(url, options, settings).await,
    };
    let chain = parsed(&shown);
    let sight = Sight {
        host: &url.host,
        issuer_known: knows(settings.roots.as_deref(), &shown, &chain)?.unwrap_or(false),
        issuer_public: knows(settings.public_roots.as_deref(), &shown, &chain)?,
        chain,
        der: &shown.chain,
        refusal: shown.refusal.as_ref(),
        reference: reference.as_deref(),
        control: control.as_deref(),
        other_name: other_name.as_deref(),
        expect_ct: options.ct,
    };
    let mut signals = signals::read(&sight);
    if !trusted {
        signals.extend(portal(url, options, settings).await);
    }
    let (finding, reason) = judge(trusted, sight.issuer_public, &signals);
    Ok(Report {
        finding,
        reason,
        url: url.to_string(),
        address,
        trusted,
        error: failure.map(|f| f.to_string()).or_else(|| shown.refusal.as_ref().map(|r| tls::in_words(r).to_string())),
        signals,
        chain: sight.chain.iter().zip(&shown.chain).map(|(parsed, der)| report::Shown::of(parsed, der)).collect(),
    })
}

async fn without_chain(
    url: &Url,
    options: &Options,
    settings: &Settings,
    failure: Failure,
    address: Option<SocketAddr>,
) -> Report {
    let signals: Vec<_> = portal(url, options, settings).await.into_iter().collect();
    let finding = if signals.is_empty() { Finding::NotSure } else { Finding::Portal };
    Report {
        finding,
        reason: signals.first().map_or_else(|| "no chain was shown".to_owned(), |s| s.evidence.clone()),
        url: url.to_string(),
        address,
        trusted: false,
        error: Some(failure.to_string()),
        signals,
        chain: Vec::new(),
    }
}

async fn handshake(url: &Url, options: &Options, settings: &Settings, hello: Hello) -> Result<(Shown, SocketAddr), Ended> {
    let limit = Duration::from_secs(options.max_time.clamp(1, 60));
    match timeout(limit, secure(url, &hello, Manner::Look, settings)).await {
        Ok(Ok(secured)) => Ok((secured.shown, secured.address)),
        Ok(Err(ended)) => Err(*ended),
        Err(_) => Err(Ended {
            failure: Failure::Timeout { seconds: limit.as_secs(), step: "waiting for the handshake" },
            shown: None,
            address: None,
        }),
    }
}

fn plain_hello() -> Hello {
    Hello { sni: None, no_sni: false, tls12: false, post_quantum: false, alpn: &["h2", "http/1.1"], split: 0, connect: None }
}

async fn at(url: &Url, address: SocketAddr, options: &Options, settings: &Settings) -> Option<Vec<CertificateDer<'static>>> {
    let hello = Hello { connect: Some(address), ..plain_hello() };
    handshake(url, options, settings, hello).await.ok().map(|(shown, _)| shown.chain)
}

/// A name that no list holds, under the reserved `example` (RFC 2606).
async fn under_another_name(url: &Url, options: &Options, settings: &Settings) -> Option<Vec<CertificateDer<'static>>> {
    let hello = Hello { sni: Some("www.unlisted-name.example".to_owned()), ..plain_hello() };
    handshake(url, options, settings, hello).await.ok().map(|(shown, _)| shown.chain)
}

/// Plain HTTP that leads to another host, or says outright that it is a portal (RFC 6585 section 6).
async fn portal(url: &Url, options: &Options, settings: &Settings) -> Option<Signal> {
    let plain = Url { host: url.host.clone(), port: 80, path: "/".to_owned() };
    let ask = async {
        let (stream, _) = dial(&plain, None, settings).await.ok()?;
        http::get(stream, &plain, false).await.ok()
    };
    let reply = timeout(Duration::from_secs(options.max_time.clamp(1, 60)), ask).await.ok()??;
    let evidence = match reply.status {
        511 => "plain HTTP answers 511 Network Authentication Required".to_owned(),
        300..400 => {
            let to = reply.location?;
            let host = to.split_once("://")?.1.split(['/', '?', ':']).next()?.to_ascii_lowercase();
            if same_site(&host, &url.host) {
                return None;
            }
            format!("plain HTTP leads to `{host}`")
        }
        _ => return None,
    };
    Some(Signal { name: "portal", speaks_for: SpeaksFor::Portal, evidence })
}

/// `a.test`, `www.a.test`, `m.www.a.test`: one is the other's parent, or both have the same last two labels.
fn same_site(one: &str, other: &str) -> bool {
    let last_two = |host: &str| host.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    one == other || last_two(one) == last_two(other)
}

fn parsed(shown: &Shown) -> Vec<X509Certificate<'_>> {
    let parse = |der| x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed);
    shown.chain.iter().map_while(|der| parse(der)).collect()
}

/// Whether these roots know the chain's issuer, asked for a name and a time that the leaf itself is valid for.
fn knows(bundle: Option<&std::path::Path>, shown: &Shown, chain: &[X509Certificate<'_>]) -> Result<Option<bool>, Failure> {
    let Some(bundle) = bundle else { return Ok(None) };
    let roots = certificates(bundle)?;
    let store = Store::of(&roots, &tls::provider());
    let Some((name, when)) = chain.first().and_then(own_name_and_time) else { return Ok(Some(false)) };
    Ok(Some(store.check_at(&shown.chain, &name, when).is_ok()))
}

fn own_name_and_time(leaf: &X509Certificate<'_>) -> Option<(ServerName<'static>, UnixTime)> {
    let names = leaf.subject_alternative_name().ok()??;
    let name = names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => ServerName::try_from(name.replacen('*', "any", 1)).ok(),
        GeneralName::IPAddress(bytes) => {
            let ip = match bytes.len() {
                4 => std::net::IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                _ => std::net::IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
            };
            Some(ServerName::from(ip))
        }
        _ => None,
    })?;
    let (from, to) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    let now = UnixTime::now().as_secs();
    let when = now.clamp(u64::try_from(from).ok()?, u64::try_from(to.max(from)).ok()?);
    Some((name, UnixTime::since_unix_epoch(Duration::from_secs(when))))
}
