//! What is wrong with a scenario, where, and what to do about it. All of it at once.
//!
//! A [`Diagnostic`] is data; [`Diagnostics`] carries the texts of the files too, so that it can be shown with the lines
//! in question (annotate-snippets, as rustc and cargo do) or as JSON for editors and CI.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

/// Everything that is wrong with a scenario and the files that it includes. Never empty.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    sources: Vec<Source>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// Of what kind it is: stable, for programs.
    pub kind: Kind,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, each a line of its own.
    pub hints: Vec<String>,
    #[serde(skip)]
    source: usize,
}

/// Kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file cannot be read.
    Unreadable,
    /// It is no TOML.
    Syntax,
    /// A key that the language does not have.
    UnknownKey,
    /// A value of the wrong kind or form.
    BadValue,
    /// Something that must be there is not.
    Missing,
    /// A name that nothing has: phase, list, profile, rule, host, verdict.
    UnknownName,
    /// A name that two things have.
    Duplicate,
    /// A date that cannot be, or periods that overlap.
    Dates,
    /// A rule that nothing in the world can match.
    CannotMatch,
    /// A rule behind one that matches everything that it does.
    Unreachable,
    /// Two things that cannot both hold.
    Contradiction,
    /// A phase, list, rule or authority that nothing uses.
    Unused,
}

/// A file that was read: its name for messages, and its text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Spot of something: which source, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) source: usize,
    pub(crate) span: Range<usize>,
}

/// Collects what is wrong while files are read and resolved.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    sources: Vec<Source>,
    found: Vec<Diagnostic>,
    torn: bool,
}

impl Diagnostics {
    /// The mistakes, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// As text for people, each mistake with its lines of the file. With `colour`, ANSI escapes; without, plain ASCII.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled().decor_style(DecorStyle::Unicode) } else { Renderer::plain() };
        let each = self.found.iter().map(|diagnostic| renderer.render(&self.report(diagnostic)));
        let mut text = each.collect::<Vec<_>>().join("\n\n");
        text.push('\n');
        text
    }

    /// As JSON, the form that [`Diagnostic`]'s schema describes.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "diagnostics": self.found })
    }

    fn report<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
        let mut group = Group::with_title(Level::ERROR.primary_title(diagnostic.message.as_str()));
        if let Some(source) = self.sources.get(diagnostic.source) {
            let place = AnnotationKind::Primary.span(diagnostic.span.clone());
            group = group.element(Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(place));
        }
        let hints = diagnostic.hints.iter().map(|hint| Level::HELP.with_name("hint").message(hint.as_str()));
        vec![group.elements(hints)]
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl Collector {
    /// Takes a file's text in and gives its number.
    pub(crate) fn source(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        self.sources.push(Source { name: name.into(), text: text.into() });
        self.sources.len() - 1
    }

    pub(crate) fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |s| s.text.as_str())
    }

    /// A file's name for messages.
    pub(crate) fn name(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |s| s.name.as_str())
    }

    /// The line on which a place begins, from 1.
    pub(crate) fn line(&self, place: &Spot) -> usize {
        position(self.text(place.source), place.span.start).0
    }

    /// `file:line`, for messages that point at a second place.
    pub(crate) fn name_of(&self, place: &Spot) -> String {
        format!("{}:{}", self.name(place.source), self.line(place))
    }

    /// Something had to be taken out of a file to read on: what it would have said is not known, so absences prove nothing.
    pub(crate) fn tear(&mut self) {
        self.torn = true;
    }

    /// Adds a mistake. Returns it for hints; one that may only be the consequence of another is not kept.
    pub(crate) fn report(&mut self, kind: Kind, place: &Spot, message: impl Into<String>) -> Hints<'_> {
        let text = self.sources.get(place.source).map_or("", |s| s.text.as_str());
        let span = clamp(text, &place.span);
        let (line, column) = position(text, span.start);
        let file = self.name(place.source).to_owned();
        let diagnostic =
            Diagnostic { kind, file, line, column, span, message: message.into(), hints: Vec::new(), source: place.source };
        let follows =
            self.torn && kind.is_an_absence() || self.found.len() >= MOST_DIAGNOSTICS || self.found.contains(&diagnostic);
        if follows {
            return Hints(None);
        }
        self.found.push(diagnostic);
        Hints(self.found.last_mut())
    }

    #[cfg(test)]
    fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// Ends the collection: the value if nothing is wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(self.into_diagnostics()),
        }
    }

    /// What is unused because a name was mistyped elsewhere is not told beside it.
    fn into_diagnostics(mut self) -> Diagnostics {
        if self.found.iter().any(|d| d.kind != Kind::Unused && (d.kind.is_an_absence() || d.kind == Kind::Unreadable)) {
            self.found.retain(|d| d.kind != Kind::Unused);
        }
        self.found.sort_by_key(|d| (d.source, d.span.start));
        Diagnostics { found: self.found, sources: self.sources }
    }
}

/// A mistake that was just reported, to which hints can be added.
pub(crate) struct Hints<'a>(Option<&'a mut Diagnostic>);

impl Hints<'_> {
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe(Some(hint.into()))
    }

    pub(crate) fn maybe(mut self, hint: Option<String>) -> Self {
        if let (Some(diagnostic), Some(hint)) = (self.0.as_mut(), hint) {
            diagnostic.hints.push(hint);
        }
        self
    }
}

impl Kind {
    /// True if it says that something is not there, which a mistake elsewhere may explain.
    fn is_an_absence(self) -> bool {
        matches!(self, Self::Missing | Self::UnknownName | Self::Unused | Self::CannotMatch)
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    position(text, byte).0
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A range that lies in the text and on character boundaries, whatever was asked for.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// A file with more mistakes than this is told the first ones only.
const MOST_DIAGNOSTICS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_told_in_lines_and_characters() {
        assert_eq!(position("a\nбв", 4), (2, 2));
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(clamp("бв", &(1..9)), 0..4);
    }

    #[test]
    fn an_absence_after_a_tear_is_not_told() {
        let mut collector = Collector::default();
        let source = collector.source("a.toml", "x = 1\n");
        collector.tear();
        let spot = Spot { source, span: 0..1 };
        collector.report(Kind::Missing, &spot, "no title").hint("give one");
        assert!(collector.is_clean());
        collector.report(Kind::Duplicate, &spot, "twice");
        assert_eq!(collector.finish(Some(())).unwrap_err().count(), 1);
    }
}
