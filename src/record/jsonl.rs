//! A file of lines that must not hold up, let alone end, the run that it records.
//!
//! Lines go to a thread of their own through a bounded queue. What cannot be written (disk full, no such folder) or
//! does not fit the queue is counted as lost and said at the end; nobody waits, nobody fails.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What could not be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Lines that are missing in the file.
    pub lines: u64,
    /// The first reason.
    pub reason: Option<String>,
}

/// Where lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LineFile {
    orders: SyncSender<Order>,
    losses: Arc<Mutex<Losses>>,
}

enum Order {
    Line(String),
    Flush,
    Barrier(SyncSender<()>),
}

impl LineFile {
    /// Creates (or empties) the file and starts its thread, which ends when the last clone is gone.
    pub(super) fn create(path: PathBuf) -> Self {
        let (orders, queue) = sync_channel(QUEUE);
        let losses = Arc::new(Mutex::new(Losses::default()));
        let writer = Writer { file: None, path, pending: Vec::new(), lines: 0, torn: false, losses: Arc::clone(&losses) };
        let started = std::thread::Builder::new().name("record".to_owned()).spawn(move || writer.run(&queue));
        if let Err(error) = started {
            lose(&losses, 0, &format!("no thread for the record: {error}"));
        }
        Self { orders, losses }
    }

    /// Adds a line (without its newline).
    pub(super) fn line(&self, line: String) {
        self.order(Order::Line(line));
    }

    /// Asks for what is pending to be written out.
    pub(super) fn flush(&self) {
        self.order(Order::Flush);
    }

    /// Waits until everything that was given before is written or lost, at most `limit`.
    pub(super) fn settle(&self, limit: Duration) -> Losses {
        let (done, wait) = sync_channel(1);
        if self.orders.try_send(Order::Barrier(done)).is_err() || wait.recv_timeout(limit).is_err() {
            lose(&self.losses, 0, "the disk is too slow: the end of the file may be missing");
        }
        self.losses()
    }

    /// What was lost so far.
    pub(super) fn losses(&self) -> Losses {
        guard(&self.losses).clone()
    }

    fn order(&self, order: Order) {
        let lines = u64::from(matches!(order, Order::Line(_)));
        match self.orders.try_send(order) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => lose(&self.losses, lines, "the disk is too slow for the record"),
            Err(TrySendError::Disconnected(_)) => lose(&self.losses, lines, "the record's thread is gone"),
        }
    }
}

struct Writer {
    file: Option<File>,
    path: PathBuf,
    pending: Vec<u8>,
    lines: u64,
    /// The last write failed in the middle: what follows begins on a new line.
    torn: bool,
    losses: Arc<Mutex<Losses>>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Order>) {
        self.open();
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(Order::Line(line)) => self.take(&line),
                Ok(Order::Flush) | Err(RecvTimeoutError::Timeout) => self.write_out(),
                Ok(Order::Barrier(done)) => {
                    self.write_out();
                    let _ = done.send(()); // whoever waited may have given up
                }
                Err(RecvTimeoutError::Disconnected) => return self.write_out(),
            }
        }
    }

    fn open(&mut self) {
        match super::create_private(&self.path) {
            Ok(file) => self.file = Some(file),
            Err(error) => lose(&self.losses, 0, &format!("`{}` cannot be written: {error}", self.path.display())),
        }
    }

    fn take(&mut self, line: &str) {
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
        self.lines += 1;
        if self.pending.len() > BUFFER {
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let written = match &mut self.file {
            Some(file) => {
                let newline: &[u8] = if self.torn { b"\n" } else { b"" };
                file.write_all(newline).and_then(|()| file.write_all(&self.pending))
            }
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        self.torn = written.is_err();
        if let Err(error) = written {
            lose(&self.losses, self.lines, &format!("`{}` cannot be written: {error}", self.path.display()));
        }
        self.pending.clear();
        self.lines = 0;
    }
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.lines, self.reason.as_deref()) {
            (0, None) => f.write_str("nothing was lost"),
            (0, Some(reason)) => f.write_str(reason),
            (1, reason) => write!(f, "1 line was lost: {}", reason.unwrap_or("unknown reason")),
            (lines, reason) => write!(f, "{lines} lines were lost: {}", reason.unwrap_or("unknown reason")),
        }
    }
}

fn lose(losses: &Mutex<Losses>, lines: u64, reason: &str) {
    let mut losses = guard(losses);
    losses.lines += lines;
    losses.reason.get_or_insert_with(|| reason.to_owned());
}

fn guard(losses: &Mutex<Losses>) -> MutexGuard<'_, Losses> {
    losses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines that may wait for the disk.
const QUEUE: usize = 16_384;
/// Bytes that are written at once.
const BUFFER: usize = 64 * 1024;
/// After so long without a line, what is pending is written: a reader that follows the file sees it.
const IDLE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_failed_write_begins_on_a_new_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, losses) = (dir.path().join("lines"), Arc::new(Mutex::new(Losses::default())));
        let mut writer =
            Writer { file: None, path: path.clone(), pending: Vec::new(), lines: 0, torn: false, losses: Arc::clone(&losses) };
        writer.take("lost");
        writer.take("lost too");
        writer.write_out();
        assert_eq!(
            guard(&losses).to_string(),
            format!("2 lines were lost: `{}` cannot be written: entity not found", path.display())
        );
        writer.open();
        writer.take("kept");
        writer.take("kept too");
        writer.write_out();
        writer.take("as usual");
        writer.write_out();
        assert_eq!(std::fs::read_to_string(path).expect("written"), "\nkept\nkept too\nas usual\n");
        assert_eq!(guard(&losses).lines, 2);
    }
}
