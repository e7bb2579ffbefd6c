//! STARTTLS in the record: how far an upgrade came, and what crossed the box unprotected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of an upgrade to TLS, as the box saw or made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeStage {
    /// The origin announced the capability.
    Offered,
    /// The box took the capability out, or answered an attempt as if there were none.
    Stripped,
    /// The box overwrote the capability or the command.
    Mangled,
    /// The client asked.
    Asked,
    /// The box answered the attempt with an error.
    Refused,
    /// The origin answered it with an error.
    Declined,
    /// The origin agreed.
    Agreed,
    /// The handshake began: the ClientHello came.
    Upgraded,
}

/// What is known of a connection that may turn to TLS on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upgrade {
    /// `smtp`, `imap`, `pop3`, `xmpp`.
    pub protocol: String,
    /// Steps, each once, in order of first sight.
    pub stages: Vec<UpgradeStage>,
    /// Secrets that crossed the box in the clear: kinds and lengths, such as `password: 10 bytes`; never the secret.
    pub clear: Vec<String>,
}

impl UpgradeStage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Stripped => "stripped",
            Self::Mangled => "mangled",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Declined => "declined",
            Self::Agreed => "agreed",
            Self::Upgraded => "upgraded",
        }
    }
}

impl Upgrade {
    /// True if that step was seen.
    pub fn has(&self, stage: UpgradeStage) -> bool {
        self.stages.contains(&stage)
    }

    /// What the box did to the upgrade, if it did something.
    pub fn hindered(&self) -> Option<UpgradeStage> {
        let by_the_box = [UpgradeStage::Stripped, UpgradeStage::Mangled, UpgradeStage::Refused];
        by_the_box.into_iter().find(|stage| self.has(*stage))
    }
}
