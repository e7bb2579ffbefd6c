//! What a client's run showed, and assertions on it that say what was seen when they fail.

use std::borrow::Cow;
use std::sync::Arc;

use crate::record::{Connection, LegId};
use crate::scenario::{Plan, VerdictKind};
use crate::verdict::{LegTruth, Surroundings, TargetVerdict, reaction, target};

/// A client's run, judged when it is asked.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), mitmlab::error::Error> {
/// # if !std::path::Path::new("/usr/bin/curl").exists() { return Ok(()) }
/// use mitmlab::lab::Lab;
/// use mitmlab::scenario::VerdictKind;
///
/// let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await?;
/// let outcome = lab.client(["curl", "-sS", "{url}"]).url("https://good.badtls.test/").run().await?;
/// let verdict = outcome.verdict("good.badtls.test");
/// assert_eq!(verdict.verdict, VerdictKind::Untouched);
/// println!("{}: {} ({:?})", verdict.host, verdict.signal, verdict.evidence); // which connections say so
/// let hello = outcome.connections()[0].hello.as_ref();
/// assert_eq!(hello.and_then(|hello| hello.sni.as_deref()), Some("good.badtls.test"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) id: LegId,
    pub(super) plan: Arc<Plan>,
    pub(super) phase: String,
    pub(super) control: Option<LegTruth>,
    pub(super) host: Option<String>,
    pub(super) truth: LegTruth,
    pub(super) stdout: Vec<u8>,
}

impl Outcome {
    /// The number of its leg.
    pub fn leg(&self) -> LegId {
        self.id
    }

    /// Its connections.
    pub fn connections(&self) -> &[Connection] {
        &self.truth.connections
    }

    /// All that is known of it.
    pub fn truth(&self) -> &LegTruth {
        &self.truth
    }

    /// The same command without interference, if it was run.
    pub fn control(&self) -> Option<&LegTruth> {
        self.control.as_ref()
    }

    /// Exit code, if it exited. It proves nothing: see the verdict.
    pub fn exit(&self) -> Option<i32> {
        self.truth.exit
    }

    /// Standard output, up to a mebibyte.
    pub fn stdout(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// End of standard error.
    pub fn stderr(&self) -> &str {
        &self.truth.stderr_tail
    }

    /// What its connections to a host mean.
    pub fn verdict(&self, host: &str) -> TargetVerdict {
        let around = Surroundings::of(&self.plan.world, &self.phase);
        target(&host.trim_end_matches('.').to_ascii_lowercase(), &around, self.control.as_ref(), &self.truth)
    }

    /// What its connections to the host of its URL mean; none if it was given none.
    pub fn verdict_of_url(&self) -> Option<TargetVerdict> {
        self.host.as_deref().map(|host| self.verdict(host))
    }

    /// Asserts a verdict.
    ///
    /// # Panics
    /// It is another one; the message says which, on what evidence, and what the client said.
    #[track_caller]
    pub fn assert_verdict(&self, host: &str, expected: VerdictKind) -> &Self {
        let verdict = self.verdict(host);
        assert!(verdict.verdict == expected, "{}", self.story(&verdict, expected));
        self
    }

    /// Asserts that the client was shown a forged (or bad) chain and sent nothing.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_refused(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::Refused)
    }

    /// Asserts that the client sent application bytes to a forged server.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_exposed(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::Exposed)
    }

    /// Asserts that the box took STARTTLS away and that credentials or a message then crossed it in the clear.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_exposed_in_clear(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::ExposedInClear)
    }

    /// Asserts that application bytes went to the genuine origin.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_untouched(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::Untouched)
    }

    /// Asserts that the connection was hindered.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_blocked(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::Blocked)
    }

    /// Asserts that the client never dialled the host.
    ///
    /// # Panics
    /// See [`Self::assert_verdict`].
    #[track_caller]
    pub fn assert_not_contacted(&self, host: &str) -> &Self {
        self.assert_verdict(host, VerdictKind::NotContacted)
    }

    fn story(&self, verdict: &TargetVerdict, expected: VerdictKind) -> String {
        let truth = &self.truth;
        let mut story = format!("expected `{expected}` for {}, saw `{}`: {}", verdict.host, verdict.verdict, verdict.signal);
        let mut line = |text: String| {
            story.push_str("\n  ");
            story.push_str(&text);
        };
        verdict.remarks.iter().for_each(|remark| line(remark.clone()));
        line(format!("client: {} (trust `{}`, {}, phase `{}`)", truth.argv.join(" "), truth.trust, truth.vantage, self.phase));
        line(match (truth.exit, truth.signal) {
            _ if truth.timed_out => "it was ended at its deadline".to_owned(),
            (Some(code), _) => format!("it exited with {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it did not run".to_owned(),
        });
        for connection in truth.connections.iter().take(MOST_LINES) {
            line(told(connection));
        }
        if truth.connections.len() > MOST_LINES {
            line(format!("and {} more connections", truth.connections.len() - MOST_LINES));
        }
        let words = truth.stderr_tail.lines().rev().take(WORDS).collect::<Vec<_>>();
        words.iter().rev().for_each(|word| line(format!("stderr: {word}")));
        story
    }
}

/// A connection in one line.
fn told(connection: &Connection) -> String {
    let decision = match connection.decision() {
        None => "not seen by the box".to_owned(),
        Some(decision) => match &decision.rule {
            Some(rule) => format!("{} ({}: {rule})", decision.action, decision.reason),
            None => format!("{} ({})", decision.action, decision.reason),
        },
    };
    let shown =
        connection.presented.first().map(|leaf| format!(", shown a certificate from `{}`", leaf.issuer)).unwrap_or_default();
    let (host, port) = (connection.host(), connection.destination.port());
    format!("{} {host}:{port}: {decision}{shown}; the client {}", connection.id, reaction(connection).words())
}

/// Connections in a message.
const MOST_LINES: usize = 12;
/// Lines of standard error in a message.
const WORDS: usize = 6;
