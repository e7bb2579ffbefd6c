//! One synthetic report of `verify` with everything that a report must show.

use std::collections::BTreeMap;

use super::super::sample;
use crate::scenario::{Case, Must, Suite};
use crate::verdict::suite::{Shard, VERSION};
use crate::verdict::verify::{Agreement, Answer, VerifyCase, VerifyReport};

/// The report.
pub(crate) fn report() -> VerifyReport {
    let case = |name: &str, must, answer, agrees, signal: &str| {
        let about = Case {
            must: Some(must),
            reason: "Anybody can write a name into a certificate.".to_owned(),
            group: "chain".to_owned(),
            ..Case::default()
        };
        let bare = VerifyCase::without_run(name, &format!("The case {name}"), &about, answer, signal.to_owned());
        VerifyCase { agrees, exit: Some(0), run: Some(sample::run()), ..bare }
    };
    let exposed = case(
        "wrong-host",
        Must::Refuse,
        Answer::Exposed,
        Agreement::No,
        "sent 82 bytes although the genuine certificate is for another name",
    );
    let exposed = VerifyCase { read: vec!["GET /v1/me (http/1.1), authorization: 24 bytes".to_owned()], ..exposed };
    let refused = case("untrusted-root", Must::Refuse, Answer::Refused, Agreement::Yes, "alert 48 unknown_ca");
    let refused = VerifyCase { exit: Some(60), said: Some("curl: (60) SSL certificate problem".to_owned()), ..refused };
    VerifyReport {
        version: VERSION,
        suite: Suite::Verify,
        mitmlab: "0.1.0".to_owned(),
        digest: "00112233".to_owned(),
        of: 12,
        shard: Some(Shard { number: 1, of: 2 }),
        command: vec!["my app".to_owned(), "--token".to_owned(), "{url}".to_owned()],
        settings: BTreeMap::from([("speaks".to_owned(), "https".to_owned())]),
        cases: vec![
            case("genuine", Must::Accept, Answer::Accepted, Agreement::Yes, "sent 82 bytes to the origin"),
            case("hang", Must::Refuse, Answer::Inconclusive, Agreement::Open, "not-contacted: no connection to it was seen"),
            case(
                "pinned",
                Must::Refuse,
                Answer::Unsupported,
                Agreement::NotRun,
                "the client does not claim to know its server's key: `--pinned`",
            ),
            case(
                "revoked",
                Must::Maybe,
                Answer::Exposed,
                Agreement::Yes,
                "sent 82 bytes although the genuine certificate has been revoked",
            ),
            case("tls-1.3", Must::Accept, Answer::Refused, Agreement::No, "a good chain: alert 70 protocol_version"),
            refused,
            exposed,
        ],
        ms: 6_210,
    }
}
