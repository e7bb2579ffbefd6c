//! Detectors that hang, crash, print garbage, fork, or never look: reported as what they are, and ended.

use std::time::{Duration, Instant};

use super::{missing, said, score, sh, words};

#[test]
fn each_misdeed_has_its_name_and_none_is_a_pass() {
    if missing("curl") {
        return;
    }
    for (line, kind) in [
        ("exec sleep 7681", "hung"),
        ("kill -SEGV $$", "crashed"),
        ("echo 'Well, it depends.'", "unreadable"),
        ("echo maybe", "unreadable"),
        ("head -c 100000 /dev/urandom", "unreadable"),
        ("exit 3", "unreadable"),
    ] {
        let (card, code) = score(&["--only", "clean-nothing", "--deadline", "2"], &words(&sh(line)));
        assert_eq!(said(&card, "clean-nothing")["error"]["kind"], kind, "{line}: {card:#}");
        assert_eq!((code, &card["figures"]["bits"]["errors"]), (1, &1.into()), "{line}");
    }
}

#[test]
fn who_never_looks_has_no_opinion() {
    let (card, code) = score(&["--only", "forged-blind-unknown-root"], &["sh", "-c", "echo intercepted"]);
    assert_eq!(said(&card, "forged-blind-unknown-root")["error"]["kind"], "never-looked", "{card:#}");
    assert_eq!((&card["figures"]["bits"]["false_negatives"], code), (&1.into(), 1), "a box that nobody looked at was missed");
}

#[test]
fn what_a_detector_leaves_behind_is_ended_and_not_waited_for() {
    if missing("curl") {
        return;
    }
    let began = Instant::now();
    let forks = sh("(setsid sleep 7682 &) ; (while :; do sleep 7683; done &) ; echo clean");
    let (card, _) = score(&["--only", "clean-nothing"], &words(&forks));
    assert_eq!(said(&card, "clean-nothing")["answer"], "clean", "{card:#}");
    assert!(began.elapsed() < Duration::from_secs(60), "nobody waits for 7682 seconds");
    let left = std::fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\x007682") || line.starts_with(b"sleep\x007683")
    });
    assert!(!left, "a child outlived the lab");
}

/// Whoever installs what he is shown finds nothing wrong any more: a miss, and no other run's business.
#[test]
fn who_changes_his_own_trust_store_misses_the_box_and_harms_no_other_run() {
    if missing("curl") || missing("openssl") {
        return;
    }
    let install = "openssl s_client -connect \"$1\":443 -servername \"$1\" -showcerts </dev/null 2>/dev/null | \
                   sed -n '/BEGIN CERT/,/END CERT/p' >> \"$SSL_CERT_FILE\"; ";
    let judge = "curl -sS -o /dev/null \"$0\" 2>/dev/null && echo clean || echo intercepted";
    let only = "forged-blind-unknown-root,clean-nothing";
    let (card, _) = score(&["--only", only], &["sh", "-c", &format!("{install}{judge}"), "{url}", "{host}"]);
    assert_eq!(said(&card, "forged-blind-unknown-root")["answer"], "clean", "{card:#}");
    assert_eq!(card["figures"]["bits"]["false_negatives"], 1, "{card:#}");
    let (card, _) = score(&["--only", only], &["sh", "-c", judge, "{url}"]);
    assert_eq!(said(&card, "forged-blind-unknown-root")["answer"], "intercepted", "what another installed is gone: {card:#}");
}
