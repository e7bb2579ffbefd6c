//! The report for people: a table of checks, then what failed and why, then what else must be known.
//! Readable without colour, at any width; nothing is told by colour or sign alone.

use anstyle::{AnsiColor, Style};

use super::{client, counts_line, how, plural, remarks, result, said, trust};
use crate::verdict::explain::explain;
use crate::verdict::{CheckResult, Outcome, RunReport, TargetVerdict};

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// ANSI colours.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// Writes the report.
pub fn text(report: &RunReport, look: Look) -> String {
    let look = Look { width: look.width.clamp(NARROWEST, WIDEST), ..look };
    let mut out = heading(report, look);
    out += &if look.width < TABLE_FROM { list(report, look) } else { table(report, look) };
    for check in report.checks.iter().flat_map(CheckResult::with_twin) {
        if let Some(paragraph) = explain(check) {
            let heading = painted(&format!("✗ {}", check.name), look, FAILED);
            out += &format!("\n{heading}{}", wrapped(&paragraph, look, "  ", "  "));
        }
    }
    out += &section("faults", &report.faults, look);
    out += &section("skipped", &skipped(report), look);
    out += &section("remarks", &remarks(report), look);
    let held = |(statement, held): &(String, bool)| format!("{}: {statement}", if *held { "held" } else { "BROKEN" });
    out += &section("containment", &report.containment.iter().map(held).collect::<Vec<_>>(), look);
    let style = if super::Counts::of(report).failed > 0 { FAILED } else { Style::new().bold() };
    out + "\n" + &painted(&counts_line(report), look, style)
}

fn heading(report: &RunReport, look: Look) -> String {
    let title = wrapped(&format!("{}: {}", report.scenario, report.title), look, "", "  ");
    let network = format!("mitmlab {}, {} network: {}", report.version, report.network, report.network_reason);
    format!("{title}{}\n", wrapped(&network, look, "", "  "))
}

/// One row: the cells of [`COLUMNS`].
type Row = [String; 6];

fn rows(report: &RunReport) -> Vec<Row> {
    let mut all = vec![COLUMNS.map(str::to_owned)];
    let mut phase = None;
    for check in &report.checks {
        if phase.replace(check.phase.as_str()) != Some(check.phase.as_str()) {
            all.push(bare(format!("phase {}", check.phase)));
        }
        all.extend(rows_of(check, "  "));
        all.extend(check.twin.as_deref().into_iter().flat_map(|twin| twin_rows(check, twin)));
    }
    all
}

/// A twin's rows. Its name repeats the check's, which stands above it.
fn twin_rows(check: &CheckResult, twin: &CheckResult) -> Vec<Row> {
    let short = twin.name.strip_prefix(&check.name).and_then(|rest| rest.strip_prefix(", twin "));
    let twin = CheckResult { name: short.unwrap_or(&twin.name).to_owned(), ..twin.clone() };
    rows_of(&twin, "    twin ")
}

/// One row for a check, and one for each target if it has several.
fn rows_of(check: &CheckResult, indent: &str) -> Vec<Row> {
    let name = format!("{indent}{}", check.name);
    let row = |name: String, verdict: &str, how: String| {
        [name, client(check), trust(check).to_owned(), verdict.to_owned(), how, result(check).to_owned()]
    };
    match (check.targets.as_slice(), &check.outcome) {
        ([], Outcome::Skipped(reason) | Outcome::OutOfReach(reason)) => vec![row(name, "-", reason.clone())],
        ([], _) => vec![row(name, "-", said(check).unwrap_or_default())],
        ([one], _) => vec![row(name, one.verdict.as_str(), how(check, one))],
        (many, _) => {
            let further = |t: &TargetVerdict| {
                let host = format!("{}  {}", &indent[..indent.len() - indent.trim_start().len()], t.host);
                [host, String::new(), String::new(), t.verdict.as_str().to_owned(), t.signal.clone(), String::new()]
            };
            let first = row(name, &plural(many.len(), "target"), said(check).unwrap_or_default());
            std::iter::once(first).chain(many.iter().map(further)).collect()
        }
    }
}

fn bare(name: String) -> Row {
    let mut row = Row::default();
    row[0] = name;
    row
}

fn table(report: &RunReport, look: Look) -> String {
    let rows = rows(report);
    let widths = widths(&rows, look.width);
    let mut out = String::new();
    for (n, row) in rows.iter().enumerate() {
        let style = match (n, row[5].starts_with('✗')) {
            (0, _) => Style::new().bold(),
            _ if row[3].is_empty() => Style::new().bold(),
            (_, true) => FAILED,
            _ => Style::new(),
        };
        out += &lines_of(row, &widths).into_iter().map(|line| paint(look, style, &line) + "\n").collect::<String>();
    }
    out
}

/// Widths of the columns: what the cells need; the name and the signal give way, and wrap, if the terminal is narrow.
fn widths(rows: &[Row], total: usize) -> [usize; 6] {
    let mut widths: [usize; 6] = std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    widths[1] = widths[1].min(CLIENT_AT_MOST);
    let fixed = widths[1] + widths[2] + widths[3] + widths[5] + GAP.len() * 5;
    let room = total.saturating_sub(fixed).max(2 * FLEXIBLE_AT_LEAST);
    if widths[0] + widths[4] > room {
        let fair = (room * 3 / 5).max(FLEXIBLE_AT_LEAST);
        widths[0] = widths[0].min(fair.max(room.saturating_sub(widths[4])));
        widths[4] = room - widths[0];
    }
    widths
}

