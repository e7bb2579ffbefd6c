//! Which program is run, what it may trust, how it is started, watched and ended.
//!
//! This room knows programs, not networks: it makes plain data (an environment, files, overlays, arguments) from a
//! [`TrustStore`] and a [`Preset`], starts a child or watches one that somebody else started, and says how it ended.
//! No file of the host is written and no variable of the lab's own process is changed: trust is given to one child.

pub mod environment;
pub mod fill;
pub mod overlays;
pub mod presets;
pub mod program;
pub mod run;
pub mod trust;

pub use environment::{Kind, Surroundings, Variable};
pub use fill::{DETECTOR_FILES, FillError, Vars, fill};
pub use overlays::{Ground, NameService, Overlay};
pub use presets::{Preset, ProxyUse, Store, preset_for, program_at};
pub use program::{NotFound, find};
pub use run::{ChildHandle, Feed, LastWords, Outcome, Pipes, PlainChild, watch};
pub use trust::{TrustStore, spki_pin};
