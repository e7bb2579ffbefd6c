//! The ways in which a detector speaks.

use super::{missing, run, said, score, sh, words};

#[test]
fn detectors_speak_in_many_ways() {
    if missing("curl") {
        return;
    }
    let junit = "echo '<testsuite><testcase name=\"chain\"><failure/></testcase><testcase name=\"dates\"/></testsuite>'";
    for (options, line) in [
        (vec!["--says", "exit:0=clean,1=state-box"], "exit 1"),
        (vec!["--says", "json:/a/0", "--word", "HIGH=state-box"], "echo '{\"a\":[\"HIGH\"]}'"),
        (vec!["--says", "line:^risk: (.*)$", "--word", "very high=state-box"], "echo x; echo 'risk: very high'"),
        (vec!["--says", "junit:chain", "--word", "failed=state-box", "--word", "passed=clean"], junit),
        (vec!["--says", "word"], "echo looking; echo state-box"),
    ] {
        let (card, _) = score(&[&["--only", "forged-blind-unknown-root"], options.as_slice()].concat(), &words(&sh(line)));
        assert_eq!(said(&card, "forged-blind-unknown-root")["answer"], "state-box", "{line}: {card:#}");
    }
}

#[test]
fn a_file_of_its_own_and_the_control_vantage() {
    if missing("curl") || missing("openssl") {
        return;
    }
    let line = "curl -ks -o /dev/null \"$0\"; openssl x509 -noout -in \"$1\" && echo state-box > \"$2\"";
    let detector = ["sh", "-c", line, "{url}", "{control}", "{out}"];
    let (card, _) = score(&["--only", "forged-blind-unknown-root"], &detector);
    assert_eq!(said(&card, "forged-blind-unknown-root")["answer"], "state-box", "{card:#}");
    let (card, _) = score(&["--only", "clean-nothing"], &["sh", "-c", "curl -ks \"$0\"; : \"$1\"", "{url}", "{out}"]);
    assert_eq!(said(&card, "clean-nothing")["error"]["kind"], "unreadable", "{card:#}");
}

#[test]
fn mistakes_on_the_command_line_are_told_before_anything_runs() {
    for (options, told) in [
        (vec!["--says", "yaml:x"], "no way of speaking"),
        (vec!["--seeds", "0"], "--seeds 0"),
        (vec!["--base-rate", "7"], "no share"),
        (vec!["--only", "no-such-condition"], "no case is left"),
        (vec!["--baseline", "/nowhere/then.json"], "cannot read"),
    ] {
        let output = run(&options, &["true"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(told), "{options:?}: {text}");
    }
    let output = run(&[], &["no-such-detector-anywhere"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-detector-anywhere"));
}
