//! Every chain of a recording as PEM, by the fingerprint of its leaf, and an index that says which connection was shown which.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::connection::{Certificate, Connection};

/// One line of `index.json`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    connection: String,
    host: String,
    /// The file of the chain that the client was shown.
    presented: Option<String>,
    /// The file of the genuine chain, as far as somebody looked.
    genuine: Option<String>,
    /// The profile by which the presented one was forged; none if it is the genuine one.
    forged_by: Option<&'a str>,
}

/// Writes the chains of these connections into a folder. Names of the files, in their order.
pub fn write_chains(folder: &Path, connections: &[Connection]) -> io::Result<()> {
    let mut files: BTreeMap<String, &[Arc<Certificate>]> = BTreeMap::new();
    let mut index = Vec::new();
    for connection in connections {
        let forged = connection.forged_by.is_some();
        let presented = add(&mut files, if forged { "forged" } else { "genuine" }, &connection.presented);
        let genuine = add(&mut files, "genuine", &connection.origin.chain);
        if presented.is_none() && genuine.is_none() {
            continue;
        }
        let genuine = genuine.or_else(|| presented.clone().filter(|_| !forged));
        let (host, forged_by) = (connection.host(), connection.forged_by.as_deref());
        index.push(Shown { connection: connection.id.to_string(), host, presented, genuine, forged_by });
    }
    std::fs::create_dir_all(folder)?;
    for (name, chain) in files {
        super::create_private(&folder.join(name))?.write_all(pem(chain).as_bytes())?;
    }
    let text = serde_json::to_vec_pretty(&index)?;
    super::create_private(&folder.join("index.json"))?.write_all(&text)
}

fn add<'a>(files: &mut BTreeMap<String, &'a [Arc<Certificate>]>, kind: &str, chain: &'a [Arc<Certificate>]) -> Option<String> {
    let leaf = chain.first()?;
    let name = format!("{kind}-{}.pem", leaf.sha256.get(..16).unwrap_or(&leaf.sha256));
    files.entry(name.clone()).or_insert(chain);
    Some(name)
}

fn pem(chain: &[Arc<Certificate>]) -> String {
    let mut text = String::new();
    for certificate in chain {
        let Certificate { subject, issuer, not_before, not_after, sha256, der, .. } = &**certificate;
        let _ = writeln!(text, "# subject {subject}\n# issuer {issuer}\n# valid {not_before} to {not_after}\n# sha256 {sha256}");
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in der.as_bytes().chunks(64) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line)); // base64: one byte, one character
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
