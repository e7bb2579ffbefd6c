//! `mitmlab verify` on real clients, good and bad on purpose; on hostile ones; its shards; its reports; and the CI templates.

mod ci;
mod hostile;
mod mail;
mod setups;
mod suite;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mitmlab::verdict::verify::VerifyReport;

/// A run of `mitmlab verify`; nobody's surroundings but the network's choice are passed on.
fn verify(words: &[&str], client: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.arg("verify").args(words).arg("--").args(client).env_remove("CI");
    command.output().expect("it starts")
}

/// Its report, which must be one.
fn report(words: &[&str], client: &[&str]) -> (VerifyReport, i32) {
    let output = verify(&[&["--format", "json"], words].concat(), client);
    let code = output.status.code().expect("it exits");
    let read = serde_json::from_slice(&output.stdout);
    (read.unwrap_or_else(|e| panic!("{client:?}: {e}\n{}", String::from_utf8_lossy(&output.stderr))), code)
}

/// True if the program is there. Under CI it must be.
fn there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) || Path::new(program).is_file();
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(found || !ci, "`{program}` is missing; .ci/run installs it");
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
