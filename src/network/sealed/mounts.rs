//! What a client sees of the file system: everything, but for its resolver files, its trust and the sockets of the
//! host's resolvers. All of it is mounted in the client's own mount namespace; no file of the host is written.
//!
//! Sockets with a path reach across network namespaces, so the directories of systemd-resolved, nscd and D-Bus are covered.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::enter::mount_tmpfs;
use super::error::SealedError;

/// What is mounted for one client.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Files and directories, and where they appear.
    pub(super) binds: Vec<(PathBuf, PathBuf)>,
    /// Directories that appear empty.
    pub(super) covers: Vec<PathBuf>,
    /// Resolvers in /etc/resolv.conf; the host's file stays if there are none.
    pub(super) nameservers: Vec<IpAddr>,
    /// A directory of this client alone, in the lab's memory.
    pub(super) own: PathBuf,
}

impl View {
    /// Mounts it in the calling thread's mount namespace. Returns the targets that do not exist and were left out.
    pub(super) fn mount(&self) -> Result<Vec<PathBuf>, SealedError> {
        let resolver = (!self.nameservers.is_empty()).then(|| self.write_resolver()).transpose()?;
        let covered = self.cover()?;
        let mut missing = Vec::new();
        for (source, target) in resolver.iter().chain(&self.binds) {
            if !bind(source, target, &covered)? {
                missing.push(target.clone());
            }
        }
        Ok(missing)
    }

    fn write_resolver(&self) -> Result<(PathBuf, PathBuf), SealedError> {
        let path = self.own.join("resolv.conf");
        let text: String = self.nameservers.iter().map(|address| format!("nameserver {address}\n")).collect();
        let write = || fs::create_dir_all(&self.own).and_then(|()| fs::write(&path, text));
        write().map_err(|source| SealedError::Prepare { path: path.clone(), source })?;
        Ok((path, PathBuf::from("/etc/resolv.conf")))
    }

    fn cover(&self) -> Result<Vec<PathBuf>, SealedError> {
        let mut covered: Vec<PathBuf> = Vec::new();
        for path in RESOLVER_SOCKETS.iter().map(Path::new).chain(self.covers.iter().map(PathBuf::as_path)) {
            let Ok(path) = fs::canonicalize(path) else { continue };
            if path.is_dir() && !covered.contains(&path) {
                mount_tmpfs(&path)?;
                covered.push(path);
            }
        }
        Ok(covered)
    }
}

/// False if the target does not exist and may not be made.
fn bind(source: &Path, target: &Path, covered: &[PathBuf]) -> Result<bool, SealedError> {
    let target = follow(target);
    let failed = |source: io::Error| SealedError::Mount { what: "a prepared file".to_owned(), target: target.clone(), source };
    if !target.exists() {
        // A covered directory is in memory: what it misses can be made there.
        if !covered.iter().any(|cover| target.starts_with(cover)) {
            return Ok(false);
        }
        create_like(source, &target).map_err(failed)?;
    }
    rustix::mount::mount_bind_recursive(source, &target).map_err(|e| failed(e.into()))?;
    Ok(true)
}

fn create_like(source: &Path, target: &Path) -> io::Result<()> {
    if source.is_dir() {
        return fs::create_dir_all(target);
    }
    target.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(target, [])
}

/// The path that a chain of symbolic links ends at, even if nothing is there.
fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().map_or_else(|| link.clone(), |parent| parent.join(&link));
    }
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path,
    }
}

/// Where resolvers and buses of the host listen (systemd-resolved(8), nscd(8), dbus-daemon(1)).
const RESOLVER_SOCKETS: [&str; 4] = ["/run/systemd/resolve", "/run/nscd", "/var/run/nscd", "/run/dbus"];
/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_even_to_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        std::os::unix::fs::symlink("middle", root.join("first")).unwrap();
        std::os::unix::fs::symlink("gone/../absent", root.join("middle")).unwrap();
        assert_eq!(follow(&root.join("first")).file_name(), Some("absent".as_ref()));
        assert_eq!(follow(&root.join("plain")), root.join("plain"));
    }
}
