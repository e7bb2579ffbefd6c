//! Figures of detectors that always say yes, always no, or throw a coin, against tables computed by hand.

use super::{missing, score, sh, words};

/// Two boxes and two others.
const FOUR: &str = "forged-blind-unknown-root,forged-mirror-installed-root,clean-nothing,corporate-root-installed";

#[test]
fn who_always_says_yes_finds_all_and_accuses_all() {
    if missing("curl") {
        return;
    }
    let (card, code) = score(&["--only", FOUR, "--base-rate", "0.01"], &words(&sh("echo intercepted")));
    let bits = &card["figures"]["bits"];
    assert_eq!((&bits["true_positives"], &bits["false_positives"]), (&2.into(), &2.into()), "{card:#}");
    assert_eq!((&card["figures"]["recall"]["value"], &card["figures"]["precision"]["value"]), (&1.0.into(), &0.5.into()));
    assert_eq!(card.pointer("/figures/at_base_rate/precision"), Some(&0.01.into()), "an alarm says nothing");
    assert_eq!(card.pointer("/figures/matrix/rows/corporate/intercepted"), Some(&1.into()));
    assert_eq!(code, 0, "nothing was asked for");
}

#[test]
fn who_always_says_no_is_never_wrong_about_others_and_fails_by_recall() {
    if missing("curl") {
        return;
    }
    let says = sh("echo clean");
    let (card, code) = score(&["--only", FOUR, "--min-recall", "0.1", "--max-false-positives", "0"], &words(&says));
    let bits = &card["figures"]["bits"];
    assert_eq!((&bits["false_negatives"], &bits["true_negatives"]), (&2.into(), &2.into()), "{card:#}");
    assert_eq!(card["figures"]["precision"]["value"], serde_json::Value::Null, "no alarm was raised");
    assert_eq!((card["missed"].as_array().map(Vec::len), code), (Some(1), 1), "recall alone");
}

/// The coin falls by the process's number: the figures must be those of its trials, whatever they were.
#[test]
fn a_coin_gets_the_figures_of_its_throws() {
    if missing("curl") {
        return;
    }
    let coin = sh("if [ $(( $$ / 2 % 2 )) = 0 ]; then echo state-box; else echo clean; fi");
    let (card, _) = score(&["--only", FOUR, "--seeds", "2"], &words(&coin));
    let trials: Vec<&serde_json::Value> =
        card["cases"].as_array().expect("cases").iter().flat_map(|case| case["trials"].as_array().expect("trials")).collect();
    assert_eq!(trials.len(), 8);
    let count = |truth: bool, alarm: bool| {
        let is = |t: &&&serde_json::Value| (t["truth"] == "state-box") == truth && (t["said"]["answer"] == "state-box") == alarm;
        trials.iter().filter(is).count()
    };
    let bits = &card["figures"]["bits"];
    for (name, truth, alarm) in [
        ("true_positives", true, true),
        ("false_negatives", true, false),
        ("false_positives", false, true),
        ("true_negatives", false, false),
    ] {
        assert_eq!(bits[name], count(truth, alarm), "{name}: {bits}");
    }
    assert_eq!(count(true, true) + count(true, false), 4);
    assert_eq!(card.pointer("/figures/spread/seeds"), Some(&2.into()));
}

#[test]
fn a_baseline_tells_what_changed() {
    if missing("curl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("then.json");
    let file = file.to_str().expect("a path");
    let two = "clean-nothing,forged-blind-unknown-root";
    score(&["--only", two, "--json", file], &words(&sh("echo intercepted")));
    let (card, _) = score(&["--only", two, "--baseline", file], &words(&sh("echo clean")));
    let names = |kind: &str| card["changes"][kind].as_array().expect("a list")[0]["condition"].clone();
    assert_eq!((names("worse"), names("better")), ("forged-blind-unknown-root".into(), "clean-nothing".into()), "{card:#}");
    assert_eq!(card["changes"]["recall"], -1.0);
}

#[test]
fn shards_are_joined_to_the_whole() {
    if missing("curl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = |n: &str| folder.path().join(n).to_str().expect("a path").to_owned();
    for shard in ["1/2", "2/2"] {
        let saved = file(&shard.replace('/', "-"));
        score(
            &["--only", "clean-nothing,forged-blind-unknown-root", "--shard", shard, "--json", &saved],
            &words(&sh("echo intercepted")),
        );
    }
    let merge = |files: &[String]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        command.args(["report", "merge", "--format", "json"]).args(files).output().expect("mitmlab starts")
    };
    let whole = merge(&[file("1-2"), file("2-2")]);
    let card: serde_json::Value = serde_json::from_slice(&whole.stdout).expect("a scorecard");
    let bits = &card["figures"]["bits"];
    assert_eq!((&bits["true_positives"], &bits["false_positives"]), (&1.into(), &1.into()), "{card:#}");
    let half = merge(&[file("1-2")]);
    assert!(half.status.code() == Some(2) && String::from_utf8_lossy(&half.stderr).contains("missing: 2/2"), "{half:?}");
}
