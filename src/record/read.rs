//! Reading a recording back, so that it can be judged again. What cannot be read is told, not passed over in silence: the
//! last line of a run that was cut short, lines of another version with events that this one does not know.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::event::Entry;
use super::folder::EVENTS;

/// A recording, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// Lines that are no entry, and why.
    pub unread: Vec<Unread>,
    /// The last line has no end: the run that wrote it was cut short.
    pub cut: bool,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Line number, from 1.
    pub line: usize,
    /// The parser's words.
    pub why: String,
}

/// Why a recording could not be read at all.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("the recording `{}` cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// No line of the file is an entry.
    #[error("`{}` holds no entry of a recording: its first line says {why}", path.display())]
    NotARecording {
        /// The file.
        path: PathBuf,
        /// The parser's words about the first line.
        why: String,
    },
}

/// Reads the recording in a folder, or a file of events.
pub fn read(path: impl AsRef<Path>) -> Result<Recording, ReadError> {
    let path = path.as_ref();
    let file = if path.is_dir() { path.join(EVENTS) } else { path.to_owned() };
    let failed = |source| ReadError::Io { path: file.clone(), source };
    let recording = read_lines(BufReader::new(File::open(&file).map_err(failed)?)).map_err(failed)?;
    match recording.unread.first() {
        Some(first) if recording.entries.is_empty() && !recording.cut => {
            Err(ReadError::NotARecording { path: file, why: first.why.clone() })
        }
        _ => Ok(recording),
    }
}

fn read_lines(mut input: impl BufRead) -> io::Result<Recording> {
    let mut recording = Recording::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let taken = input.by_ref().take(LINE_AT_MOST).read_until(b'\n', &mut line)?;
        if taken == 0 {
            break;
        }
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice(&line) {
            _ if line.trim_ascii().is_empty() => {}
            Ok(entry) => recording.entries.push(entry),
            Err(_) if !whole && taken as u64 == LINE_AT_MOST => {
                recording.unread.push(Unread { line: number, why: format!("longer than {LINE_AT_MOST} bytes") });
                skip_line(&mut input)?;
            }
            Err(_) if !whole => recording.cut = true,
            Err(error) => recording.unread.push(Unread { line: number, why: error.to_string() }),
        }
    }
    Ok(recording)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Bytes of the longest line that is read: a chain of large certificates is some 50 kB.
const LINE_AT_MOST: u64 = 16 << 20;
