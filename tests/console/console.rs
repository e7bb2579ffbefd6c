//! The console in a browser: lesson one from start to end; and how every view looks.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::tools::{have, photos, scripts};

/// A workshop that ends with its test.
struct Workshop {
    child: Child,
    told: serde_json::Value,
}

impl Workshop {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        command.args(["workshop", "--json", "--spare", "0"]).stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("CI");
        let mut child = command.spawn().expect("the workshop starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, told }
    }

    /// The base address.
    fn url(&self) -> &str {
        self.told["url"].as_str().expect("an address")
    }

    /// The code in a link: `join` or `trainer`.
    fn code(&self, link: &str) -> &str {
        self.told[link].as_str().and_then(|link| link.split_once("#join=")).expect("a link with a code").1
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Runs a script against a workshop of its own; its last word is `ok`.
fn run(script: &str) {
    if !have(&["node", "npm", "chromium", "curl"]) {
        return;
    }
    let Some(folder) = scripts() else { return };
    let workshop = Workshop::start();
    let mut node = Command::new("node");
    node.current_dir(folder).args([script, workshop.url(), workshop.code("join")]).arg(photos()).arg(workshop.code("trainer"));
    let done = node.stdin(Stdio::null()).output().expect("node runs");
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.trim_end().ends_with("ok"), "{script}: {said}{complained}");
}

#[test]
fn lesson_one_by_keyboard_and_mouse() {
    run("lesson.mjs");
}

#[test]
fn every_view_is_whole_and_open_to_everyone() {
    run("looks.mjs");
}
