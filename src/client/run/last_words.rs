//! The end of what a program writes, read along while it runs: a server that nobody reads stops when a pipe is full.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::capture::Capture;
use super::{GRACE, Pipes};

/// Reads both outputs to their end, in tasks of its own, and keeps the last of each.
#[derive(Debug)]
pub struct LastWords {
    kept: [Arc<Mutex<Capture>>; 2],
    reading: Vec<JoinHandle<()>>,
}

impl LastWords {
    /// Begins to read. Must be called inside of a runtime.
    pub fn of(pipes: Pipes) -> Self {
        let kept: [Arc<Mutex<Capture>>; 2] = std::array::from_fn(|_| Arc::new(Mutex::new(Capture::new(0))));
        let both = [pipes.stderr, pipes.stdout].into_iter().zip(&kept);
        let reading = both.filter_map(|(pipe, kept)| Some(tokio::spawn(read(pipe?, Arc::clone(kept))))).collect();
        Self { kept, reading }
    }

    /// What it wrote last: on standard error, or, if there is nothing, on standard output.
    pub fn text(&self) -> String {
        let tails = self.kept.iter().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).tail());
        tails.map(|tail| tail.trim().to_owned()).find(|tail| !tail.is_empty()).unwrap_or_default()
    }

    /// The same once the program has ended: waits a little for what is still in the pipes.
    pub async fn at_the_end(&mut self) -> String {
        for reading in &mut self.reading {
            if !reading.is_finished() {
                // what was read before the time is up is there all the same
                let _ = timeout(GRACE, reading).await;
            }
        }
        self.text()
    }
}

async fn read(mut pipe: Box<dyn tokio::io::AsyncRead + Send + Unpin>, kept: Arc<Mutex<Capture>>) {
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = tokio::io::AsyncReadExt::read(&mut pipe, &mut buffer).await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).take(&buffer[..read]);
    }
}
