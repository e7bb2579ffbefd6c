//! Words of an IMAP command (RFC 3501 section 9): atoms, quoted strings, literals, lists; sequence sets.

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An atom, or something like it: flags, `BODY[...]<...>`, sequence sets.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A parenthesised list.
    List(Vec<Word>),
}

/// A part of a command: the text of a line, or the literal behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    Literal(Vec<u8>),
}

impl Word {
    /// Its bytes, unless it is a list.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(atom) => Some(atom.as_bytes()),
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }

    /// Its text in capitals; empty if it is a list.
    pub(super) fn upper(&self) -> String {
        self.bytes().map(|b| String::from_utf8_lossy(b).to_ascii_uppercase()).unwrap_or_default()
    }
}

/// A literal that is announced at the end of a line: its length, and whether the client waits to be asked (RFC 7888).
pub(super) fn announced(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    let number = std::str::from_utf8(&inner[open + 1..]).ok()?;
    let (number, waits) = number.strip_suffix('+').map_or((number, true), |number| (number, false));
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| (number.parse().unwrap_or(usize::MAX), waits))
}

/// Takes a command apart. None: no command (an open quote or list, too deep a list).
pub(super) fn words(parts: &[Part]) -> Option<Vec<Word>> {
    let mut open: Vec<Vec<Word>> = vec![Vec::new()];
    for part in parts {
        match part {
            Part::Literal(bytes) => open.last_mut()?.push(Word::Text(bytes.clone())),
            Part::Text(text) => words_of(without_announcement(text), &mut open)?,
        }
    }
    if open.len() == 1 { open.pop() } else { None }
}

fn without_announcement(text: &[u8]) -> &[u8] {
    match announced(text) {
        Some(_) => &text[..text.iter().rposition(|&byte| byte == b'{').unwrap_or(text.len())],
        None => text,
    }
}

fn words_of(mut text: &[u8], open: &mut Vec<Vec<Word>>) -> Option<()> {
    while let Some((&first, rest)) = text.split_first() {
        text = match first {
            b' ' => rest,
            b'(' if open.len() < DEEPEST => {
                open.push(Vec::new());
                rest
            }
            b'(' => return None,
            b')' => {
                let list = open.pop()?;
                open.last_mut()?.push(Word::List(list));
                rest
            }
            b'"' => {
                let (string, after) = quoted(rest)?;
                open.last_mut()?.push(Word::Text(string));
                after
            }
            _ => {
                let (atom, after) = atom(text);
                open.last_mut()?.push(Word::Atom(atom));
                after
            }
        };
    }
    Some(())
}

fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut string = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((string, &text[at + 1..])),
            b'\\' => {
                string.push(*text.get(at + 1)?);
                at += 2;
            }
            byte => {
                string.push(*byte);
                at += 1;
            }
        }
    }
}

/// Up to a space or a parenthesis; what stands in brackets belongs to it.
fn atom(text: &[u8]) -> (String, &[u8]) {
    let mut depth = 0_usize;
    let end = text.iter().position(|&byte| {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(byte, b' ' | b'(' | b')')
    });
    let (atom, rest) = text.split_at(end.unwrap_or(text.len()));
    (String::from_utf8_lossy(atom).into_owned(), rest)
}

/// A sequence set: true if the number is in it. `*` is `last`. None if it is no sequence set.
pub(super) fn in_set(set: &str, number: u32, last: u32) -> Option<bool> {
    let mut inside = false;
    for range in set.split(',') {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        let value = |text: &str| if text == "*" { Some(last) } else { text.parse::<u32>().ok().filter(|n| *n > 0) };
        let (from, to) = (value(from)?, value(to)?);
        inside |= (from.min(to)..=from.max(to)).contains(&number);
    }
    Some(inside)
}

/// Lists in lists.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<Vec<Word>> {
        words(&[Part::Text(text.as_bytes().to_vec())])
    }

    #[test]
    fn words_of_every_kind() {
        let atom = |text: &str| Word::Atom(text.to_owned());
        assert_eq!(
            line("a1 FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (From To)]<0.9>)").unwrap(),
            [
                atom("a1"),
                atom("FETCH"),
                atom("1:*"),
                Word::List(vec![atom("FLAGS"), atom("BODY.PEEK[HEADER.FIELDS (From To)]<0.9>")])
            ]
        );
        assert_eq!(line(r#"a "b \" c""#).unwrap()[1], Word::Text(b"b \" c".to_vec()));
        let parts = [Part::Text(b"a LOGIN {5}".to_vec()), Part::Literal(b"al\"ce".to_vec()), Part::Text(b" pw".to_vec())];
        assert_eq!(words(&parts).unwrap()[2..], [Word::Text(b"al\"ce".to_vec()), atom("pw")]);
        for wrong in ["a (b", "a b)", "a \"b", &"(".repeat(99)] {
            assert_eq!(line(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn literals_are_announced() {
        assert_eq!(announced(b"a APPEND INBOX {310}"), Some((310, true)));
        assert_eq!(announced(b"a LOGIN {5+}"), Some((5, false)));
        assert_eq!(announced(b"a {99999999999999999999999}"), Some((usize::MAX, true)));
        assert_eq!((announced(b"a {x}"), announced(b"a {}"), announced(b"a }")), (None, None, None));
    }

    #[test]
    fn sequence_sets() {
        assert_eq!(in_set("1,3:5", 4, 9), Some(true));
        assert_eq!(in_set("7:*", 9, 9), Some(true));
        assert_eq!(in_set("*:12", 9, 9), Some(true), "RFC 3501: the order does not matter");
        assert_eq!(in_set("2", 3, 9), Some(false));
        assert_eq!((in_set("", 1, 1), in_set("0", 1, 1), in_set("a", 1, 1)), (None, None, None));
    }
}
