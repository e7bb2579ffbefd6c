//! A client while it runs: fed, watched, ended. Nothing that it does makes the lab wait or grow without bound.
//!
//! Output is counted in full and kept in part; at the deadline the whole tree is killed; a grandchild that keeps a pipe
//! open after the client has ended is given [`GRACE`] and no more.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{timeout, timeout_at};

mod capture;
mod last_words;
mod parent;
mod plain;
#[cfg(target_os = "linux")]
mod stragglers;

use capture::Capture;
pub use last_words::LastWords;
pub use parent::become_client;
pub use plain::{Feed, LEG_COOKIE, PlainChild};
#[cfg(target_os = "linux")]
pub use stragglers::end_clients_of;

/// A started client, whoever started it.
pub trait ChildHandle: Send {
    /// Its pipes, handed over once. A pipe that was not asked for is `None`.
    fn pipes(&mut self) -> Pipes;

    /// Waits until it has ended. Must be cancel safe: dropping the future loses nothing, and asking again is allowed.
    fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send;

    /// Kills it and all that it started, as far as that can be found. Harmless if nothing is left.
    fn kill_tree(&mut self);
}

/// The pipes of a child.
#[derive(Default)]
pub struct Pipes {
    /// What it writes on standard output.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// What it writes on standard error.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Its standard input, and what to write there before it is closed.
    pub stdin: Option<(Box<dyn AsyncWrite + Send + Unpin>, Vec<u8>)>,
}

/// How a client ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code, if it exited.
    pub exit: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// The deadline passed and the tree was killed.
    pub timed_out: bool,
    /// Milliseconds from the call to the end of the client (not of its grandchildren).
    pub ms: u64,
    /// Beginning of standard output, at most 4 KiB.
    pub stdout_head: String,
    /// End of standard error, at most 4 KiB.
    pub stderr_tail: String,
    /// Bytes written on both, all of them.
    pub output_bytes: u64,
    /// Standard output, at most [`STDOUT_KEPT`] bytes.
    pub stdout: Vec<u8>,
    /// Something still held a pipe open when the client had ended and the grace was over.
    pub left_open: bool,
    /// Waiting itself failed: what the system said.
    pub error: Option<String>,
}

/// Watches a client to its end, or to the deadline.
pub async fn watch(mut child: impl ChildHandle, deadline: Duration) -> Outcome {
    let began = Instant::now();
    let Pipes { stdout, stderr, stdin } = child.pipes();
    let (mut out, mut err) = (Capture::new(STDOUT_KEPT), Capture::new(0));
    let mut outcome = Outcome::default();
    {
        let reading = async { tokio::join!(drain(stdout, &mut out), drain(stderr, &mut err), feed(stdin)) };
        tokio::pin!(reading);
        let mut drained = false;
        let ended = timeout_at((began + deadline).into(), async {
            loop {
                tokio::select! {
                    status = child.wait() => return status,
                    _ = &mut reading, if !drained => drained = true,
                }
            }
        })
        .await;
        let status = match ended {
            Ok(status) => status,
            Err(_) => {
                outcome.timed_out = true;
                child.kill_tree();
                timeout(GRACE, child.wait()).await.unwrap_or_else(|_| Err(io::Error::other("killed, but did not end")))
            }
        };
        outcome.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.take(status);
        drained = drained || timeout(GRACE, &mut reading).await.is_ok();
        child.kill_tree();
        outcome.left_open = !drained;
    }
    outcome.output_bytes = out.count() + err.count();
    outcome.stdout_head = out.head();
    outcome.stderr_tail = err.tail();
    outcome.stdout = out.into_kept();
    outcome
}

impl Outcome {
    fn take(&mut self, status: io::Result<ExitStatus>) {
        match status {
            Ok(status) => {
                self.exit = status.code();
                #[cfg(unix)]
                {
                    self.signal = std::os::unix::process::ExitStatusExt::signal(&status);
                }
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

async fn drain(pipe: Option<Box<dyn AsyncRead + Send + Unpin>>, into: &mut Capture) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        into.take(&buffer[..read]);
    }
}

/// A client that does not read its input is no error: the pipe breaks, and that is all.
async fn feed(stdin: Option<(Box<dyn AsyncWrite + Send + Unpin>, Vec<u8>)>) {
    if let Some((mut pipe, bytes)) = stdin {
        let _ = pipe.write_all(&bytes).await;
        let _ = pipe.shutdown().await;
    }
}

/// How long a pipe may stay open once the client has ended, and how long a killed client may take to end.
pub const GRACE: Duration = Duration::from_millis(500);

/// Bytes of standard output that are kept for a reader such as a detector's JSON.
pub const STDOUT_KEPT: usize = 1024 * 1024;

#[cfg(all(test, unix))]
mod tests;
