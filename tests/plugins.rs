//! The Python and JavaScript plugins and the shell example, each run as its user would, against an app with a planted flaw: the suite
//! finds it, and passes once it is mended.

use std::path::Path;
use std::process::{Command, Output};

/// Skips with a reason, or fails where the machine is meant to have it.
fn skip(reason: &str) {
    assert!(std::env::var("CI").is_err(), "{reason}");
    eprintln!("skipped: {reason}");
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A Python that has pytest and requests.
fn python() -> Option<String> {
    let named = std::env::var("MITMLAB_TEST_PYTHON").ok();
    let candidates = named.into_iter().chain(["python3".to_owned(), "/usr/bin/python3".to_owned()]);
    candidates.into_iter().find(|python| works(Command::new(python).args(["-c", "import pytest, requests"])))
}

fn suite(command: &mut Command, mended: bool) -> (bool, String) {
    command.env("MITMLAB_PROGRAM", env!("CARGO_BIN_EXE_mitmlab")).env("APP_MENDED", if mended { "1" } else { "0" });
    command.env("NO_COLOR", "1");
    let output = command.output().expect("the suite starts");
    (output.status.success(), text(&output))
}

#[test]
fn the_pytest_suite_finds_the_flaw_and_passes_once_it_is_mended() {
    let Some(python) = python() else { return skip("no Python with pytest and requests (MITMLAB_TEST_PYTHON names one)") };
    let run = |mended| {
        let mut command = Command::new(&python);
        command.args(["-m", "pytest", "-q", "-p", "mitmlab_pytest", "-p", "no:cacheprovider", "--color=no"]);
        command
            .arg(root().join("lab/python/example"))
            .env("PYTHONPATH", root().join("lab/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        suite(&mut command, mended)
    };
    let (passed, told) = run(false);
    assert!(!passed && told.contains("1 failed"), "{told}");
    assert!(told.contains("expected `refused` for www.instagram.com, saw `exposed`"), "{told}");
    let (passed, told) = run(true);
    assert!(passed, "{told}");
}

#[test]
fn the_node_suite_finds_the_flaw_and_passes_once_it_is_mended() {
    if !works(Command::new("node").args(["-e", "process.exit(Number(process.versions.node.split('.')[0]) >= 18 ? 0 : 1)"])) {
        return skip("no node 18 or later");
    }
    let run = |mended| {
        let mut command = Command::new("node");
        command.args(["--test", "--test-reporter=tap"]).arg(root().join("lab/js/example/app.test.mjs"));
        suite(&mut command, mended)
    };
    let (passed, told) = run(false);
    assert!(!passed && told.contains("# fail 1"), "{told}");
    assert!(told.contains("expected `refused` for www.instagram.com, saw `exposed`"), "{told}");
    let (passed, told) = run(true);
    assert!(passed, "{told}");
}

/// Vitest and Jest, whose folder `MITMLAB_TEST_NODE_MODULES` names.
#[test]
fn the_same_suite_runs_under_vitest_and_jest() {
    let modules = std::env::var("MITMLAB_TEST_NODE_MODULES").unwrap_or_default();
    let runner = |path: &str| Some(Path::new(&modules).join(path)).filter(|path| path.is_file());
    let (Some(vitest), Some(jest)) = (runner("vitest/vitest.mjs"), runner("jest/bin/jest.js")) else {
        return skip("no node with vitest and jest (MITMLAB_TEST_NODE_MODULES names their folder)");
    };
    let home = root().join("lab/js");
    let config = serde_json::json!({
        "rootDir": home, "testMatch": ["**/app.spec.mjs"], "transform": {}, "moduleFileExtensions": ["mjs", "js"],
    });
    let of_vitest = || {
        let mut command = Command::new("node");
        command.arg(&vitest).args(["run", "--globals", "--cache=false", "--root"]).arg(home.join("example")).arg("app.spec.mjs");
        command
    };
    let of_jest = || {
        let mut command = Command::new("node");
        command.arg(&jest).args(["--no-cache", "--config", &config.to_string()]);
        command.env("NODE_OPTIONS", "--experimental-vm-modules");
        command
    };
    for (name, command) in [("vitest", &of_vitest as &dyn Fn() -> Command), ("jest", &of_jest)] {
        let (passed, told) = suite(&mut command(), false);
        assert!(!passed && told.contains("1 failed"), "{name}: {told}");
        assert!(told.contains("expected `refused` for www.instagram.com, saw `exposed`"), "{name}: {told}");
        let (passed, told) = suite(&mut command(), true);
        assert!(passed, "{name}: {told}");
    }
}

#[test]
fn the_shell_example_runs_beside_a_lab() {
    if !works(Command::new("curl").arg("--version")) {
        return skip("no curl");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.args(["up", "client-that-checks-nothing-is-exposed", "--", "sh"]).arg(root().join("lab/shell/example.sh"));
    let (passed, told) = suite(&mut command, false);
    assert!(passed && told.contains("curl refused"), "{told}");
}
