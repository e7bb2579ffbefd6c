//! The manifest of a recording: every file with its length and SHA-256, so that whoever gets the folder can tell whether it is whole.
//!
//! It shows an accident, not a forger: who can change a file can change the manifest. Keep its own hash elsewhere for that.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// `manifest.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of mitmlab that wrote it.
    pub version: String,
    /// Every file but the manifest itself.
    pub files: Vec<Listed>,
    /// What could not be kept.
    pub lost: Vec<String>,
    /// What was masked, and how often: kind of secret, count.
    pub masked: Vec<(String, u64)>,
}

/// A file of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Path below the folder, with `/`.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

impl Manifest {
    /// Lists what lies in a folder.
    pub fn of(dir: &Path, lost: Vec<String>, masked: Vec<(String, u64)>) -> io::Result<Self> {
        let files = files_of(dir)?.into_iter().map(|name| listed(dir, name)).collect::<io::Result<_>>()?;
        Ok(Self { version: env!("CARGO_PKG_VERSION").to_owned(), files, lost, masked })
    }

    /// Writes it into the folder.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        super::create_private(&dir.join(MANIFEST))?.write_all(&text)
    }

    /// Reads that of a folder; none if it has none.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(dir.join(MANIFEST)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What of the folder is not as it says, a line each.
    pub fn differences(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut there: BTreeSet<String> = files_of(dir)?.into_iter().collect();
        let mut told = Vec::new();
        for file in &self.files {
            if !there.remove(&file.name) {
                told.push(format!("`{}` is missing", file.name));
            } else if listed(dir, file.name.clone())? != *file {
                told.push(format!("`{}` was changed after the run", file.name));
            }
        }
        told.extend(there.into_iter().map(|name| format!("`{name}` is not of this run")));
        Ok(told)
    }
}

fn listed(dir: &Path, name: String) -> io::Result<Listed> {
    let mut file = std::fs::File::open(dir.join(&name))?;
    let (mut hash, mut bytes, mut buffer) = (digest::Context::new(&digest::SHA256), 0, vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    let sha256 = hash.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes everything
        hex
    });
    Ok(Listed { name, bytes, sha256 })
}

/// Regular files below a folder, sorted, without the manifest.
fn files_of(dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() {
                found.push(name.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"));
            }
        }
    }
    found.retain(|name| name != MANIFEST);
    found.sort();
    Ok(found)
}

/// Its name.
pub const MANIFEST: &str = "manifest.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_added_or_taken_away_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("chains")).expect("a folder");
        for (name, text) in [("a", "abc"), ("b", ""), ("chains/c.pem", "x")] {
            std::fs::write(dir.path().join(name), text).expect("writable");
        }
        let manifest = Manifest::of(dir.path(), Vec::new(), Vec::new()).expect("readable");
        manifest.write(dir.path()).expect("writable");
        assert_eq!(manifest.files[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-2
        let read = Manifest::read(dir.path()).expect("readable").expect("there");
        assert_eq!((read == manifest, manifest.differences(dir.path()).expect("readable")), (true, Vec::new()));
        std::fs::write(dir.path().join("a"), "abd").expect("writable");
        std::fs::remove_file(dir.path().join("b")).expect("there");
        std::fs::write(dir.path().join("chains/d.pem"), "y").expect("writable");
        let told = manifest.differences(dir.path()).expect("readable");
        assert_eq!(told, ["`a` was changed after the run", "`b` is missing", "`chains/d.pem` is not of this run"]);
    }
}
