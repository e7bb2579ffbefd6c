//! The lab's own detector over the whole suite, and real ones as people write them on a part of it.

use super::{missing, said, score};

fn adapter(name: &str) -> String {
    format!("{}/lab/adapters/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_labs_own_detector_accuses_nobody_and_misses_nothing_that_leaves_a_trace() {
    // A part of the suite: `.ci/run` runs the whole of it.
    let (card, code) = score(&["--shard", "1/4", "--min-recall", "0.9", "--max-false-positives", "0"], &[]);
    assert_eq!(code, 0, "{:#}", card["missed"]);
    let wrong: Vec<&str> = card["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .filter(|case| case.pointer("/trials/0/truth").is_some_and(|truth| truth == "state-box"))
        .filter(|case| case.pointer("/trials/0/said/answer").is_none_or(|said| said != "state-box"))
        .filter_map(|case| case["name"].as_str())
        .collect();
    // It leaves no trace that a site with a root of its own does not leave as well; doubt is the honest answer.
    assert!(wrong.iter().all(|name| *name == "forged-every-name-unknown-root"), "{wrong:?}");
    assert!(card.pointer("/figures/by_class/value").and_then(serde_json::Value::as_f64).is_some_and(|share| share > 0.7));
}

#[test]
fn with_a_control_vantage_nothing_is_missed() {
    let detector = ["mitmlab", "probe", "--json", "--max-time", "3", "--reference", "{control}", "{url}"];
    let only = "forged-every-name-unknown-root,broken-untrusted-root,change-two-networks,clean-nothing";
    let (card, _) = score(&["--only", only, "--says", "json:/class"], &detector);
    let answer = |name| said(&card, name)["answer"].clone();
    assert_eq!(answer("forged-every-name-unknown-root"), "state-box", "{card:#}");
    assert_eq!(answer("broken-untrusted-root"), "broken-site", "{card:#}");
    assert_eq!(answer("change-two-networks"), "genuine-change", "{card:#}");
    assert_eq!(answer("clean-nothing"), "clean", "{card:#}");
}

const PART: &str =
    "forged-qaznet-2019-unknown-root,forged-qaznet-2019-installed-root,clean-nothing,broken-expired,change-two-networks";

/// A pin knows no difference between another network's certificate and a forger's.
#[test]
fn a_pin_in_openssl_finds_the_box_and_accuses_the_second_network() {
    if missing("openssl") {
        return;
    }
    let (card, _) = score(&["--only", PART], &[&adapter("openssl_pin.sh"), "{url}", "{host}", "{control}"]);
    let answer = |name| said(&card, name)["answer"].clone();
    for name in ["forged-qaznet-2019-unknown-root", "forged-qaznet-2019-installed-root"] {
        assert_eq!(answer(name), "intercepted", "{card:#}");
    }
    assert_eq!((answer("clean-nothing"), answer("broken-expired")), ("clean".into(), "clean".into()), "{card:#}");
}

/// Who takes every certificate error for an attack accuses every site that forgot to renew.
#[test]
fn the_issuer_check_that_people_write_accuses_broken_sites() {
    if missing("python3") {
        return;
    }
    let (card, _) = score(&["--only", PART], &["python3", &adapter("python_issuer.py"), "{url}", "{host}", "{control}"]);
    let answer = |name| said(&card, name)["answer"].clone();
    assert_eq!(
        (answer("forged-qaznet-2019-installed-root"), answer("clean-nothing")),
        ("intercepted".into(), "clean".into()),
        "{card:#}"
    );
    assert_eq!(answer("broken-expired"), "intercepted", "{card:#}");
}
