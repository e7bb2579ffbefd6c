//! The same trials once more, by this program started as an ordinary user.

use std::fs::{File, Permissions};
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use libtest_mimic::Failed;

/// The program as `nobody`, running beside this one.
pub(crate) struct Nobody {
    child: Child,
    output: File,
    _copy: tempfile::TempDir,
}

impl Nobody {
    /// Starts it, if this is root and not the copy itself. Before this process has entered anything.
    pub(crate) fn start() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
        let program = copy.path().join("wire");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let output = tempfile::tempfile().unwrap();
        let child = Command::new(&program)
            .args(std::env::args_os().skip(1))
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .stdout(output.try_clone().unwrap())
            .stderr(output.try_clone().unwrap())
            .spawn()
            .unwrap();
        Some(Self { child, output, _copy: copy })
    }

    /// Waits for it. A kernel that lets only root make namespaces is no fault of the wire.
    pub(crate) fn finish(mut self) -> Result<(), Failed> {
        let status = self.child.wait()?;
        let mut text = String::new();
        self.output.rewind()?;
        self.output.read_to_string(&mut text)?;
        eprintln!("as nobody: {}", text.lines().rfind(|line| line.starts_with("test result")).unwrap_or_default());
        let refused = text.contains("the wire's trials are ignored");
        if status.success() || refused { Ok(()) } else { Err(text.into()) }
    }
}
