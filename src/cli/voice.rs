//! How a detector on the command line speaks: `--says`, and `--word` for its words.

use clap::Args;

use crate::error::Error;
use crate::scenario::detector::{From, Says, Voice};

/// How a detector speaks.
#[derive(Clone, Debug, Default, Args)]
pub struct VoiceArgs {
    /// How the detector speaks: `word` (its last line), `exit:0=clean,1=state-box`, `json:/finding`, `line:REGEX` (first group), `junit:CASE`; in the file that stands for `{out}`, if there is one among its words
    #[arg(long, value_name = "WAY", value_parser = Voice::parse, requires = "client")]
    pub says: Option<Voice>,
    /// What one of the detector's words means: `HIGH=state-box`. Repeatable; any other word is an error then
    #[arg(long = "word", value_name = "THEIRS=OURS", value_parser = pair, requires = "says")]
    pub words: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.rsplit_once('=').filter(|(theirs, ours)| !theirs.is_empty() && !ours.is_empty());
    parts.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())).ok_or_else(|| format!("`{text}` is no `THEIRS=OURS`"))
}

impl VoiceArgs {
    /// The voice, if one was asked for.
    pub(super) fn voice(&self, argv: &[String]) -> Option<Voice> {
        let says = self.says.clone()?.says;
        Some(Voice { says, words: self.words.clone(), ..Self::plain(argv) })
    }

    /// The voice of a detector of which nothing was said: one word.
    pub(super) fn plain(argv: &[String]) -> Voice {
        let from = if argv.iter().any(|word| word.contains("{out}")) { From::File } else { From::Stdout };
        Voice { from, ..Voice::of(Says::Word) }
    }
}

/// So many seeds.
pub(super) fn seeds(many: u64) -> Result<std::ops::Range<u64>, Error> {
    if many == 0 || many > MOST_SEEDS {
        return Err(Error::Usage(format!("`--seeds {many}`: 1 to {MOST_SEEDS}")));
    }
    Ok(0..many)
}

/// A bound against slips of the finger.
const MOST_SEEDS: u64 = 10_000;
