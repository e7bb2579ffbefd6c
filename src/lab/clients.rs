//! The small programs of the lab: clients (`lab/clients`), for runtimes that have no command-line client of their own, adapters of
//! detectors (`lab/adapters`), and scripts that start real servers (`lab/servers`).

use std::path::{Path, PathBuf};

use super::Lab;
use crate::error::Error;

impl Lab {
    /// A folder that holds the programs; `{lab}` in a command line. Written when it is first asked for.
    pub(super) fn lab_folder(&self) -> Result<PathBuf, Error> {
        lab_folder(self.0.folder.path())
    }

    /// The name service files of clients in the sealed network.
    #[cfg(target_os = "linux")]
    pub(super) fn names_folder(&self) -> Result<PathBuf, Error> {
        let folder = self.0.folder.path().join("names");
        if !folder.join("hosts").exists() {
            super::sealed::write_names(&folder).map_err(|e| Error::machine("write the clients' hosts file", e))?;
        }
        Ok(folder)
    }

    /// The path of this very program, which stands for `mitmlab` in command lines.
    pub(super) fn own_program(&self) -> Option<String> {
        if let Some(named) = std::env::var_os("MITMLAB_PROGRAM") {
            return named.into_string().ok();
        }
        std::env::current_exe().ok()?.into_os_string().into_string().ok()
    }
}

/// The same below a run's folder.
pub(super) fn lab_folder(run: &Path) -> Result<PathBuf, Error> {
    let folder = run.join("lab");
    if !folder.exists() {
        let failed = |e| Error::machine(format!("write `{}`", folder.display()), e);
        let fresh = run.join(format!("lab-{:?}", std::thread::current().id()));
        let kinds = [("clients", PROGRAMS), ("adapters", ADAPTERS), ("servers", SERVERS)];
        for (kind, (name, text)) in kinds.iter().flat_map(|(kind, files)| files.iter().map(move |file| (kind, file))) {
            let file = fresh.join(kind).join(name);
            file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
            std::fs::write(file, text).map_err(failed)?;
        }
        // Two legs may do this at once: the first one wins, with all files in place.
        if std::fs::rename(&fresh, &folder).is_err() {
            let _ = std::fs::remove_dir_all(&fresh);
        }
    }
    Ok(folder)
}

const PROGRAMS: &[(&str, &str)] = &[
    ("chat.mjs", include_str!("../../lab/clients/chat.mjs")),
    ("chat.py", include_str!("../../lab/clients/chat.py")),
    ("chat_websocket.py", include_str!("../../lab/clients/chat_websocket.py")),
    ("chat_websockets.py", include_str!("../../lab/clients/chat_websockets.py")),
    ("xmpp.py", include_str!("../../lab/clients/xmpp.py")),
    ("fetch.mjs", include_str!("../../lab/clients/fetch.mjs")),
    ("get.mjs", include_str!("../../lab/clients/get.mjs")),
    ("get.php", include_str!("../../lab/clients/get.php")),
    ("get.pl", include_str!("../../lab/clients/get.pl")),
    ("get.py", include_str!("../../lab/clients/get.py")),
    ("get.rb", include_str!("../../lab/clients/get.rb")),
    ("get_aiohttp.py", include_str!("../../lab/clients/get_aiohttp.py")),
    ("get_curl.php", include_str!("../../lab/clients/get_curl.php")),
    ("get_httpx.py", include_str!("../../lab/clients/get_httpx.py")),
    ("get_requests.py", include_str!("../../lab/clients/get_requests.py")),
    ("go-pinned/pinned.go", include_str!("../../lab/clients/go-pinned/pinned.go")),
    ("go/get.go", include_str!("../../lab/clients/go/get.go")),
    ("java/Get.java", include_str!("../../lab/clients/java/Get.java")),
    ("java/GetHttpClient.java", include_str!("../../lab/clients/java/GetHttpClient.java")),
    ("java/Pinned.java", include_str!("../../lab/clients/java/Pinned.java")),
    ("quic_then_tcp.py", include_str!("../../lab/clients/quic_then_tcp.py")),
    ("transfer.py", include_str!("../../lab/clients/transfer.py")),
    ("pinned.mjs", include_str!("../../lab/clients/pinned.mjs")),
    ("pinned.py", include_str!("../../lab/clients/pinned.py")),
];

const SERVERS: &[(&str, &str)] =
    &[("dovecot.sh", include_str!("../../lab/servers/dovecot.sh")), ("prosody.sh", include_str!("../../lab/servers/prosody.sh"))];

const ADAPTERS: &[(&str, &str)] = &[
    ("curl_pin.sh", include_str!("../../lab/adapters/curl_pin.sh")),
    ("nmap_issuer.sh", include_str!("../../lab/adapters/nmap_issuer.sh")),
    ("openssl_pin.sh", include_str!("../../lab/adapters/openssl_pin.sh")),
    ("python_issuer.py", include_str!("../../lab/adapters/python_issuer.py")),
    ("sslscan_issuer.sh", include_str!("../../lab/adapters/sslscan_issuer.sh")),
    ("sslyze_trust.py", include_str!("../../lab/adapters/sslyze_trust.py")),
    ("testssl_trust.py", include_str!("../../lab/adapters/testssl_trust.py")),
];
