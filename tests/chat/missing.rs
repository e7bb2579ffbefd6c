//! A server of the world that is not installed, or does not come up: the machine cannot, and the message says what to do.

use std::path::Path;
use std::process::Command;

/// What the scripts here and in `lab/servers` need besides the server.
const TOOLS: [&str; 7] = ["sh", "id", "unshare", "mkdir", "sed", "cat", "tail"];

/// Runs the program with nothing in its PATH but the tools, and the file's own scenario.
fn run(scenario: &str, network: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for tool in TOOLS {
        let real = ["/bin", "/usr/bin"].iter().map(|at| Path::new(at).join(tool)).find(|path| path.exists());
        std::os::unix::fs::symlink(real.expect("an everyday tool"), folder.path().join(tool)).expect("a link");
    }
    let file = folder.path().join("missing.toml");
    std::fs::write(&file, scenario).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.arg("run").arg(&file).args(["--network", network]).env("PATH", folder.path());
    let output = command.output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn scenario(world: &str) -> String {
    format!(
        "title = \"A server\"\nabout = \"It is not there.\"\n{world}\n[[rule]]\nname = \"r\"\nmatch = {{ port = 5223 }}\naction = \"close\"\n\
         [[check]]\nname = \"c\"\nclient = [\"mitmlab\", \"client\", \"{{url}}\"]\nurl = \"https://xmpp.example.org:5223/\"\n\
         expect = {{ verdict = \"blocked\" }}\n"
    )
}

fn site(run: &str) -> String {
    format!(
        "[[world.site]]\nnames = [\"xmpp.example.org\"]\naddress = \"198.51.100.42\"\n\
         services = {{ serve = \"exec\", port = 5223, ready_within = \"1s\", run = {run} }}"
    )
}

#[test]
fn a_server_that_is_not_installed_is_the_machines_fault_and_the_remedy_is_told() {
    for network in ["proxy", "sealed"] {
        let (code, told) = run(&scenario("[world]\ninclude = [\"prosody\"]"), network);
        if network == "sealed" && !told.contains("prosody") && std::env::var_os("CI").is_none_or(|ci| ci != "true") {
            eprintln!("skipped: {told}");
            continue;
        }
        assert_eq!(code, Some(3), "{network}: {told}");
        for part in
            ["`xmpp.example.org`, port 522", "ended with exit code 127", "prosody is not installed", "apt-get install prosody"]
        {
            assert!(told.contains(part), "{network}: no {part} in {told}");
        }
    }
}

#[test]
fn a_server_that_ends_or_never_listens_is_told_with_its_last_words() {
    let (code, told) = run(&scenario(&site(r#"["sh", "-c", "echo the key is odd >&2; exit 9"]"#)), "proxy");
    assert!(
        code == Some(3) && told.contains("ended with exit code 9 before it listened; it said `the key is odd`"),
        "{code:?} {told}"
    );
    // More than a pipe holds, on both outputs: it must come as far as its last word, and is then given up.
    let talks = "s=0123456789; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do s=$s$s; done; echo $s; echo $s >&2; echo all said >&2; exec tail -f /dev/null";
    let (code, told) = run(&scenario(&site(&format!("[\"sh\", \"-c\", {talks:?}]"))), "proxy");
    assert!(code == Some(3) && told.contains("does not listen on 127.0.0.1:") && told.contains("all said"), "{code:?} {told}");
    let (code, told) = run(&scenario(&site(r#"["no-such-server"]"#)), "proxy");
    assert!(code == Some(3) && told.contains("cannot start `no-such-server`"), "{code:?} {told}");
}
