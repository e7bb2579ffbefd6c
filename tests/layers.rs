//! The tree's promises: imports run one way, every file says what it is, none grows past comfort, `unsafe` has one home.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom (design: cli -> lab -> rooms -> forge -> x509; everyone may emit into record).
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("scenario", &[]),
    ("x509", &[]),
    ("record", &["scenario"]),
    ("verdict", &["record", "scenario"]),
    ("score", &["record", "scenario", "verdict"]),
    ("tls", &["record", "scenario", "x509"]),
    ("pki", &["record", "scenario", "tls", "x509"]),
    ("forge", &["pki", "record", "scenario", "x509"]),
    ("origin", &["network", "pki", "record", "scenario", "tls", "x509"]),
    ("network", &["record", "scenario"]),
    ("middlebox", &["forge", "network", "pki", "record", "scenario", "tls", "x509"]),
    ("client", &["record", "scenario"]),
    ("probe", &["client", "forge", "pki", "record", "scenario", "x509"]),
    ("control", &["record", "scenario", "verdict"]),
    ("workshop", &["client", "control", "forge", "record", "scenario", "score", "verdict", "x509"]),
    (
        "lab",
        &[
            "client",
            "control",
            "error",
            "forge",
            "middlebox",
            "network",
            "origin",
            "pki",
            "record",
            "scenario",
            "tls",
            "verdict",
            "x509",
        ],
    ),
    (
        "cli",
        &[
            "client", "control", "error", "forge", "lab", "network", "pki", "probe", "record", "scenario", "score", "verdict",
            "workshop", "x509",
        ],
    ),
];

/// The module for system calls without a safe face: this file and those below it.
const UNSAFE_HOME: &str = "src/network/sealed/sys";

/// A file longer than this has a second reason to change.
const LONGEST: usize = 450;

#[test]
fn imports_run_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let room = room_of(&file);
        if room == "lib" || room == "main" {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{}: room `{room}` is not in the table", file.display()));
        for (number, line) in code_lines(&text) {
            for other in imports(line) {
                if other != room && !may.contains(&other.as_str()) {
                    wrong.push(format!("{}:{number}: `{room}` must not import `{other}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(file, _)| file).collect();
    assert!(silent.is_empty(), "no `//!` on the first line: {silent:?}");
}

#[test]
fn no_file_grows_past_comfort() {
    let long: Vec<_> =
        sources().into_iter().map(|(file, text)| (file, text.lines().count())).filter(|(_, lines)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn unsafe_has_one_home() {
    let homes: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| code_lines(text).any(|(_, line)| line.contains("unsafe {") || line.contains("unsafe fn")))
        .map(|(file, _)| file)
        .filter(|file| !file.starts_with(UNSAFE_HOME) && *file != Path::new(UNSAFE_HOME).with_extension("rs"))
        .collect();
    assert!(homes.is_empty(), "`unsafe` outside {UNSAFE_HOME}: {homes:?}");
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a readable file");
                found.push((path.strip_prefix(root).expect("below the root").to_path_buf(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "the walk found only {} files", found.len());
    found
}

fn room_of(file: &Path) -> String {
    let first = file.components().nth(1).expect("a path below src").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Code without comments, and without the inline tests at the end of a file.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Rooms named by `crate::room` in a line, and by `crate::{a::.., b::..}` groups.
fn imports(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for part in line.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => rooms.extend(group.split(',').map(|item| word(item.trim()))),
            None => rooms.push(word(part)),
        }
    }
    rooms.retain(|room| room.chars().next().is_some_and(char::is_lowercase));
    rooms
}
