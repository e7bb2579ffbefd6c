//! HTTPS records: what a client may know of a site before it dials (RFC 9460), its ECH configuration with it (RFC 9848).
//!
//! One record in service mode, for the host itself. Protocols are given by name, so that a client with HTTP/3 can begin with it;
//! addresses are not hinted at, they are in A and AAAA.

use base64::Engine as _;

use crate::scenario::{Serve, Site};

/// What the record of a site says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Binding {
    /// Protocols, in order of preference.
    pub(super) alpn: Vec<String>,
    /// An ECHConfigList.
    pub(super) ech: Option<Vec<u8>>,
}

impl Binding {
    /// What there is to say of a site's web server on port 443: nothing, unless it speaks HTTP/3 or has an ECH configuration.
    pub(super) fn of(site: &Site) -> Option<Self> {
        let web = site.services.iter().find(|service| service.port == 443)?;
        let Serve::Https { alpn, http3, .. } = &web.serve else { return None };
        if !http3 && site.ech.is_none() {
            return None;
        }
        let h3 = http3.then(|| "h3".to_owned());
        Some(Self { alpn: h3.into_iter().chain(alpn.iter().cloned()).collect(), ech: site.ech.clone() })
    }

    /// As in a record: priority, target name (`.`: the owner itself), parameters in the order of their keys (RFC 9460 section 2.2).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut data = PRIORITY.to_be_bytes().to_vec();
        data.push(0);
        if !self.alpn.is_empty() {
            let mut list = Vec::new();
            for protocol in &self.alpn {
                let protocol = &protocol.as_bytes()[..protocol.len().min(255)];
                list.push(protocol.len() as u8);
                list.extend(protocol);
            }
            push(&mut data, ALPN, &list);
        }
        if let Some(ech) = &self.ech {
            push(&mut data, ECH, ech);
        }
        data
    }

    /// Presentation form.
    pub(super) fn told(&self) -> String {
        let mut told = format!("HTTPS {PRIORITY} .");
        if !self.alpn.is_empty() {
            told.push_str(&format!(" alpn=\"{}\"", self.alpn.join(",")));
        }
        if let Some(ech) = &self.ech {
            told.push_str(&format!(" ech=\"{}\"", base64::engine::general_purpose::STANDARD.encode(ech)));
        }
        told
    }
}

fn push(data: &mut Vec<u8>, key: u16, value: &[u8]) {
    data.extend(key.to_be_bytes());
    data.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    data.extend(value);
}

/// Service mode; the only record there is.
const PRIORITY: u16 = 1;
/// SvcParamKeys (RFC 9460 section 14.3.2; `ech` RFC 9848 section 4).
const ALPN: u16 = 1;
const ECH: u16 = 5;
