//! What a workshop is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lesson::Lessons;
use crate::scenario::Plan;

/// What a workshop is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This program, which is started again for each lab.
    pub program: PathBuf,
    /// The lesson that everybody is pointed to.
    pub lesson: Option<String>,
    /// Every lesson.
    pub lessons: Lessons,
    /// The scenario of a lab that is started without saying one: a name or a file.
    pub scenario: String,
    /// The same, read.
    pub plan: Arc<Plan>,
    /// The phase in which such a lab begins.
    pub phase: Option<String>,
    /// Participants, and so labs, at most.
    pub most: usize,
    /// Labs that are up before anybody asks; with none, each is started when its participant wants it.
    pub spares: usize,
    /// How bytes reach the box in every lab.
    pub network: Network,
    /// A lab that nobody has asked anything for so long is ended.
    pub idle: Duration,
    /// The console's files on disk, in place of those in the program: for who works on them.
    pub console: Option<PathBuf>,
}

/// How bytes reach the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The sealed network where it works, else the proxy.
    #[default]
    Auto,
    /// Namespaces.
    Sealed,
    /// An explicit proxy on loopback.
    Proxy,
}

impl Network {
    /// The word of `--network`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sealed => "sealed",
            Self::Proxy => "proxy",
        }
    }

    /// The words of `--network` to try, one after the other.
    pub(super) fn tries(self) -> &'static [&'static str] {
        match self {
            Self::Auto => &["sealed", "proxy"],
            Self::Sealed => &["sealed"],
            Self::Proxy => &["proxy"],
        }
    }
}
