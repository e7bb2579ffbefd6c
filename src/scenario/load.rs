//! From a name, a path or a text to a [`Plan`].

use std::path::PathBuf;

use super::diagnostic::{Collector, Diagnostics, Kind, Spot};
use super::library::{self, Home};
use super::plan::Plan;
use super::resolve::{self, Origin};
use super::written::Scenario;
use super::{read, suggest};

/// Loads a scenario: a file on disk, else one that comes with mitmlab. `profiles` are the known names of `certs/`.
///
/// # Errors
/// Everything that is wrong with the file and with those that it includes.
pub fn load(name_or_path: &str, profiles: &[&str]) -> Result<Plan, Diagnostics> {
    load_both(name_or_path, profiles).map(|loaded| loaded.plan)
}

/// Loads a scenario from its text. It may name the lists and parts of the world that come with mitmlab; no file is read.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_text(name: &str, text: &str, profiles: &[&str]) -> Result<Plan, Diagnostics> {
    let mut collector = Collector::default();
    let source = collector.source(name, text);
    finish(collector, source, name, &Home::BuiltIn, profiles).map(|loaded| loaded.plan)
}

/// A scenario as written and as resolved, with the text that both came from.
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    pub(crate) plan: Plan,
    pub(crate) text: String,
    pub(crate) file: String,
}

pub(crate) fn load_both(name_or_path: &str, profiles: &[&str]) -> Result<Loaded, Diagnostics> {
    let mut collector = Collector::default();
    match library::scenario(name_or_path) {
        Ok((found, home)) => {
            let source = collector.source(found.name, found.text);
            finish(collector, source, name_or_path, &home, profiles)
        }
        Err(told) => {
            let source = collector.source(name_or_path, "");
            let names = library::scenario_names();
            collector
                .report(Kind::Unreadable, &Spot { source, span: 0..0 }, told)
                .maybe(suggest::hint(name_or_path, names))
                .hint("`mitmlab scenario list` lists those that come with mitmlab");
            collector.finish(None)
        }
    }
}

fn finish(mut collector: Collector, source: usize, name: &str, home: &Home, profiles: &[&str]) -> Result<Loaded, Diagnostics> {
    let scenario: Scenario = read::read(&mut collector, source);
    let file = PathBuf::from(name);
    let short = file.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let text = collector.text(source).to_owned();
    let (origin, shown) = (Origin { name: short, source, home, profiles }, collector.name(source).to_owned());
    let plan = resolve::resolve(&mut collector, &origin, &scenario);
    collector.finish(Some(Loaded { scenario, plan, text, file: shown }))
}
