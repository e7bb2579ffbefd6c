//! Finding a program before it is started, so that a missing one is said in words and not as an exit code.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::presets::parse_version;
use super::run::{Feed, PlainChild, watch};

/// No such program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no program `{program}`: searched {searched}{}", .hint.as_ref().map(|h| format!("\nhint: {h}")).unwrap_or_default())]
pub struct NotFound {
    /// What was asked for.
    pub program: String,
    /// Where it was looked for.
    pub searched: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The program's path: as given if it names a directory, else the first executable of that name on `path` (`$PATH` if none).
///
/// # Errors
/// [`NotFound`], with a hint on how a known client is installed.
pub fn find(program: &str, path: Option<&OsStr>) -> Result<PathBuf, NotFound> {
    if program.contains('/') {
        let given = Path::new(program);
        return match is_executable(given) {
            true => std::path::absolute(given).map_err(|e| not_found(program, e.to_string())),
            false => Err(not_found(program, format!("`{program}`, which is no executable file"))),
        };
    }
    let path = path.map(OsStr::to_owned).or_else(|| std::env::var_os("PATH")).unwrap_or_else(|| OsString::from(USUAL_PATH));
    let here = std::env::current_dir().unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| here.join(dir).join(program))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| not_found(program, format!("`{}`", path.to_string_lossy())))
}

/// Major and minor number of a program, as it answers `--version` on either stream. None if it does not say so in time.
pub async fn version(program: &Path) -> Option<(u32, u32)> {
    let mut command = tokio::process::Command::new(program);
    command.arg("--version");
    let outcome = watch(PlainChild::start(command, Feed::Nothing).ok()?, PATIENCE).await;
    parse_version(&outcome.stdout_head).or_else(|| parse_version(&outcome.stderr_tail))
}

fn not_found(program: &str, searched: String) -> NotFound {
    let hint = PACKAGES.iter().find(|(name, _)| *name == program).map(|(_, package)| format!("apt install {package}"));
    NotFound { program: program.to_owned(), searched, hint }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// For `--version`; Java takes half a second.
const PATIENCE: Duration = Duration::from_secs(5);

const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Debian's packages for the clients that scenarios use.
const PACKAGES: [(&str, &str); 18] = [
    ("curl", "curl"),
    ("wget", "wget"),
    ("openssl", "openssl"),
    ("gnutls-cli", "gnutls-bin"),
    ("git", "git"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("java", "default-jre-headless"),
    ("go", "golang-go"),
    ("ruby", "ruby"),
    ("perl", "perl libwww-perl liblwp-protocol-https-perl"),
    ("php", "php-cli"),
    ("aria2c", "aria2"),
    ("lynx", "lynx"),
    ("chromium", "chromium"),
    ("firefox", "firefox-esr"),
    ("certutil", "libnss3-tools"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_the_path_is_found() {
        assert_eq!(find("sh", Some(OsStr::new("/nowhere:/bin"))).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn a_missing_program_says_where_and_what_next() {
        let error = find("curl", Some(OsStr::new("/nowhere"))).unwrap_err().to_string();
        assert_eq!(error, "no program `curl`: searched `/nowhere`\nhint: apt install curl");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_no_program_is_refused() {
        assert!(find("/etc/passwd", None).unwrap_err().searched.contains("no executable"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_version_is_asked_and_silence_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        assert_eq!(version(&script("speaks", "#!/bin/sh\necho thing v24.5.1 >&2\n")).await, Some((24, 5)));
        assert_eq!(version(&script("silent", "#!/bin/sh\n")).await, None);
    }
}
