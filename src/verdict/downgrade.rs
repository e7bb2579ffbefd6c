//! What it means that the box took an upgrade away: whether the client went on in the clear, gave up, or never wanted TLS.
//!
//! Judged by what crossed the box readable, credentials or a message, and by the control leg: only a client that uses TLS when it is
//! offered has lost something.

use super::Reaction;
use super::leg::Control;
use super::reaction::reaction;
use super::standing::{Circumstances, Standing, inconclusive, kind};
use crate::record::{Connection, UpgradeStage};
use crate::scenario::VerdictKind;

/// What such a connection says; none if the box left the upgrade alone, or TLS came of it all the same.
pub(super) fn downgrade(connection: &Connection, given: &Circumstances<'_>) -> Option<Standing> {
    let upgrade = connection.upgrade.as_ref()?;
    let stage = upgrade.hindered()?;
    if connection.client_half.handshake.is_some() || connection.hello.is_some() {
        return None;
    }
    let after = format!("after the upgrade was {}", stage.as_str());
    let clear = join(&upgrade.clear);
    Some(match (upgrade.clear.is_empty(), normally(given)) {
        (false, Normally::InTheClear) => {
            kind(VerdictKind::Untouched, format!("sent {clear} in the clear, as in the control leg"))
        }
        (false, Normally::Unknown(why)) => {
            let asked = upgrade.has(UpgradeStage::Asked);
            let mut standing = kind(VerdictKind::ExposedInClear, format!("sent {clear} in the clear {after}"));
            standing.remarks.extend((!asked).then(|| format!("whether it would have used TLS cannot be told: {why}")));
            standing
        }
        (false, Normally::InTls) => kind(VerdictKind::ExposedInClear, format!("sent {clear} in the clear {after}")),
        (true, Normally::InTls) => kind(VerdictKind::Refused, format!("sent no credentials and no message {after}")),
        (true, Normally::InTheClear) => {
            inconclusive(format!("sent no credentials and no message {after}, and uses no TLS in the control leg either"))
        }
        (true, Normally::Unknown(why)) => inconclusive(format!("sent no credentials and no message {after}, but {why}")),
    })
}

/// What the client does when nobody interferes.
enum Normally {
    InTls,
    InTheClear,
    Unknown(String),
}

fn normally(given: &Circumstances<'_>) -> Normally {
    let Some(leg) = given.control_leg else { return Normally::Unknown("there is no control leg".to_owned()) };
    let here = || leg.connections.iter().filter(|c| given.around.concerns(c, given.host));
    let sends = |c: &&Connection| matches!(reaction(c), Reaction::SentData { .. });
    let secured = |c: &&Connection| c.hello.is_some() || c.client_half.handshake.is_some();
    if here().filter(secured).any(|c| sends(&c)) {
        return Normally::InTls;
    }
    match given.control {
        Control::Sent => Normally::InTheClear,
        Control::Failed(why) => Normally::Unknown(why.clone()),
        Control::Refused(how) => Normally::Unknown(format!("it refused the genuine chain in the control leg ({how})")),
        Control::Absent | Control::Silent => Normally::Unknown("the control leg sent nothing".to_owned()),
    }
}

/// Kinds and lengths, the first few.
fn join(clear: &[String]) -> String {
    let mut shown: Vec<String> = clear.iter().take(SHOWN).cloned().collect();
    if clear.len() > SHOWN {
        shown.push(format!("and {} more", clear.len() - SHOWN));
    }
    shown.join(", ")
}

/// Secrets that a signal names.
const SHOWN: usize = 4;
