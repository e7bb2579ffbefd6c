//! Messages in chunks: BDAT (RFC 3030 section 2, CHUNKING). BINARYMIME is not announced, so lines end with CR LF here too.

use super::super::Content;
use super::super::accounts::MOST_BYTES;

/// A message that comes in chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    message: Vec<u8>,
    size: usize,
    begun: bool,
    coming: Option<Coming>,
}

/// The chunk that is coming.
#[derive(Clone, Copy, Debug)]
struct Coming {
    last: bool,
    /// It was refused: its octets come all the same, and are thrown away.
    refused: Option<&'static str>,
}

/// What came of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// It was refused when it was announced.
    Refused(&'static str),
    /// More will come.
    Taken(usize),
    /// The message is whole, or too large, or has bare line ends.
    Message(Content),
}

impl Chunks {
    /// The octets of a chunk's command, `length [LAST]`.
    pub(super) fn command(argument: &str) -> Option<(usize, bool)> {
        let (length, last) = argument.split_once(' ').map_or((argument, ""), |(length, last)| (length, last.trim()));
        let well = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let last = if last.is_empty() { false } else { last.eq_ignore_ascii_case("LAST").then_some(true)? };
        well.then(|| length.parse().ok()).flatten().map(|length| (length, last))
    }

    /// A chunk will come.
    pub(super) fn announce(&mut self, last: bool, refused: Option<&'static str>) {
        self.coming = Some(Coming { last, refused });
    }

    /// Some chunk of a message was taken, and the last one was not.
    pub(super) fn is_under_way(&self) -> bool {
        self.begun
    }

    /// A chunk is what the content is, if it is one.
    pub(super) fn take(&mut self, content: Content) -> Result<Chunk, Content> {
        let Some(coming) = self.coming.take() else { return Err(content) };
        if let Some(refusal) = coming.refused {
            return Ok(Chunk::Refused(refusal));
        }
        let size = match content {
            Content::Whole(octets) => {
                let room = (MOST_BYTES + 1).saturating_sub(self.message.len());
                self.message.extend_from_slice(&octets[..octets.len().min(room)]);
                octets.len()
            }
            Content::TooLarge(size) | Content::BareEnds(size) => size,
        };
        self.size = self.size.saturating_add(size);
        self.begun = true;
        if !coming.last {
            return Ok(Chunk::Taken(size));
        }
        let Self { message, size, .. } = std::mem::take(self);
        Ok(Chunk::Message(match size {
            size if size > MOST_BYTES => Content::TooLarge(size),
            size if has_bare_ends(&message) => Content::BareEnds(size),
            _ => Content::Whole(message),
        }))
    }
}

/// A CR without its LF, or an LF without its CR.
fn has_bare_ends(message: &[u8]) -> bool {
    let at = |index: usize| message.get(index).copied();
    let bare = |(index, byte): (usize, &u8)| match byte {
        b'\r' => at(index + 1) != Some(b'\n'),
        b'\n' => index == 0 || at(index - 1) != Some(b'\r'),
        _ => false,
    };
    message.iter().enumerate().any(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_length_and_perhaps_a_word() {
        assert_eq!(Chunks::command("86 LAST"), Some((86, true)));
        assert_eq!(Chunks::command("0 last"), Some((0, true)));
        assert_eq!(Chunks::command("9"), Some((9, false)));
        for wrong in ["", "LAST", "-1", "+1", "9 MORE", "9 LAST LAST", "99999999999999999999999"] {
            assert_eq!(Chunks::command(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn chunks_are_one_message_and_a_line_may_lie_in_two_of_them() {
        let mut chunks = Chunks::default();
        chunks.announce(false, None);
        assert_eq!(chunks.take(Content::Whole(b"a\r".to_vec())), Ok(Chunk::Taken(2)));
        assert!(chunks.is_under_way());
        chunks.announce(true, None);
        assert_eq!(chunks.take(Content::Whole(b"\n.\r\n".to_vec())), Ok(Chunk::Message(Content::Whole(b"a\r\n.\r\n".to_vec()))));
        assert!(!chunks.is_under_way());
        chunks.announce(true, None);
        assert_eq!(chunks.take(Content::Whole(b"a\nb".to_vec())), Ok(Chunk::Message(Content::BareEnds(3))));
        chunks.announce(false, None);
        let _ = chunks.take(Content::Whole(vec![b'x'; MOST_BYTES]));
        chunks.announce(true, None);
        assert_eq!(chunks.take(Content::Whole(vec![b'x'; 9])), Ok(Chunk::Message(Content::TooLarge(MOST_BYTES + 9))));
        assert_eq!(chunks.take(Content::Whole(Vec::new())), Err(Content::Whole(Vec::new())), "no chunk was announced");
    }
}
