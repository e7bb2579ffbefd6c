//! What lies over the host's files in a client's own mount namespace, so that an unmodified program needs no variable.
//!
//! Plain data: which file or directory of the run is shown in place of which one of the host. Who mounts is not this
//! room's business. [`Ground::look`] reads the machine, [`plan`] is a pure function of what it found.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::program::find;
use super::trust::TrustStore;
use crate::scenario::Trust;

/// One thing shown in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// A file or directory of the run.
    pub source: PathBuf,
    /// What it is shown in place of: exists, and is no symbolic link.
    pub target: PathBuf,
    /// File or directory.
    pub shape: Shape,
    /// For the record.
    pub why: &'static str,
}

/// What an overlay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A directory with all below it.
    Directory,
    /// One file.
    File,
}

/// The places of this machine that a program may read roots or policies from. All exist; symbolic links are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// Directories of certificates.
    pub directories: BTreeSet<PathBuf>,
    /// PEM bundles, certifi's copies among them.
    pub bundles: BTreeSet<PathBuf>,
    /// Java trust stores.
    pub java: BTreeSet<PathBuf>,
    /// Places of Chromium's policy: the directory, and the path of our policy tree that belongs over it.
    pub chromium: BTreeSet<(PathBuf, &'static str)>,
    /// Places of Firefox's policy.
    pub firefox: BTreeSet<(PathBuf, &'static str)>,
}

impl Ground {
    /// Looks at the machine. `own_env` tells where runtimes are (`JAVA_HOME`, `VIRTUAL_ENV`, `PYENV_ROOT`, `HOME`).
    pub fn look(own_env: &[(OsString, OsString)]) -> Self {
        let variable = |name: &str| own_env.iter().find(|(n, _)| n == name).map(|(_, v)| PathBuf::from(v));
        let existing = |paths: Vec<PathBuf>| paths.iter().filter_map(|p| p.canonicalize().ok()).collect();
        let on_path = || find("java", variable("PATH")?.as_os_str().into()).ok()?.canonicalize().ok();
        let java_home = on_path().and_then(|java| Some(java.parent()?.parent()?.to_owned())); // HOME/bin/java
        let homes: Vec<_> = children("/usr/lib/jvm").into_iter().chain(variable("JAVA_HOME")).chain(java_home).collect();
        let java = homes.iter().flat_map(|h| JAVA_STORES.iter().map(|s| h.join(s))).collect();
        let bundles = BUNDLES.iter().map(PathBuf::from).chain(certifi(&variable)).collect();
        Self {
            directories: existing(DIRECTORIES.iter().map(PathBuf::from).collect()),
            bundles: existing(bundles),
            java: existing(java),
            chromium: policies(CHROMIUM_PLACES),
            firefox: policies(FIREFOX_PLACES),
        }
    }
}

/// The overlays that give a client the store, directories first. Nothing is listed that a directory covers already.
pub fn plan(ground: &Ground, store: &TrustStore, trust: Trust) -> Vec<Overlay> {
    let mut overlays = Vec::new();
    let mut add = |source: &Path, target: &Path, shape, why| {
        overlays.push(Overlay { source: source.to_owned(), target: target.to_owned(), shape, why });
    };
    for target in &ground.directories {
        add(&store.hashed, target, Shape::Directory, "the system's certificate directory");
    }
    let uncovered = |path: &&PathBuf| !ground.directories.iter().any(|d| path.starts_with(d));
    for target in ground.bundles.iter().filter(uncovered) {
        add(&store.bundle, target, Shape::File, "a certificate bundle");
    }
    for target in ground.java.iter().filter(uncovered) {
        add(&store.jks, target, Shape::File, "a Java trust store");
    }
    let chromium = match trust {
        Trust::WebAuthorityBlocklist => &store.chromium_policy_blocked,
        _ => &store.chromium_policy,
    };
    for (target, part) in &ground.chromium {
        add(&chromium.join(part), target, Shape::Directory, "Chromium's managed policy");
    }
    for (target, part) in &ground.firefox {
        add(&store.firefox_policy.join(part), target, Shape::Directory, "Firefox's policy");
    }
    overlays
}

/// Name service files of the sealed network: the lab's resolver and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameService {
    /// `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// `/etc/nsswitch.conf`.
    pub nsswitch_conf: String,
    /// `/etc/hosts`.
    pub hosts: String,
    /// Directories whose sockets would leak names out of the sealed network: to be covered with an empty directory.
    pub covered: &'static [&'static str],
}

impl NameService {
    /// For these resolvers, in this order.
    pub fn of(resolvers: &[IpAddr]) -> Self {
        let lines: String = resolvers.iter().map(|r| format!("nameserver {r}\n")).collect();
        Self {
            // one try of two seconds: a name that the box swallows must not cost a leg's deadline
            resolv_conf: format!("{lines}options timeout:2 attempts:2\n"),
            nsswitch_conf: NSSWITCH.to_owned(),
            hosts: HOSTS.to_owned(),
            covered: SOCKET_DIRECTORIES,
        }
    }
}

