//! The files that come with mitmlab, in the binary itself: scenarios, their lists, and the parts of the world.
//!
//! A file on disk always wins over one of these. `tests/scenarios_read.rs` holds that none is forgotten here.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

/// A scenario that comes with mitmlab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// Its name: what `load` takes.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it claims, in prose.
    pub about: String,
}

/// The scenarios that come with mitmlab, by name.
pub fn list() -> Vec<Listed> {
    let scenarios = FILES.iter().filter_map(|(path, text)| Some((scenario_name(path)?, *text)));
    let mut all: Vec<_> = scenarios.map(|(name, text)| listed(name, text)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The text of a scenario that comes with mitmlab.
pub fn show(name: &str) -> Option<&'static str> {
    built_in(&format!("scenarios/{}.toml", name.strip_suffix(".toml").unwrap_or(name)))
}

/// Every file that is in the binary: path from the project's root, and text.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    FILES
}

/// Where a scenario lives, and so where its includes and lists are looked for.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// A folder of the disk, then the binary.
    Folder(PathBuf),
    /// The binary alone.
    BuiltIn,
}

/// A file that was found.
pub(crate) struct Found {
    /// Its name for messages.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Finds the scenario that is meant by a name or a path.
///
/// # Errors
/// In words: no such file or scenario, or a file that cannot be read.
pub(crate) fn scenario(name_or_path: &str) -> Result<(Found, Home), String> {
    let path = Path::new(name_or_path);
    if path.is_file() {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Ok((Found { name: name_or_path.to_owned(), text: read(path)? }, Home::Folder(folder.to_owned())));
    }
    match show(name_or_path) {
        Some(text) => Ok((Found { name: format!("scenarios/{name_or_path}.toml"), text: text.to_owned() }, Home::BuiltIn)),
        None if path.is_dir() => Err(format!("`{name_or_path}` is a folder: name a scenario's file in it")),
        None if path.exists() => Err(format!("`{name_or_path}` is no regular file: a scenario is a file in TOML")),
        None => Err(format!("no file and no scenario is called `{name_or_path}`")),
    }
}

impl Home {
    /// Finds a part of the world: `NAME.toml` or `NAME` beside the scenario, else one of `lab/world/`.
    pub(crate) fn world(&self, name: &str) -> Result<Found, String> {
        let ending = format!("{}.toml", name.strip_suffix(".toml").unwrap_or(name));
        self.find(&ending, "lab/world/")
    }

    /// Finds a list: a file beside the scenario, else one that comes with mitmlab.
    pub(crate) fn list(&self, file: &str) -> Result<Found, String> {
        self.find(file, "scenarios/")
    }

    /// Finds a page of the portal: a file beside the scenario, else one of `lab/portal/`.
    pub(crate) fn portal(&self, file: &str) -> Result<Found, String> {
        self.find(file, "lab/portal/")
    }

    /// A path that a scenario names, as seen from where the program runs.
    pub(crate) fn path(&self, written: &Path) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(written),
            Self::BuiltIn => written.to_owned(),
        }
    }

    fn find(&self, file: &str, built_in_folder: &str) -> Result<Found, String> {
        if let Self::Folder(folder) = self {
            let path = folder.join(file);
            if path.is_file() {
                return Ok(Found { name: path.display().to_string(), text: read(&path)? });
            }
        }
        let name = format!("{built_in_folder}{file}");
        match built_in(&name) {
            Some(text) => Ok(Found { name, text: text.to_owned() }),
            None => Err(format!("no file `{file}`")),
        }
    }
}

/// Names of the parts of the world that come with mitmlab.
pub(crate) fn world_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_prefix("lab/world/")?.strip_suffix(".toml"))
}

/// Names of the portal's pages.
pub(crate) fn portal_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_prefix("lab/portal/"))
}

/// Lists that come with mitmlab, as a scenario names them.
pub(crate) fn list_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_prefix("scenarios/").filter(|p| p.starts_with("lists/")))
}

/// Names of the scenarios that come with mitmlab.
pub(crate) fn scenario_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| scenario_name(path))
}

