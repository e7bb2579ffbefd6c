//! The picture of a check in time: a line for each connection of the control leg and of the test leg, from its opening over the
//! handshake to its end, with what the client did there.

use std::fmt::Write as _;

use super::{escaped, short};
use crate::record::{Connection, LegKind};
use crate::scenario::VerdictKind;
use crate::verdict::{CheckResult, LegTruth, Reaction, reaction};

/// Draws it. Empty if the check was not run.
pub(super) fn timeline(check: &CheckResult) -> String {
    let legs: Vec<&LegTruth> = [&check.control, &check.test].into_iter().flatten().collect();
    let lines: Vec<Line<'_>> = legs.iter().flat_map(|leg| lines(leg)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let longest = lines.iter().map(Line::end_us).max().unwrap_or(1).max(1);
    let leaks = check.targets.iter().any(|target| target.verdict == VerdictKind::Exposed);
    let (mut body, mut y) = (String::new(), 0);
    for line in &lines {
        body += &line.draw(y, longest, leaks);
        y += ROW;
    }
    let axis = format!(
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\n<text class=\"dim\" x=\"{LEFT}\" y=\"{}\">0</text>\n\
         <text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} ms</text>\n",
        LEFT + BAR,
        y + 16,
        LEFT + BAR,
        y + 16,
        longest.div_ceil(1000)
    );
    let left_out: usize = legs.iter().map(|leg| leg.connections.len().saturating_sub(MOST)).sum();
    let more = if left_out > 0 { format!(" ({left_out} more connections are not drawn)") } else { String::new() };
    format!(
        "<figure>\n<figcaption>Connections in time, from the first of each leg: set up, shaking hands, then what the client did{more}</figcaption>\n\
         <svg viewBox=\"0 0 {WHOLE} {}\" role=\"img\" aria-label=\"Connections in time\">\n{body}{axis}</svg>\n</figure>\n",
        y + 20
    )
}

/// A connection of a leg.
struct Line<'a> {
    kind: LegKind,
    connection: &'a Connection,
    since_us: u64,
}

fn lines(leg: &LegTruth) -> Vec<Line<'_>> {
    let since_us = leg.connections.iter().map(|c| c.t_us).min().unwrap_or_default();
    let drawn = leg.connections.iter().filter(|c| c.destination.port() != 53).take(MOST);
    drawn.map(|connection| Line { kind: leg.kind, connection, since_us }).collect()
}

impl Line<'_> {
    fn end_us(&self) -> u64 {
        let end = self.connection.closed_us.unwrap_or(self.connection.t_us).saturating_sub(self.since_us);
        end.max(self.shaken_us().unwrap_or_default())
    }

    /// When the handshake was complete.
    fn shaken_us(&self) -> Option<u64> {
        let shake = self.connection.client_half.handshake.as_ref()?;
        Some((self.connection.t_us + shake.us).saturating_sub(self.since_us))
    }

    fn draw(&self, y: usize, longest: u64, leaks: bool) -> String {
        let at = |us: u64| LEFT as f64 + us as f64 / longest as f64 * BAR as f64;
        let (from, to) = (self.connection.t_us.saturating_sub(self.since_us), self.end_us());
        let shaken = self.shaken_us().unwrap_or(to);
        let (class, did) = did(&reaction(self.connection));
        let class = if leaks && self.kind == LegKind::Test && class == "noted" { "bad" } else { class };
        let leg = if self.kind == LegKind::Control { "control" } else { "test" };
        let label = format!("{leg} {} {}", self.connection.id, short(&self.connection.host(), 24));
        let mut out = format!("<g class=\"{class}\"><text x=\"0\" y=\"{}\">{}</text>\n", y + 15, escaped(&label));
        let mut bar = |part: &str, from: u64, to: u64| {
            let width = (at(to) - at(from)).max(2.0);
            let _ = writeln!(
                out,
                "<rect class=\"{part}\" x=\"{:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>",
                at(from),
                y + 5
            );
        };
        bar(if self.connection.client_half.handshake.is_some() { "shake" } else { "setup" }, from, shaken);
        if to > shaken {
            bar("talk", shaken, to);
        }
        let _ = writeln!(out, "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text></g>", LEFT + BAR + 10, y + 15, escaped(&did));
        out
    }
}

/// The tone of what a client did, and its words.
fn did(reaction: &Reaction) -> (&'static str, String) {
    match reaction {
        Reaction::SentData { bytes } => ("noted", format!("sent {bytes} bytes")),
        Reaction::Alert { number, .. } => ("good", format!("alert {number} {}", crate::record::alert_name(*number))),
        Reaction::HungUp => ("good", "hung up without a byte".to_owned()),
        Reaction::ClosedSilently => ("open", "closed without a word".to_owned()),
        Reaction::Silent => ("quiet", "sent nothing".to_owned()),
        Reaction::Hindered => ("open", "was hindered".to_owned()),
        Reaction::Unclear => ("open", "cannot be told".to_owned()),
    }
}

/// Connections of a leg that are drawn.
const MOST: usize = 6;
const ROW: usize = 23;
const LEFT: usize = 290;
const BAR: usize = 430;
const WHOLE: usize = 1014;
