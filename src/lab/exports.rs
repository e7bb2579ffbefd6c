//! What a detector may know of the genuine PKI, as files: public roots, log list, block list, revocation lists, pins.
//!
//! The PKI is fresh in every run, so these are of use in it alone: a command line gets their paths (`{roots}`, `{ct_logs}`,
//! `{blocklist}`, `{crl}`, `{pins}`), `mitmlab ca` prints them when a leg runs it, and `--record DIR` keeps them in `DIR/ca`.

use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;

use super::{Lab, Order};
use crate::client::{DETECTOR_FILES, Surroundings, Variable, trust};
use crate::error::Error;
use crate::record::Event;
use crate::scenario::Serve;

/// The variable that tells `mitmlab ca` where this run's files are.
pub const EXPORTS: &str = "MITMLAB_CA";

impl Surroundings {
    /// Tells `mitmlab ca` where the files are.
    pub(super) fn tell_exports(&mut self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        let why = "`mitmlab ca`: this run's files for detectors";
        self.env.push((EXPORTS.into(), folder.into()));
        self.set.push(Variable { name: EXPORTS.into(), value: folder.into(), why });
    }
}

impl Lab {
    /// The folder of the files, if a command line asks for one of them (or is `mitmlab ca`). Written when first asked for.
    pub(super) async fn exports_for(&self, order: &Order) -> Result<Option<PathBuf>, Error> {
        let names_one = |word: &String| DETECTOR_FILES.iter().any(|(name, _)| word.contains(&format!("{{{name}}}")));
        let is_own = |pair: &[String]| Path::new(&pair[0]).file_name().is_some_and(|n| n == "mitmlab") && pair[1] == "ca";
        let argv = &order.argv;
        if !argv.iter().any(names_one) && !argv.windows(2).any(is_own) {
            return Ok(None);
        }
        let folder = self.0.folder.path().join(format!("ca-{}", order.clock.unix_timestamp())); // each day has authorities of its own
        let mut written = self.0.exports.lock().await;
        if !written.contains(&folder) {
            self.write_exports(&folder, order.clock).await?;
            written.insert(folder.clone());
        }
        Ok(Some(folder))
    }

    /// Keeps the files in a record folder. What cannot be written is told and stops nothing.
    pub async fn keep_exports(&self, record: &Path) {
        if let Err(error) = self.write_exports(&record.join("ca"), self.plan().clock).await {
            self.recorder().emit_run(None, Event::Note { text: format!("the files for detectors are not kept: {error}") });
        }
    }

    async fn write_exports(&self, folder: &Path, at: OffsetDateTime) -> Result<(), Error> {
        let (_, listed) = self.authority_roots(self.plan().needs().profiles, at).await?;
        let blocklist = trust::blocklist(&listed).map_err(|e| Error::Bug(e.to_string()))?;
        let (lab, folder) = (self.clone(), folder.to_owned());
        // A site with an RSA key takes a while to be certified.
        let writing = tokio::task::spawn_blocking(move || {
            let pins = lab.pins();
            let pki = lab.pki();
            std::fs::create_dir_all(&folder)?;
            for (name, file) in DETECTOR_FILES {
                let text = match name {
                    "roots" => pki.roots_pem(),
                    "ct_logs" => pki.log_list(),
                    "blocklist" => blocklist.clone(),
                    "crl" => pki.revocation_lists_pem(),
                    _ => format!("{pins:#}\n"),
                };
                std::fs::write(folder.join(file), text)?;
            }
            Ok::<_, std::io::Error>(())
        });
        let written = writing.await.map_err(|e| Error::Bug(e.to_string()))?;
        written.map_err(|e| Error::machine("write the files for detectors", e))
    }

    /// Pins of every HTTPS site, by name: the leaf's first, then its issuer's; of a site with several certificates, all.
    fn pins(&self) -> serde_json::Value {
        let https =
            |s: &&crate::scenario::Site| s.services.iter().any(|s| matches!(s.serve, Serve::Https { .. } | Serve::Chat { .. }));
        let mut all = serde_json::Map::new();
        for site in self.plan().world.sites.iter().filter(https) {
            let Ok(pins) = self.pki().pins(site) else { continue }; // files of the user's own that cannot be read
            for name in &site.names {
                all.insert(name.clone(), json!(pins));
            }
        }
        all.into()
    }
}
