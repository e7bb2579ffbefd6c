//! Labs that are up: a file each in a private folder of the user's, so that `env` and `down` find them; and asking one over its
//! control API.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::words::Proxies;
use crate::error::Error;

/// What `mitmlab up` tells of a lab. The folder that holds it is its user's alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) pid: u32,
    pub(super) scenario: String,
    pub(super) title: String,
    pub(super) network: String,
    pub(super) network_reason: String,
    pub(super) phase: String,
    pub(super) proxies: Proxies,
    pub(super) folder: PathBuf,
    pub(super) roots: Roots,
    pub(super) control: Control,
}

/// Certificates to be trusted, as files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Roots {
    /// The authority's root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) authority: Option<PathBuf>,
    /// The lab's public roots.
    pub(super) web: PathBuf,
    /// Both.
    #[serde(rename = "web+authority", skip_serializing_if = "Option::is_none", default)]
    pub(super) web_authority: Option<PathBuf>,
}

/// Where the control API is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Control {
    pub(super) url: String,
    pub(super) token: String,
    /// The same on a Unix socket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) socket: Option<PathBuf>,
}

impl Standing {
    /// Asks the lab; the status and the body.
    pub(super) fn ask(&self, method: &str, path: &str) -> io::Result<(u16, String)> {
        let host = self.control.url.trim_start_matches("http://");
        let address: SocketAddr = host.parse().map_err(io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let token = &self.control.token;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("the answer has no head"))?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| io::Error::other("the answer has no status"))?;
        Ok((status, body.to_owned()))
    }

    /// Writes the file by which it is found.
    pub(super) fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let file = self.folder.join(FILE);
        let fresh = self.folder.join("lab.json.new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(fresh, file)
    }
}

/// The folder of a lab that is coming up; removed when dropped.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Makes it, private to the user. What labs left that are gone is removed.
    pub(super) fn make() -> Result<Self, Error> {
        let base = base();
        let failed = |e| Error::machine(format!("make the private folder `{}`", base.display()), e);
        private(&base).map_err(failed)?;
        sweep(&base);
        let place = base.join(std::process::id().to_string());
        private(&place).map_err(failed)?;
        Ok(Self(place))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // the next `up` sweeps
    }
}

/// Every lab of this user that is up.
pub(super) fn all() -> Vec<Standing> {
    let Ok(entries) = std::fs::read_dir(base()) else { return Vec::new() };
    let read = |entry: std::fs::DirEntry| serde_json::from_slice(&std::fs::read(entry.path().join(FILE)).ok()?).ok();
    let mut all: Vec<Standing> = entries.flatten().filter_map(read).filter(|lab: &Standing| is_alive(lab.pid)).collect();
    all.sort_by_key(|lab| lab.pid);
    all
}

/// The one lab that is meant.
pub(super) fn one(pid: Option<u32>) -> Result<Standing, Error> {
    let mut all = all();
    match pid {
        Some(pid) => all
            .into_iter()
            .find(|lab| lab.pid == pid)
            .ok_or_else(|| Error::Usage(format!("no lab of yours is up as process {pid}"))),
        None if all.len() > 1 => {
            let names: Vec<_> = all.iter().map(|lab| format!("  --lab {}  {}", lab.pid, lab.scenario)).collect();
            Err(Error::Usage(format!("{} labs are up; say which:\n{}", all.len(), names.join("\n"))))
        }
        None => all.pop().ok_or_else(|| Error::Usage("no lab is up\nhint: `mitmlab up SCENARIO` starts one".to_owned())),
    }
}

pub(super) fn is_alive(pid: u32) -> bool {
    #[cfg(unix)]
    {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true // the control API tells
    }
}

fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if pid.is_some_and(|pid| !is_alive(pid)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// `$XDG_RUNTIME_DIR/mitmlab`, which is the user's alone by its specification; else a folder of the system's temporary one.
fn base() -> PathBuf {
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir()) {
        return runtime.join("mitmlab");
    }
    #[cfg(unix)]
    let name = format!("mitmlab-up-{}", rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let name = "mitmlab-up";
    std::env::temp_dir().join(name)
}

/// Makes a folder that only its user can read. One that is there and is somebody else's is refused.
fn private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let found = std::fs::symlink_metadata(folder)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is there already and is not yours"));
        }
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    std::fs::create_dir_all(folder)
}

const FILE: &str = "lab.json";
/// The lab is on this machine and answers at once; making an authority's keys takes a second or two.
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_BYTES: u64 = 16 << 20;
