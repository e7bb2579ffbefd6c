//! What these tests need of the machine: programs, npm's packages, a place for photographs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// True if every program is here; says so if not, and the caller goes without. Under `CI=true` that is a failure.
pub(crate) fn have(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<_> =
        programs.iter().filter(|name| !std::env::split_paths(&path).any(|folder| folder.join(name).is_file())).collect();
    if missing.is_empty() {
        return true;
    }
    left_out(&format!("not on this machine: {missing:?}"));
    false
}

/// Tells why a test is left out; under `CI=true` fails.
pub(crate) fn left_out(why: &str) {
    eprintln!("left out: {why}");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
}

/// Where photographs and figures go.
pub(crate) fn photos() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/console-photos");
    std::fs::create_dir_all(&folder).expect("a folder below target");
    folder
}

/// The folder with the scripts and npm's packages beside them, filled once; none if npm could not.
pub(crate) fn scripts() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(installed).as_deref()
}

fn installed() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/console-npm");
    std::fs::create_dir_all(&folder).expect("a folder below target");
    let wanted = std::fs::read(own.join("package.json")).expect("our package.json");
    let there = std::fs::read(folder.join("package.json")).is_ok_and(|kept| kept == wanted)
        && folder.join("node_modules/axe-core").is_dir();
    if !there {
        std::fs::write(folder.join("package.json"), &wanted).expect("to write below target");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]);
        let status = npm.current_dir(&folder).stdin(Stdio::null()).status().expect("npm runs");
        if !status.success() {
            left_out("npm cannot install playwright-core and axe-core here");
            return None;
        }
    }
    for script in ["browser.mjs", "client.mjs", "lesson.mjs", "looks.mjs"] {
        std::fs::copy(own.join(script), folder.join(script)).expect("to copy a script");
    }
    Some(folder)
}
