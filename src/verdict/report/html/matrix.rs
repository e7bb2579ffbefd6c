//! The picture of the whole: a cell for each card, a row (or more) for each group. Each cell leads to its card.

use std::fmt::Write as _;

use super::{Card, Page, anchor, escaped, short};

/// Draws it.
pub(super) fn matrix(page: &Page<'_>) -> String {
    let mut body = String::new();
    let mut y = 0;
    for (heading, cards) in page.groups.iter().filter(|(_, cards)| !cards.is_empty()) {
        let _ = writeln!(body, "<text class=\"dim\" x=\"0\" y=\"{}\">{}</text>", y + 14, escaped(heading));
        y += HEADING;
        for row in cards.chunks(ACROSS) {
            for (at, card) in row.iter().enumerate() {
                body += &cell(card, at * (WIDTH + GAP), y);
            }
            y += HEIGHT + GAP;
        }
        y += GAP;
    }
    if y == 0 {
        return String::new();
    }
    format!(
        "<figure>\n<svg viewBox=\"0 0 {} {y}\" role=\"img\" aria-label=\"All cases and their results\">\n{body}</svg>\n</figure>\n",
        ACROSS * (WIDTH + GAP) - GAP
    )
}

fn cell(card: &Card<'_>, x: usize, y: usize) -> String {
    let (name, sign) = (escaped(&short(&card.name, LETTERS)), card.tone.sign());
    let title = escaped(&format!("{}: {}", card.name, card.word));
    format!(
        "<a href=\"#{}\" class=\"cell {}\"><title>{title}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\"/>\
         <text x=\"{}\" y=\"{}\">{sign} {name}</text></a>\n",
        anchor(&card.name),
        card.tone.class(),
        x + 8,
        y + 18,
    )
}

/// Cells beside each other.
const ACROSS: usize = 6;
const WIDTH: usize = 164;
const HEIGHT: usize = 27;
const GAP: usize = 6;
const HEADING: usize = 21;
/// Letters that fit in a cell.
const LETTERS: usize = 22;
