//! Whether this network can reach a program at all: the explicit proxy does not reach those that ignore it.
//!
//! Such a check would tell of nothing but the network. No machine could run it there, so it is neither failed nor merely skipped.

use std::collections::HashMap;
use std::path::PathBuf;

use tokio::sync::Mutex;

use super::{Ground, Lab};
use crate::client::{ProxyUse, find, preset_for, program, program_at};
use crate::scenario::Check;

/// Versions that programs were asked for.
#[derive(Debug, Default)]
pub(super) struct Versions(Mutex<HashMap<PathBuf, Option<(u32, u32)>>>);

impl Lab {
    /// Why this network cannot show the check, or would not see the program's connections, if that is known.
    pub(super) async fn out_of_reach(&self, check: &Check) -> Option<String> {
        if !matches!(self.ground(), Ground::Loopback(_)) {
            return None;
        }
        if let Some(why) = &check.sealed_only {
            return Some(format!("only the sealed network shows it: {why}"));
        }
        let argv = check.client.argv();
        let preset = preset_for(argv);
        let version = match preset.proxy {
            ProxyUse::Since { .. } => self.version_of(argv).await,
            _ => None,
        };
        let why = preset.passes_proxy_by(version).or_else(|| preset.library_passes_proxy_by(argv))?;
        Some(format!("{why}; the sealed network sees it"))
    }

    async fn version_of(&self, argv: &[String]) -> Option<(u32, u32)> {
        let program = argv.get(program_at(argv)?)?;
        let path = find(program, std::env::var_os("PATH").as_deref()).ok()?;
        let mut known = self.0.versions.0.lock().await;
        if let Some(version) = known.get(&path) {
            return *version;
        }
        let version = program::version(&path).await;
        known.insert(path, version);
        version
    }
}
