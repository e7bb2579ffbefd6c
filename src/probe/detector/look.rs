//! The looks: at the site, at a control address, at the same address under another name, at plain HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::time::timeout;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::class::{Standing, judge};
use super::{Finding, Options, Report, report};
use crate::client::trust::bare_pin;
use crate::probe::dial::dial;
use crate::probe::http;
use crate::probe::settings::{self, certificates};
use crate::probe::signals::comparison::NOBODYS;
use crate::probe::signals::{self, Sight, Signal, SpeaksFor, copy, ct};
use crate::probe::tls::{self, Ended, Hello, Parameters, secure};
use crate::probe::verify::{Manner, Shown, Store};
use crate::probe::{Failure, Settings, Url};
use crate::scenario::{Answer, Truth};

/// Looks at everything that the options ask for, and judges.
pub(super) async fn look(url: &Url, options: &Options, settings: &Settings) -> Result<Report, Failure> {
    let known = Known::read(url, options)?;
    let (first, failure) = match handshake(url, options, settings, plain_hello()).await {
        Ok(looked) => (looked, None),
        Err(Ended { failure: failure @ Failure::Setting { .. }, .. }) => return Err(failure),
        Err(Ended { failure, shown: Some(shown), address }) => {
            (Looked { shown, address, parameters: None, connected: None, shook: None }, Some(failure))
        }
        Err(Ended { failure, shown: None, address }) => return Ok(without_chain(url, options, settings, failure, address).await),
    };
    let shown = &first.shown;
    let trusted = shown.refusal.is_none();
    let chain = parsed(shown);
    let issuer_known = knows(settings.roots.as_deref(), shown, &chain)?.unwrap_or(false);
    let issuer_public = knows(settings.public_roots.as_deref(), shown, &chain)?;
    let vouched = trusted && issuer_public == Some(true);
    // The further looks are independent of each other; where the vendors' roots vouch there is nothing to explain.
    let (control, other, portal) = tokio::join!(
        async { at(url, options.control?, options, settings).await },
        async { if vouched { None } else { under_another_name(url, options, settings).await } },
        async { if trusted { None } else { portal(url, options, settings).await } },
    );
    let sight = Sight {
        host: &url.host,
        issuer_known,
        issuer_public,
        chain,
        der: &shown.chain,
        refusal: shown.refusal.as_ref(),
        reference: known.reference.as_deref(),
        control: control.as_ref().map(|looked| looked.shown.chain.as_slice()),
        other_name: other.as_ref().map(|looked| looked.shown.chain.as_slice()),
        expect_ct: options.ct,
        logs: known.logs.as_deref(),
        pins: known.pins.as_deref(),
        has_staple: shown.has_staple,
        lists: &known.lists,
        parameters: first.parameters.as_ref(),
        other_parameters: other.as_ref().and_then(|looked| looked.parameters.as_ref()),
    };
    let mut signals = signals::read(&sight);
    signals.extend(portal);
    let names: String = sight.chain.iter().map(|c| format!("{} {} ", c.issuer(), c.subject()).to_lowercase()).collect();
    let standing = Standing { trusted, public: sight.issuer_public, names: &names };
    let (finding, class, reason) = judge(standing, &signals);
    Ok(Report {
        finding,
        class,
        reason,
        url: url.to_string(),
        address: first.address,
        trusted,
        error: failure.map(|f| f.to_string()).or_else(|| shown.refusal.as_ref().map(|r| tls::in_words(r).to_string())),
        signals,
        chain: sight.chain.iter().zip(&shown.chain).map(|(parsed, der)| report::Shown::of(parsed, der)).collect(),
        seen: first.seen(&sight),
    })
}

/// What was known before.
struct Known {
    reference: Option<Vec<CertificateDer<'static>>>,
    logs: Option<Vec<ct::Log>>,
    pins: Option<Vec<String>>,
    lists: Vec<Vec<u8>>,
}

