//! Files that are one leg's alone: the genuine chain as a control vantage sees it (`{control}`), and where a detector writes
//! what it found (`{out}`). They go with the leg.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::leg::host_of;
use super::{Lab, Order};
use crate::client::trust::pem;
use crate::error::Error;
use crate::scenario::{Cert, Site};

/// The files of a leg that its command line asks for.
#[derive(Debug, Default)]
pub(super) struct OwnFiles {
    pub(super) control: Option<PathBuf>,
    pub(super) out: Option<PathBuf>,
}

impl Lab {
    /// Makes the files that the command line asks for, in the leg's folder.
    pub(super) fn leg_files(&self, order: &Order, folder: &Path) -> Result<OwnFiles, Error> {
        let asks = |placeholder| order.argv.iter().any(|word| word.contains(placeholder));
        let mut files = OwnFiles::default();
        if !asks("{control}") && !asks("{out}") {
            return Ok(files);
        }
        let told = |e| Error::machine("make the files of a detector's leg", e);
        std::fs::create_dir_all(folder).map_err(told)?;
        if asks("{out}") {
            files.out = Some(folder.join("out"));
        }
        if let Some(chain) = self.chain_at_control(order).filter(|_| asks("{control}")) {
            let path = folder.join("control.pem");
            std::fs::write(&path, chain).map_err(told)?;
            files.control = Some(path);
        }
        Ok(files)
    }

    /// The chain that the site shows on the other side of the box. Of the site of two networks: that of the second one, since a
    /// detector is shown that of the first.
    fn chain_at_control(&self, order: &Order) -> Option<String> {
        let site = self.plan().world.named(&host_of(order.url.as_deref()?)?)?;
        let issued = match site.cert {
            Cert::Cdn => self.pki().issue(&Site { cert: Cert::GoodRsa, ..site.clone() }),
            _ => self.pki().issue(site),
        };
        let issued = issued.ok()?;
        Some(issued.chain.iter().map(pem).collect())
    }
}

/// What was written there; nothing if there is no such file.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    Some(text)
}

/// 4 MiB: reports of scanners have some 100 KiB.
const MOST: u64 = 4 << 20;
