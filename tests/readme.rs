//! README's console blocks, run as they stand: what it promises is what happens.
//!
//! `$ command` runs below bash; `? N` is its exit code (0 if not said); `...` stands for any lines, `[..]` for any text in a line.
//! Standard error comes before standard output where a block shows both.

use std::path::Path;
use std::process::Command;

#[test]
fn consoles_of_the_readme() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let blocks = blocks(&text);
    assert!(blocks.len() >= 6, "only {} console blocks were found", blocks.len());
    let failures: Vec<String> = blocks.iter().filter_map(|block| block.run().err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_readme_names_the_test_command() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    assert!(text.contains("```sh\ncargo test\n```"));
}

struct Block {
    line: usize,
    command: String,
    exit: i32,
    expected: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            all.push(Block { line: number + 1, command: command.to_owned(), exit: 0, expected: Vec::new() });
        } else if inside && let Some(block) = all.last_mut() {
            match line.strip_prefix("? ") {
                Some(code) => block.exit = code.parse().expect("an exit code"),
                None => block.expected.push(line.to_owned()),
            }
        }
    }
    all
}

impl Block {
    fn run(&self) -> Result<(), String> {
        let own = Path::new(env!("CARGO_BIN_EXE_mitmlab")).parent().expect("a folder");
        let path = std::env::join_paths(
            std::iter::once(own.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        // What cargo would build is built already.
        let command = self.command.replacen("cargo run --release -- ", "mitmlab ", 1);
        let output = Command::new("bash")
            .args(["-c", &format!("{{ {command}; }} 2> >(cat >&2)")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PATH", path.map_err(|e| e.to_string())?)
            .env_remove("CI")
            .output()
            .map_err(|e| e.to_string())?;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let complaint = |what: String| format!("README.md:{}: `{}`: {what}\n{told}", self.line, self.command);
        if output.status.code() != Some(self.exit) {
            return Err(complaint(format!("exit {:?} where {} is promised", output.status.code(), self.exit)));
        }
        let lines: Vec<&str> = told.lines().collect();
        if matches_all(&self.expected, &lines) {
            Ok(())
        } else {
            Err(complaint(format!("not as shown:\n{}", self.expected.join("\n"))))
        }
    }
}

/// Lines against lines; `...` stands for any number of them.
fn matches_all(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => (0..=lines.len()).any(|skip| matches_all(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, others)| matches_line(first, line) && matches_all(rest, others))
        }
    }
}

/// A line against a line; `[..]` stands for any text.
fn matches_line(expected: &str, line: &str) -> bool {
    let mut parts = expected.trim_end().split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.trim_end().strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn the_matcher_can_say_no() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches_all(&lines("a\n...\nx[..]z"), &["a", "b", "xyz"]));
    assert!(!matches_all(&lines("a\n...\nx[..]z"), &["a", "b", "xy"]));
    assert!(!matches_all(&lines("a"), &["a", "b"]));
    assert!(matches_line("a[..]b[..]", "a1b2"));
    assert!(!matches_line("a[..]b[..]c", "a1b2"));
}
