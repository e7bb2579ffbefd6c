//! The CI templates: by the schemas of those who read them, and by what they ask of `mitmlab`.

use std::process::Command;

use super::root;

#[test]
fn the_templates_are_what_their_readers_expect() {
    for (file, schema) in [
        ("lab/ci/github.yml", "vendor.github-workflows"),
        ("lab/ci/verify-shards.yml", "vendor.github-workflows"),
        ("lab/ci/gitlab.yml", "vendor.gitlab-ci"),
    ] {
        linted("check-jsonschema", &["--builtin-schema", schema], file);
    }
    linted("kubernetes-validate", &["--strict"], "lab/ci/kubernetes.yaml");
}

/// Runs a linter on a file. Where the linter is missing, so is the proof; CI has both.
fn linted(linter: &str, words: &[&str], file: &str) {
    match Command::new(linter).args(words).arg(root().join(file)).output() {
        Ok(output) => assert!(
            output.status.success(),
            "{file}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "`{linter}`: {error}; .ci/run installs it");
            eprintln!("skipped {file}: `{linter}`: {error}");
        }
    }
}

#[test]
fn every_command_in_a_template_is_one_of_ours() {
    let mut found = 0;
    for file in ["lab/ci/verify-shards.yml", "lab/ci/gitlab.yml", "lab/ci/kubernetes.yaml"] {
        let text = std::fs::read_to_string(root().join(file)).expect("it is there");
        for command in ["verify", "report merge"] {
            let Some(rest) = text.split(&format!("mitmlab {command} ")).nth(1) else { continue };
            let options: Vec<&str> = rest
                .split(" -- ")
                .flat_map(|part| part.split(['`', '|']))
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .filter(|w| w.starts_with("--"))
                .collect();
            let help =
                Command::new(env!("CARGO_BIN_EXE_mitmlab")).args(command.split(' ')).arg("--help").output().expect("it starts");
            let help = String::from_utf8_lossy(&help.stdout).into_owned();
            for option in options.iter().take_while(|option| **option != "--locked") {
                assert!(help.contains(option), "{file}: `mitmlab {command}` has no {option}");
                found += 1;
            }
        }
    }
    assert!(found > 5, "only {found} options were looked at");
}
