//! The record on disk: a folder with `events.jsonl` (every event as it happens), and at the end `connections.jsonl` (what
//! they fold into) and `run.json`. A folder that cannot be written never breaks a run; it says what was lost.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::connection::Connection;
use super::event::{Entry, Event};
use super::jsonl::{LineFile, Losses};
use super::recorder::Recorder;

/// The folder of a run that is being recorded.
#[derive(Debug)]
pub struct RecordFolder {
    dir: PathBuf,
    recorder: Recorder,
    events: LineFile,
    finished: Mutex<Option<Losses>>,
}

/// `run.json`: the one file of a recording that knows the wall clock; without it two recordings can be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Version of mitmlab.
    pub version: String,
    /// When the recorder's clock was 0.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// Lines of `events.jsonl` that were lost.
    pub lost_lines: u64,
}

impl RecordFolder {
    /// Creates the folder if need be and records into it what `recorder` is given, from its beginning on.
    /// Files of an earlier recording there are replaced.
    pub fn create(dir: impl Into<PathBuf>, recorder: &Recorder) -> Self {
        let dir = dir.into();
        let _ = std::fs::create_dir_all(&dir); // a failure shows when the files are opened, and is counted there
        let _ = std::fs::remove_file(dir.join(CONNECTIONS)); // of an earlier run: it would not belong to these events
        let events = LineFile::create(dir.join(EVENTS));
        let sink = events.clone();
        recorder.add_sink(move |entry| {
            if let Ok(line) = serde_json::to_string(entry) {
                sink.line(line);
            }
            if matches!(entry.event, Event::ConnectionEnd {} | Event::LegEnd { .. } | Event::RunEnd {}) {
                sink.flush();
            }
        });
        Self { dir, recorder: recorder.clone(), events, finished: Mutex::new(None) }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every entry of the run: as the recorder has them or, where it keeps only the newest, as the file has them.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let kept = self.recorder.entries();
        if kept.first().is_none_or(|first| first.seq == 0) {
            return kept;
        }
        self.events.settle(SETTLE);
        super::read(&self.dir).map_or(kept, |recording| recording.entries.into_iter().map(Arc::new).collect())
    }

    /// What they fold into.
    pub fn connections(&self) -> Vec<Connection> {
        Connection::fold(self.entries().iter().map(AsRef::as_ref))
    }

    /// Writes what is written at the end and tells what was lost. Called again, it tells the same. Dropping does it too.
    pub fn finish(&self) -> Losses {
        let mut finished = self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(losses) = &*finished {
            return losses.clone();
        }
        let mut losses = self.events.settle(SETTLE);
        let mut keep = |name: &str, written: std::io::Result<()>| {
            if let Err(error) = written {
                losses.reason.get_or_insert_with(|| format!("`{}` cannot be written: {error}", self.dir.join(name).display()));
            }
        };
        keep(CONNECTIONS, write_connections(&self.dir.join(CONNECTIONS), &self.connections()));
        let run = RunFile {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.recorder.started(),
            lost_lines: self.events.losses().lines,
        };
        keep(RUN, serde_json::to_vec_pretty(&run).map_err(Into::into).and_then(|text| std::fs::write(self.dir.join(RUN), text)));
        finished.insert(losses).clone()
    }
}

impl Drop for RecordFolder {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Writes one connection per line.
pub fn write_connections(path: &Path, connections: &[Connection]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(super::create_private(path)?);
    for connection in connections {
        serde_json::to_writer(&mut out, connection)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

pub(super) const EVENTS: &str = "events.jsonl";
pub(super) const CONNECTIONS: &str = "connections.jsonl";
pub(super) const RUN: &str = "run.json";

/// How long the end of a run waits for a slow disk.
const SETTLE: Duration = Duration::from_secs(5);
