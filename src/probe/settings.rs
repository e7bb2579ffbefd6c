//! What the probe reads from its environment, once: roots, block list, proxy.

use std::path::PathBuf;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{Failure, Url};
use crate::client::trust::bare_pin;

/// The surroundings of a probe, as its environment states them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// PEM bundle of trusted roots (`SSL_CERT_FILE`, else the system's bundle).
    pub roots: Option<PathBuf>,
    /// PEM bundle of the roots that vendors ship (`MITMLAB_PUBLIC_ROOTS`).
    pub public_roots: Option<PathBuf>,
    /// Blocked keys (`MITMLAB_BLOCKLIST`).
    pub blocklist: Option<PathBuf>,
    /// The proxy's URL (`HTTPS_PROXY`, `ALL_PROXY`).
    pub proxy: Option<String>,
    /// Hosts that go past it (`NO_PROXY`), comma separated.
    pub no_proxy: String,
}

impl Settings {
    /// Reads the process's environment.
    pub fn from_env() -> Self {
        Self::read(&|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(|v| v.to_string_lossy().into_owned()))
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|n| variable(n));
        let system = || BUNDLES.iter().map(PathBuf::from).find(|p| p.exists());
        Self {
            roots: variable("SSL_CERT_FILE").map(PathBuf::from).or_else(system),
            public_roots: variable("MITMLAB_PUBLIC_ROOTS").map(PathBuf::from),
            blocklist: variable("MITMLAB_BLOCKLIST").map(PathBuf::from),
            proxy: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            no_proxy: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        }
    }

    /// The proxy for a URL, as `host:port`.
    pub(super) fn proxy_for(&self, url: &Url) -> Result<Option<String>, Failure> {
        let Some(proxy) = self.proxy.as_deref().filter(|_| !is_left_out(&self.no_proxy, &url.host)) else { return Ok(None) };
        let wrong = |reason: &str| Failure::Setting { what: format!("proxy `{proxy}`"), reason: reason.to_owned() };
        let rest = match proxy.split_once("://") {
            None => proxy,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(wrong("only `http://` proxies are known")),
        };
        let authority = rest.trim_end_matches('/');
        match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Some(authority.to_owned())),
            _ => Err(wrong("host and port expected")),
        }
    }
}

/// The certificates of a PEM bundle.
pub(super) fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |reason: String| Failure::Setting { what: format!("bundle `{}`", path.display()), reason };
    let all = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    all.take(MOST_CERTIFICATES).collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))
}

/// The pins of a host: JSON, `{ "host": ["BASE64", ...] }`; none if it is not there.
pub(super) fn pins(path: &std::path::Path, host: &str) -> Result<Option<Vec<String>>, Failure> {
    let wrong = |reason: String| Failure::Setting { what: format!("pins `{}`", path.display()), reason };
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let mut all: std::collections::HashMap<String, Vec<String>> =
        serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    Ok(all.remove(host))
}

/// Revocation lists from PEM.
pub(super) fn revocation_lists(path: &std::path::Path) -> Result<Vec<Vec<u8>>, Failure> {
    let wrong = |reason: String| Failure::Setting { what: format!("revocation lists `{}`", path.display()), reason };
    let all = CertificateRevocationListDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    all.take(MOST_CERTIFICATES).map(|list| list.map(|l| l.to_vec()).map_err(|e| wrong(e.to_string()))).collect()
}

/// The keys of a block list: one base64 word a line, `#` begins a comment.
pub(super) fn blocklist(path: &std::path::Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::Setting { what: format!("block list `{}`", path.display()), reason: e.to_string() })?;
    let word = |line: &str| line.split('#').next().map(|w| bare_pin(w.trim()).to_owned());
    Ok(text.lines().filter_map(word).filter(|w| !w.is_empty()).collect())
}

fn is_left_out(no_proxy: &str, host: &str) -> bool {
    no_proxy
        .split(',')
        .map(|s| s.trim().trim_start_matches('.'))
        .filter(|s| !s.is_empty())
        .any(|suffix| suffix == "*" || host == suffix || host.strip_suffix(suffix).is_some_and(|before| before.ends_with('.')))
}

const BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A bound; Mozilla's list has some 150.
const MOST_CERTIFICATES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, no_proxy: &str) -> Option<String> {
        let settings = Settings { proxy: Some(url.into()), no_proxy: no_proxy.into(), ..Settings::default() };
        settings.proxy_for(&"https://www.bank.test/".parse().unwrap()).ok().flatten()
    }

    #[test]
    fn a_proxy_is_taken_unless_the_host_is_left_out() {
        assert_eq!(proxy("http://127.0.0.1:8080/", "").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(proxy("http://127.0.0.1:8080", "other.test, .bank.test"), None);
        assert_eq!(proxy("http://127.0.0.1:8080", "ank.test").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(proxy("socks5://127.0.0.1:1080", ""), None);
    }

    #[test]
    fn lower_case_comes_first_and_empty_counts_for_nothing() {
        let read = Settings::read(&|name| (name == "https_proxy").then(|| "http://a:1".to_owned()));
        assert_eq!(read.proxy.as_deref(), Some("http://a:1"));
    }
}