fn scenario_name(path: &'static str) -> Option<&'static str> {
    path.strip_prefix("scenarios/")?.strip_suffix(".toml")
}

fn listed(name: &str, text: &str) -> Listed {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Head {
        title: String,
        about: String,
    }
    let head: Head = toml::from_str(text).unwrap_or_default();
    Listed { name: name.to_owned(), title: head.title, about: head.about }
}

fn built_in(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// Reads a file, but not more than any honest scenario holds.
fn read(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let told = |e: std::io::Error| format!("cannot read `{}`: {e}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(told)?;
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => format!("`{}` is no text in UTF-8, so it is no TOML", path.display()),
        _ => told(e),
    })?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(format!("`{}` is larger than {} MiB", path.display(), LARGEST_FILE >> 20));
    }
    Ok(text)
}

/// Bytes.
const LARGEST_FILE: u64 = 1 << 20;

macro_rules! embed {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../", $path)))),*] };
}

const FILES: &[(&str, &str)] = embed![
    "lab/portal/blocked.html",
    "lab/portal/index.html",
    "lab/world/chat.toml",
    "lab/world/dovecot.toml",
    "lab/world/kazakhstan-2020s.toml",
    "lab/world/mail.toml",
    "lab/world/portal-kz.toml",
    "lab/world/prosody.toml",
    "lab/world/resolvers.toml",
    "lab/world/russia.toml",
    "lab/world/web-2019.toml",
    "scenarios/blocked-root-is-refused-although-installed.toml",
    "scenarios/blocked-root-of-a-family-is-refused.toml",
    "scenarios/bystander-passes-untouched.toml",
    "scenarios/changed-certificate-is-not-interception.toml",
    "scenarios/chat-end-to-end-stays-closed.toml",
    "scenarios/chat-over-tls-is-read.toml",
    "scenarios/client-that-checks-nothing-is-exposed.toml",
    "scenarios/client-that-demands-a-staple-refuses-the-forgery.toml",
    "scenarios/detector-notices-even-with-root.toml",
    "scenarios/dns-lie-is-not-a-refusal.toml",
    "scenarios/doh-escapes-a-dns-lie.toml",
    "scenarios/dovecot-over-tls-is-forged.toml",
    "scenarios/expired-certificate-is-refused.toml",
    "scenarios/forged-leaf-refused-without-root.toml",
    "scenarios/ipv6-is-intercepted-too.toml",
    "scenarios/kazakhstan-2019.toml",
    "scenarios/kazakhstan-2020-exercise.toml",
    "scenarios/kazakhstan-2021-2024.toml",
    "scenarios/kazakhstan-election-day-2019.toml",
    "scenarios/kazakhstan-shutdown-2022.toml",
    "scenarios/kazakhstan-sni-drop.toml",
    "scenarios/kazakhstan-throttle-azattyq.toml",
    "scenarios/large-hello-works.toml",
    "scenarios/verify/beyond-constraints.toml",
    "scenarios/verify/blocked-key.toml",
    "scenarios/verify/bystander.toml",
    "scenarios/verify/client-only.toml",
    "scenarios/verify/expired.toml",
    "scenarios/verify/forged-with-root.toml",
    "scenarios/verify/forged.toml",
    "scenarios/verify/genuine.toml",
    "scenarios/verify/large-hello.toml",
    "scenarios/verify/mail-expired.toml",
    "scenarios/verify/mail-forged-with-root.toml",
    "scenarios/verify/mail-forged.toml",
    "scenarios/verify/mail-genuine.toml",
    "scenarios/verify/mail-self-signed.toml",
    "scenarios/verify/mail-starttls-mangled.toml",
    "scenarios/verify/mail-starttls-refused.toml",
    "scenarios/verify/mail-starttls-stripped.toml",
    "scenarios/verify/mail-untrusted-root.toml",
    "scenarios/verify/mail-wrong-host.toml",
    "scenarios/verify/many-names.toml",
    "scenarios/verify/missing-intermediate.toml",
    "scenarios/verify/namesake.toml",
    "scenarios/verify/not-yet-valid.toml",
    "scenarios/verify/other-authority.toml",
    "scenarios/verify/replaced-key.toml",
    "scenarios/verify/revoked-staple.toml",
    "scenarios/verify/revoked.toml",
    "scenarios/verify/rotated.toml",
    "scenarios/verify/rsa-key.toml",
    "scenarios/verify/self-signed.toml",
    "scenarios/verify/sha1.toml",
    "scenarios/verify/signed-by-leaf.toml",
    "scenarios/verify/small-key.toml",
    "scenarios/verify/tls-1.0.toml",
    "scenarios/verify/tls-1.1.toml",
    "scenarios/verify/tls-1.2.toml",
    "scenarios/verify/tls-1.3.toml",
    "scenarios/verify/two-networks.toml",
    "scenarios/verify/untrusted-root.toml",
    "scenarios/verify/wildcard.toml",
    "scenarios/verify/without-timestamps.toml",
    "scenarios/verify/wrong-host.toml",
    "scenarios/lists/kazakhstan-2019.txt",
    "scenarios/lists/kazakhstan-2020.txt",
    "scenarios/lists/kazakhstan-2021-2024.txt",
    "scenarios/mail-and-chat-under-one-box.toml",
    "scenarios/mail-implicit-tls-forged.toml",
    "scenarios/mail-starttls-forged.toml",
    "scenarios/mail-starttls-stripped.toml",
    "scenarios/masking-box-hides-an-expired-certificate.toml",
    "scenarios/mirroring-box-forges-the-fault-too.toml",
    "scenarios/namesake-of-a-blocked-root-is-accepted.toml",
    "scenarios/nightly-interception.toml",
    "scenarios/no-sni-passes-untouched.toml",
    "scenarios/only-the-inside-path-is-forged.toml",
    "scenarios/opportunistic-dot-is-exposed.toml",
    "scenarios/outside-vantage-sees-the-genuine-chain.toml",
    "scenarios/passing-box-shows-the-genuine-fault.toml",
    "scenarios/pinned-client-refuses-even-with-root.toml",
    "scenarios/refusing-box-closes-the-connection.toml",
    "scenarios/reset-is-not-a-refusal.toml",
    "scenarios/quic-dropped-falls-back-to-a-forgery.toml",
    "scenarios/quic-name-is-dropped-and-others-pass.toml",
    "scenarios/rule-by-address-hits-bystanders.toml",
    "scenarios/russia-isolation.toml",
    "scenarios/russia-tspu-address.toml",
    "scenarios/russia-tspu-drop-after.toml",
    "scenarios/russia-tspu-drop-hello.toml",
    "scenarios/russia-tspu-quic.toml",
    "scenarios/russia-tspu-reset.toml",
    "scenarios/russia-tspu-throttle.toml",
    "scenarios/score/antivirus.toml",
    "scenarios/score/blocked-alert.toml",
    "scenarios/score/blocked-close.toml",
    "scenarios/score/blocked-dns-forged.toml",
    "scenarios/score/blocked-dns-silence.toml",
    "scenarios/score/blocked-drop-after.toml",
    "scenarios/score/blocked-drop.toml",
    "scenarios/score/blocked-nxdomain.toml",
    "scenarios/score/blocked-reset.toml",
    "scenarios/score/blocked-servfail.toml",
    "scenarios/score/blocked-stall.toml",
    "scenarios/score/blocked-syn-dropped.toml",
    "scenarios/score/blocked-syn-refused.toml",
    "scenarios/score/blocked-throttle.toml",
    "scenarios/score/broken-and-passed.toml",
    "scenarios/score/broken-clock.toml",
    "scenarios/score/broken-expired.toml",
    "scenarios/score/broken-missing-intermediate.toml",
    "scenarios/score/broken-not-yet-valid.toml",
    "scenarios/score/broken-revoked.toml",
    "scenarios/score/broken-self-signed.toml",
    "scenarios/score/broken-untrusted-root.toml",
    "scenarios/score/broken-wrong-host.toml",
    "scenarios/score/campaign-back.toml",
    "scenarios/score/campaign-before.toml",
    "scenarios/score/campaign-halted.toml",
    "scenarios/score/campaign-on.toml",
    "scenarios/score/change-renewed.toml",
    "scenarios/score/change-two-networks.toml",
    "scenarios/score/clean-bystander-same-address.toml",
    "scenarios/score/clean-domestic.toml",
    "scenarios/score/clean-extended-validation.toml",
    "scenarios/score/clean-from-abroad.toml",
    "scenarios/score/clean-many-names.toml",
    "scenarios/score/clean-must-staple.toml",
    "scenarios/score/clean-nothing.toml",
    "scenarios/score/clean-root-installed.toml",
    "scenarios/score/clean-rsa.toml",
    "scenarios/score/clean-wildcard.toml",
    "scenarios/score/corporate-no-root.toml",
    "scenarios/score/corporate-root-installed.toml",
    "scenarios/score/forged-blind-installed-root.toml",
    "scenarios/score/forged-blind-unknown-root.toml",
    "scenarios/score/forged-blocked-root.toml",
    "scenarios/score/forged-by-address.toml",
    "scenarios/score/forged-every-name-on-demand.toml",
    "scenarios/score/forged-every-name-unknown-root.toml",
    "scenarios/score/forged-expired-intermediate.toml",
    "scenarios/score/forged-extended-validation.toml",
    "scenarios/score/forged-fault-masked.toml",
    "scenarios/score/forged-from-abroad.toml",
    "scenarios/score/forged-isca-2020-installed-root.toml",
    "scenarios/score/forged-isca-2020-unknown-root.toml",
    "scenarios/score/forged-isca-2021-2024-installed-root.toml",
    "scenarios/score/forged-isca-2021-2024-unknown-root.toml",
    "scenarios/score/forged-mirror-installed-root.toml",
    "scenarios/score/forged-mirror-unknown-root.toml",
    "scenarios/score/forged-mirror-with-ct-installed-root.toml",
    "scenarios/score/forged-mirror-with-ct-unknown-root.toml",
    "scenarios/score/forged-nca-2015-installed-root.toml",
    "scenarios/score/forged-nca-2015-unknown-root.toml",
    "scenarios/score/forged-qaznet-2019-after-0730-installed-root.toml",
    "scenarios/score/forged-qaznet-2019-after-0730-shifted-installed-root.toml",
    "scenarios/score/forged-qaznet-2019-after-0730-shifted-unknown-root.toml",
    "scenarios/score/forged-qaznet-2019-after-0730-unknown-root.toml",
    "scenarios/score/forged-qaznet-2019-before-0719-installed-root.toml",
    "scenarios/score/forged-qaznet-2019-before-0719-unknown-root.toml",
    "scenarios/score/forged-qaznet-2019-installed-root.toml",
    "scenarios/score/forged-qaznet-2019-unknown-root.toml",
    "scenarios/score/forged-rsa-site.toml",
    "scenarios/score/forged-shared-key-installed-root.toml",
    "scenarios/score/forged-shared-key-unknown-root.toml",
    "scenarios/score/forged-some-paths.toml",
    "scenarios/score/parental.toml",
    "scenarios/score/portal-closed.toml",
    "scenarios/score/portal-own-certificate.toml",
    "scenarios/self-signed-is-refused.toml",
    "scenarios/silence-after-the-hello-is-not-a-refusal.toml",
    "scenarios/split-hello-is-caught-by-a-reassembling-box.toml",
    "scenarios/split-hello-is-missed-by-a-first-segment-box.toml",
    "scenarios/trusted-root-reads-everything.toml",
    "scenarios/untrusted-origin-is-not-forged.toml",
    "scenarios/untrusted-root-is-refused.toml",
    "scenarios/wrong-host-is-refused.toml",
    "scenarios/xmpp-direct-tls-forged.toml",
    "scenarios/xmpp-starttls-forged.toml",
    "scenarios/xmpp-starttls-stripped.toml",
];
