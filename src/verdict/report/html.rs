//! A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere, light or dark as the reader's
//! system is. The page says in its policy that nothing may be loaded.
//!
//! A [`Page`] is made of groups of [`Card`]s; what stands in it is said by the files of `run` and `verify`.

use std::fmt::Write as _;

use crate::verdict::CheckResult;

mod chains;
mod matrix;
mod run;
mod timeline;
mod verify;

pub use run::run;
pub use verify::verify;

/// A page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// What was put to the test.
    pub title: String,
    /// The conclusion, and how it is to be taken.
    pub conclusion: (Tone, String),
    /// What was counted, and how it was run.
    pub summary: Vec<String>,
    /// Groups of cards: heading and cards.
    pub groups: Vec<(String, Vec<Card<'a>>)>,
    /// Lists at the end: heading and lines.
    pub notes: Vec<(String, Vec<String>)>,
}

/// One case or check.
#[derive(Clone, Debug)]
pub struct Card<'a> {
    /// Its name.
    pub name: String,
    /// How its result is to be taken.
    pub tone: Tone,
    /// The result in a word.
    pub word: String,
    /// What it is about.
    pub about: String,
    /// Facts: key and value.
    pub facts: Vec<(&'static str, String)>,
    /// The evidence.
    pub checks: Vec<&'a CheckResult>,
}

/// How a result is to be taken. Each has a sign, so that nothing is told by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it must be.
    Good,
    /// Not as it must be.
    Bad,
    /// Nobody knows.
    Open,
    /// Either way is right.
    Noted,
    /// Not run.
    Quiet,
}

impl Tone {
    /// The name of its class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
            Self::Noted => "noted",
            Self::Quiet => "quiet",
        }
    }

    /// Its sign.
    fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Open => "?",
            Self::Noted => "·",
            Self::Quiet => "–",
        }
    }
}

/// Writes the page.
pub fn page(page: &Page<'_>) -> String {
    let title = escaped(&page.title);
    let (tone, conclusion) = &page.conclusion;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p class=\"conclusion {}\">{} {}</p>\n",
        tone.class(),
        tone.sign(),
        escaped(conclusion)
    );
    for line in &page.summary {
        let _ = writeln!(out, "<p>{}</p>", escaped(line));
    }
    out += "</header>\n<main>\n";
    out += &matrix::matrix(page);
    for (heading, cards) in &page.groups {
        let _ = writeln!(out, "<h2>{}</h2>", escaped(heading));
        out += &cards.iter().map(card).collect::<String>();
    }
    for (heading, lines) in page.notes.iter().filter(|(_, lines)| !lines.is_empty()) {
        let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
        let _ = write!(out, "<h2>{}</h2>\n<ul>\n{items}</ul>\n", escaped(heading));
    }
    out + "</main>\n</body>\n</html>\n"
}

fn card(card: &Card<'_>) -> String {
    let open = if matches!(card.tone, Tone::Bad | Tone::Open) { " open" } else { "" };
    let facts: String = card
        .facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(key), escaped(value)))
        .collect();
    let evidence: String = card.checks.iter().map(|check| timeline::timeline(check) + &chains::side_by_side(check)).collect();
    format!(
        "<details id=\"{}\" class=\"{}\"{open}>\n<summary><span class=\"sign\">{}</span> <b>{}</b> <span class=\"word\">{}</span></summary>\n\
         <p>{}</p>\n<dl>\n{facts}</dl>\n{evidence}</details>\n",
        anchor(&card.name),
        card.tone.class(),
        card.tone.sign(),
        escaped(&card.name),
        escaped(&card.word),
        escaped(&card.about),
    )
}

/// The place of a card in the page.
fn anchor(name: &str) -> String {
    let safe = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' });
    std::iter::once('c').chain(std::iter::once('-')).chain(safe).collect()
}

/// What a client says must not become markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// So many characters at most, for places that have no room for more.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

const STYLE: &str = include_str!("html/style.css");

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::verify::sample as verify_sample;
    use super::*;

    #[test]
    fn the_page_is_whole_and_loads_nothing() {
        for text in [run(&sample::run()), verify(&verify_sample::report())] {
            assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"));
            for banned in ["<script", "http://", "src=", "@import", "url(", "<link", "onclick"] {
                assert!(!text.contains(banned), "{banned}");
            }
            for tag in ["details", "svg", "table", "dl", "ul", "main", "a"] {
                let (opened, closed) = (text.matches(&format!("<{tag}")).count(), text.matches(&format!("</{tag}>")).count());
                assert!(
                    opened >= closed && closed > 0 || tag == "table" || tag == "ul",
                    "{tag}: {opened} opened, {closed} closed"
                );
            }
        }
    }

    #[test]
    fn what_a_client_says_is_no_markup() {
        assert_eq!(escaped("<b onclick='x'>&\u{7}"), "&lt;b onclick=&#39;x&#39;&gt;&amp;\u{fffd}");
        assert_eq!(anchor("a b/<c>"), "c-a_b__c_");
    }

    #[test]
    fn every_place_that_is_pointed_at_is_there() {
        let text = verify(&verify_sample::report());
        let targets = text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let missing: Vec<&str> = targets.filter(|target| !text.contains(&format!("id=\"{target}\""))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
