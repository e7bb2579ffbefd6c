//! Upgrades that the box took away: what was lost in the clear shows only beside the control leg.

use std::net::SocketAddr;

use mitmlab::record::{Bytes, Connection, DecisionRecord, Event, Half, LegKind, Observer, Recorder, UpgradeStage};
use mitmlab::scenario::{Transport, Vantage, VerdictKind};
use mitmlab::verdict::{LegTruth, target};

use crate::played::{HOST, around, leg};

/// What a leg did: nothing, in the clear, or inside of TLS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Did {
    Nothing,
    InTheClear,
    InTls,
}

/// One connection to port 25, as the box and the origin tell it.
fn mail(kind: LegKind, did: Did, stage: Option<UpgradeStage>) -> LegTruth {
    // The control leg of a client that uses TLS: the hello, the handshake and the bytes of any shape that sends.
    if did == Did::InTls {
        return leg(kind, &["ACC cn"], false);
    }
    let recorder = Recorder::new();
    let client: SocketAddr = "192.0.2.2:40000".parse().expect("an address");
    let key = (client, "192.0.2.10:25".parse().expect("an address"));
    let id = recorder.open_new(key, None, Transport::Tcp, Vantage::Inside, Observer::Wire, None);
    let by = Observer::Box;
    let decision = DecisionRecord {
        action: if stage.is_some() { "strip-starttls" } else { "forward" }.to_owned(),
        reason: "rule".to_owned(),
        rule: Some("strip".to_owned()),
        phase: "interception".to_owned(),
        coin: None,
        clock: String::new(),
    };
    let smtp = || "smtp".to_owned();
    recorder.emit(id, Event::FirstBytes { protocol: "mail".to_owned(), summary: smtp() });
    recorder.emit(id, Event::Decision(decision));
    if let Some(stage) = stage {
        recorder.emit(id, Event::Upgrade { by, protocol: smtp(), stage });
    }
    let clear = if did == Did::InTheClear { 500 } else { 10 };
    if did == Did::InTheClear && stage.is_some() {
        recorder.emit(id, Event::Clear { by, protocol: smtp(), secret: "password: 10 bytes".to_owned() });
    }
    let bytes = Bytes { raw_up: clear, raw_down: 100, app_up: Some(clear), app_down: Some(100) };
    recorder.emit(id, Event::HalfEnd { half: Half::Client, by: Observer::Origin, bytes, error: None });
    recorder.emit(id, Event::ConnectionEnd {});
    let entries = recorder.entries();
    LegTruth { connections: Connection::fold(entries.iter().map(AsRef::as_ref)), ..leg(kind, &[], false) }
}

#[test]
fn what_was_lost_shows_beside_the_control_leg() {
    use Did::{InTheClear, InTls, Nothing};
    for (control, test, stage, verdict) in [
        (InTls, InTheClear, UpgradeStage::Stripped, VerdictKind::ExposedInClear),
        (InTls, InTheClear, UpgradeStage::Mangled, VerdictKind::ExposedInClear),
        (InTls, InTheClear, UpgradeStage::Refused, VerdictKind::ExposedInClear),
        (InTls, Nothing, UpgradeStage::Stripped, VerdictKind::Refused),
        (InTheClear, InTheClear, UpgradeStage::Stripped, VerdictKind::Untouched),
        (InTheClear, Nothing, UpgradeStage::Stripped, VerdictKind::Inconclusive),
    ] {
        let control = mail(LegKind::Control, control, None);
        let judged = target(HOST, &around(), Some(&control), &mail(LegKind::Test, test, Some(stage)));
        assert_eq!(judged.verdict, verdict, "{test:?} {stage:?}: {}", judged.signal);
    }
}

#[test]
fn without_a_control_leg_the_loss_is_told_with_a_remark() {
    let judged = target(HOST, &around(), None, &mail(LegKind::Test, Did::InTheClear, Some(UpgradeStage::Stripped)));
    assert_eq!(judged.verdict, VerdictKind::ExposedInClear);
    assert!(
        judged.signal.contains("password: 10 bytes") && judged.remarks.iter().any(|r| r.contains("no control leg")),
        "{judged:?}"
    );
    let nothing = target(HOST, &around(), None, &mail(LegKind::Test, Did::Nothing, Some(UpgradeStage::Stripped)));
    assert_eq!(nothing.verdict, VerdictKind::Inconclusive);
}

#[test]
fn a_server_that_never_offered_it_was_not_stripped() {
    let control = mail(LegKind::Control, Did::InTheClear, None);
    let judged = target(HOST, &around(), Some(&control), &mail(LegKind::Test, Did::InTheClear, None));
    assert_eq!(judged.verdict, VerdictKind::Untouched, "{}", judged.signal);
}