impl Known {
    fn read(url: &Url, options: &Options) -> Result<Self, Failure> {
        let mut pins = options.pins.as_deref().map(|file| settings::pins(file, &url.host)).transpose()?.flatten();
        if !options.pin.is_empty() {
            pins.get_or_insert_default().extend(options.pin.iter().map(|pin| bare_pin(pin).to_owned()));
        }
        Ok(Self {
            reference: options.reference.as_deref().map(certificates).transpose()?,
            logs: options.ct_logs.as_deref().map(ct::logs).transpose()?,
            pins,
            lists: options.crl.as_deref().map(settings::revocation_lists).transpose()?.unwrap_or_default(),
        })
    }
}

/// One look that came to a chain.
struct Looked {
    shown: Shown,
    address: Option<SocketAddr>,
    parameters: Option<Parameters>,
    connected: Option<Duration>,
    shook: Option<Duration>,
}

impl Looked {
    fn seen(&self, sight: &Sight<'_>) -> report::Seen {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let days = |leaf: &X509Certificate<'_>| {
            (leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp()) / (24 * 3600)
        };
        report::Seen {
            parameters: self.parameters.clone(),
            connect_ms: self.connected.map(ms),
            handshake_ms: self.shook.map(ms),
            staple: self.shown.has_staple,
            logs: self.shown.chain.first().map(ct::named).unwrap_or_default(),
            logged: sight.logs.and_then(|logs| ct::logged(&self.shown.chain, logs)).map(|logged| logged == ct::Logged::Listed),
            lifetime_days: sight.leaf().map(days),
            infrastructure: sight.leaf().map(copy::infrastructure).unwrap_or_default(),
        }
    }
}

async fn without_chain(
    url: &Url,
    options: &Options,
    settings: &Settings,
    failure: Failure,
    address: Option<SocketAddr>,
) -> Report {
    let portal = portal(url, options, settings).await;
    let reason = || format!("no chain was shown: {failure}; the way is hindered, or the site is down");
    Report {
        finding: if portal.is_some() { Finding::Portal } else { Finding::Blocked },
        class: Answer::Named(if portal.is_some() { Truth::CaptivePortal } else { Truth::Blocked }),
        reason: portal.as_ref().map_or_else(reason, |sign| sign.evidence.clone()),
        url: url.to_string(),
        address,
        trusted: false,
        error: Some(failure.to_string()),
        signals: portal.into_iter().collect(),
        chain: Vec::new(),
        seen: report::Seen::default(),
    }
}

async fn handshake(url: &Url, options: &Options, settings: &Settings, hello: Hello) -> Result<Looked, Ended> {
    let limit = Duration::from_secs(options.max_time.clamp(1, 60));
    match timeout(limit, secure(url, &hello, Manner::Look, settings)).await {
        Ok(Ok(secured)) => Ok(Looked {
            address: Some(secured.address),
            parameters: Some(secured.parameters),
            connected: Some(secured.connected),
            shook: Some(secured.shook),
            shown: secured.shown,
        }),
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

async fn at(url: &Url, address: SocketAddr, options: &Options, settings: &Settings) -> Option<Looked> {
    let hello = Hello { connect: Some(address), ..plain_hello() };
    handshake(url, options, settings, hello).await.ok()
}

/// A name that no list holds.
async fn under_another_name(url: &Url, options: &Options, settings: &Settings) -> Option<Looked> {
    let hello = Hello { sni: Some(NOBODYS.to_owned()), ..plain_hello() };
    handshake(url, options, settings, hello).await.ok()
}

/// Plain HTTP that leads to another host, or says outright that it is a portal (RFC 6585 section 6).
async fn portal(url: &Url, options: &Options, settings: &Settings) -> Option<Signal> {
    let plain = Url { host: url.host.clone(), port: 80, path: "/".to_owned() };
    let ask = async {
        let (stream, _) = dial(&plain, None, settings).await.ok()?;
        http::get(stream, &plain, false).await.ok()
    };
    let reply = timeout(Duration::from_secs(options.max_time.clamp(1, PORTAL_S)), ask).await.ok()??;
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

/// Seconds: a portal is near, and answers at once or not at all.
const PORTAL_S: u64 = 2;
