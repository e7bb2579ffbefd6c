//! The run's private folder: certificates for clients to read, never a key of the authority.
//!
//! In the sealed network it is in memory and ends with the process. On loopback it is a folder of the system's temporary one; what a
//! killed run left behind is removed by the next.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The folder; removed when dropped.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

impl Folder {
    /// Makes it, below `scratch` if there is one.
    pub(super) fn make(scratch: Option<PathBuf>) -> io::Result<Self> {
        if let Some(scratch) = &scratch {
            // Whatever else needs a temporary file (a program's certificate) finds its place in memory too.
            let _ = tempfile::env::override_temp_dir(scratch); // said already by an earlier lab of this process
        } else {
            sweep(&std::env::temp_dir());
        }
        let mut builder = tempfile::Builder::new();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        builder.prefix(&prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        Ok(Self(match scratch {
            Some(scratch) => builder.tempdir_in(scratch)?,
            None => builder.tempdir()?,
        }))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes folders of runs whose process is gone. Somebody else's cannot be removed, and that is right.
fn sweep(temporary: &Path) {
    remove(temporary, |id| !is_alive(id));
}

/// Removes the folder of a lab that was killed.
pub fn remove_folders_of(lab: u32) {
    remove(&std::env::temp_dir(), |id| id == lab);
}

fn remove(temporary: &Path, of: impl Fn(u32) -> bool) {
    let Ok(entries) = std::fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|n| n.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(&of) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(target_os = "linux")]
fn is_alive(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Cannot be told without a system interface: left alone.
#[cfg(not(target_os = "linux"))]
fn is_alive(_process: u32) -> bool {
    true
}

const PREFIX: &str = "mitmlab-run-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_dead_run_is_swept_and_one_of_a_living_run_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let dead = temporary.path().join(format!("{PREFIX}4294967294-x"));
        let living = temporary.path().join(format!("{PREFIX}{}-x", std::process::id()));
        let other = temporary.path().join("somebody-elses");
        for folder in [&dead, &living, &other] {
            std::fs::create_dir(folder).unwrap();
        }
        sweep(temporary.path());
        assert_eq!((dead.exists(), living.exists(), other.exists()), (!cfg!(target_os = "linux"), true, true));
    }
}