/// certifi's copies of Mozilla's roots, as pip vendors them too, in the places where Python keeps packages.
fn certifi(variable: &impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let mut prefixes = vec![PathBuf::from("/usr"), PathBuf::from("/usr/local")];
    prefixes.extend(variable("VIRTUAL_ENV").into_iter().chain(variable("CONDA_PREFIX")));
    prefixes.extend(variable("HOME").map(|h| h.join(".local")));
    let pyenv = variable("PYENV_ROOT").or_else(|| variable("HOME").map(|h| h.join(".pyenv")));
    prefixes.extend(pyenv.map(|root| children(root.join("versions"))).into_iter().flatten());
    let libraries = prefixes.iter().flat_map(|p| children(p.join("lib")));
    let pythons = libraries.filter(|l| l.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("python")));
    pythons.flat_map(|python| CERTIFI.iter().map(move |c| python.join(c))).collect()
}

/// At most [`MOST_ENTRIES`] entries of a directory; none if it cannot be read.
fn children(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.take(MOST_ENTRIES).map(|entry| entry.path()).collect()
}

/// The deepest existing directory of each chain, with the part of our policy tree that stands for it.
fn policies(chains: &[&[(&str, &'static str)]]) -> BTreeSet<(PathBuf, &'static str)> {
    let first = |chain: &&[(&str, &'static str)]| {
        chain.iter().find_map(|(path, part)| Some((Path::new(path).canonicalize().ok()?, *part)))
    };
    chains.iter().filter_map(first).collect()
}

/// Bundles by distribution (Go `crypto/x509/root_linux.go`; OpenSSL's own default).
const BUNDLES: [&str; 8] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/lib/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// Hashed directories.
const DIRECTORIES: [&str; 3] = ["/etc/ssl/certs", "/etc/pki/tls/certs", "/usr/lib/ssl/certs"];

const JAVA_STORES: [&str; 2] = ["lib/security/cacerts", "jre/lib/security/cacerts"];

const CERTIFI: [&str; 4] = [
    "site-packages/certifi/cacert.pem",
    "dist-packages/certifi/cacert.pem",
    "site-packages/pip/_vendor/certifi/cacert.pem",
    "dist-packages/pip/_vendor/certifi/cacert.pem",
];

/// Chromium and Chrome read `<configuration>/policies/managed/*.json`.
const CHROMIUM_PLACES: &[&[(&str, &str)]] = &[
    &[("/etc/chromium/policies/managed", "policies/managed"), ("/etc/chromium/policies", "policies"), ("/etc/chromium", "")],
    &[("/etc/opt/chrome/policies/managed", "policies/managed"), ("/etc/opt/chrome", "")],
];

const FIREFOX_PLACES: &[&[(&str, &str)]] = &[
    &[("/etc/firefox/policies", "policies"), ("/etc/firefox", "")],
    &[("/usr/lib/firefox-esr/distribution", "policies")],
    &[("/usr/lib/firefox/distribution", "policies")],
];

const NSSWITCH: &str =
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n";

/// nss-resolve, nscd and D-Bus are asked over sockets with a path, which no network namespace holds back.
const SOCKET_DIRECTORIES: &[&str] = &["/run/systemd/resolve", "/run/nscd", "/run/dbus"];

/// Enough for any machine's Pythons; a bound all the same.
const MOST_ENTRIES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path) -> TrustStore {
        TrustStore::write(dir, &[], None).unwrap()
    }

    #[test]
    fn a_covered_bundle_is_not_laid_over_twice() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let ground = Ground {
            directories: ["/etc/ssl/certs".into()].into(),
            bundles: ["/etc/ssl/certs/ca-certificates.crt".into(), "/opt/certifi/cacert.pem".into()].into(),
            java: ["/etc/ssl/certs/java/cacerts".into(), "/opt/jre/lib/security/cacerts".into()].into(),
            ..Ground::default()
        };
        let targets: Vec<_> = plan(&ground, &store, Trust::Web).into_iter().map(|o| o.target).collect();
        assert_eq!(targets, ["/etc/ssl/certs", "/opt/certifi/cacert.pem", "/opt/jre/lib/security/cacerts"].map(PathBuf::from));
    }

    #[test]
    fn every_overlay_of_this_machine_has_its_source_and_shape() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let own: Vec<_> = std::env::vars_os().collect();
        for overlay in plan(&Ground::look(&own), &store, Trust::WebAuthorityBlocklist) {
            let is_directory = overlay.shape == Shape::Directory;
            assert_eq!(overlay.source.is_dir(), is_directory, "{overlay:?}");
            assert_eq!(overlay.target.is_dir(), is_directory, "{overlay:?}");
            assert_eq!(overlay.target, overlay.target.canonicalize().unwrap());
        }
    }
}