fn lines_of(row: &Row, widths: &[usize; 6]) -> Vec<String> {
    let indent = row[0].chars().take_while(|c| *c == ' ').count();
    let hanging = " ".repeat(if indent > 0 { indent + 2 } else { 2 });
    let cells: [Vec<String>; 6] = std::array::from_fn(|at| fold(&row[at], widths[at], if at == 0 { &hanging } else { "" }));
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    let cell = |at: usize, line: usize| pad(cells[at].get(line).map(String::as_str).unwrap_or_default(), widths[at]);
    (0..height).map(|line| (0..6).map(|at| cell(at, line)).collect::<Vec<_>>().join(GAP).trim_end().to_owned()).collect()
}

/// For terminals too narrow for a table: two lines and more for each row.
fn list(report: &RunReport, look: Look) -> String {
    let mut out = String::new();
    for [name, client, trust, verdict, how, result] in rows(report).into_iter().skip(1) {
        let indent = " ".repeat(name.chars().take_while(|c| *c == ' ').count());
        let first = format!("{result}{}{}", if result.is_empty() { "" } else { "  " }, name.trim_start());
        let detail = match (client.as_str(), how.as_str()) {
            ("", "") | ("-", "") => verdict,
            ("", _) => format!("{verdict} ({how})"),
            ("-", _) => how,
            (_, "") => format!("{client}, trust {trust}: {verdict}"),
            _ => format!("{client}, trust {trust}: {verdict} ({how})"),
        };
        out += &wrapped(&first, look, &indent, &format!("{indent}    "));
        if !detail.is_empty() {
            out += &wrapped(&detail, look, &format!("{indent}    "), &format!("{indent}    "));
        }
    }
    out
}

fn skipped(report: &RunReport) -> Vec<String> {
    let all = report.checks.iter().flat_map(CheckResult::with_twin);
    all.filter_map(|c| match &c.outcome {
        Outcome::Skipped(reason) | Outcome::OutOfReach(reason) => Some(format!("{}: {reason}", c.name)),
        _ => None,
    })
    .collect()
}

fn section(title: &str, items: &[String], look: Look) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| wrapped(item, look, "  - ", "    ")).collect();
    format!("\n{}\n{items}", paint(look, Style::new().bold(), title))
}

/// Folds a text to the look's width, with an indent for the first line and one for the rest; ends with a newline.
pub(super) fn wrapped(text: &str, look: Look, first: &str, rest: &str) -> String {
    let lines = fold(&format!("{first}{text}"), look.width, rest);
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Folds a text, and paints each line.
pub(super) fn painted(text: &str, look: Look, style: Style) -> String {
    wrapped(text, look, "", "  ").lines().map(|line| paint(look, style, line) + "\n").collect()
}

/// Breaks a text at spaces into lines of at most `width` characters; words that are longer are cut.
/// Leading spaces of the text stay; every further line begins with `hanging`.
pub(super) fn fold(text: &str, width: usize, hanging: &str) -> Vec<String> {
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    let (mut lines, mut line, mut empty) = (Vec::new(), lead, true);
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !empty && line.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::replace(&mut line, hanging.to_owned()));
            empty = true;
        }
        while line.chars().count() + usize::from(!empty) + word.len() > width {
            let room = width.saturating_sub(line.chars().count()).max(1);
            let rest = word.split_off(room.min(word.len()));
            line.extend(word);
            word = rest;
            lines.push(std::mem::replace(&mut line, hanging.chars().take(width / 2).collect()));
        }
        if !empty {
            line.push(' ');
        }
        empty = false;
        line.extend(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

pub(super) fn paint(look: Look, style: Style, text: &str) -> String {
    if look.colour && style != Style::new() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

const COLUMNS: [&str; 6] = ["check", "client", "trust", "verdict", "how shown", "result"];
pub(super) const FAILED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))).bold();
const GAP: &str = "  ";
/// Columns from which a table is readable.
const TABLE_FROM: usize = 84;
const NARROWEST: usize = 24;
const WIDEST: usize = 200;
const CLIENT_AT_MOST: usize = 18;
const FLEXIBLE_AT_LEAST: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_table() {
        insta::assert_snapshot!(text(&sample::run(), Look { width: 120, colour: false }));
    }

    #[test]
    fn a_narrow_terminal() {
        insta::assert_snapshot!(text(&sample::run(), Look { width: 60, colour: false }));
    }

    #[test]
    fn no_line_is_too_long_and_no_width_panics() {
        for width in [0, 1, 24, 40, 60, 83, 84, 85, 100, 300] {
            let text = text(&sample::run(), Look { width, colour: false });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest <= width.clamp(NARROWEST, WIDEST), "{longest} at {width}\n{text}");
        }
    }

    #[test]
    fn colour_adds_nothing_to_the_words() {
        let run = sample::run();
        let coloured = text(&run, Look { width: 100, colour: true });
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&run, Look::default()));
    }
}
