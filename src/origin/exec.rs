//! A service that is a program of the teacher's: its files, its arguments, and whether it listens.
//!
//! A program needs its certificate in files. They hold the site's own key, never an authority's, lie in a directory
//! that only this user can enter, and go with it when it is dropped. Starting the program is the lab's, which knows the
//! namespace; here is what it is started with.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thiserror::Error;

use crate::pki::Issued;

/// Why a program does not serve.
#[derive(Debug, Error)]
pub enum ExecError {
    /// Its files could not be written.
    #[error("cannot write `{file}` for `{program}`: {source}")]
    Files {
        /// The program.
        program: String,
        /// The file or directory.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// No program is named.
    #[error("a service of kind `exec` needs `argv` with a program in it")]
    NoProgram,
    /// It could not be started.
    #[error("cannot start `{program}`: {source}; is it installed?")]
    Start {
        /// The program.
        program: String,
        /// What went wrong.
        source: io::Error,
    },
    /// It ended before it listened.
    #[error("`{program}` {how} before it listened{}; install or correct what it names", words(said))]
    Ended {
        /// The program.
        program: String,
        /// How, in words.
        how: String,
        /// What it wrote last.
        said: String,
    },
    /// It does not listen.
    #[error(
        "`{program}` does not listen on {address} after {seconds:.1} s{}; raise `ready_within` if it needs longer",
        words(said)
    )]
    NotReady {
        /// The program.
        program: String,
        /// Where it should.
        address: SocketAddr,
        /// How long it had.
        seconds: f64,
        /// What it wrote last.
        said: String,
    },
}

/// A started program, as far as waiting for it needs to know it. Dropping it ends the program.
pub trait Started: Send {
    /// Waits until it has ended and says how. Must be cancel safe.
    fn ended(&mut self) -> impl Future<Output = String> + Send;

    /// What it wrote last.
    fn said(&self) -> String;
}

/// The files of one program. They are removed when this is dropped.
#[derive(Debug)]
pub struct ExecFiles {
    dir: TempDir,
    argv: Vec<String>,
    port: u16,
}

impl ExecFiles {
    /// Writes `cert.pem` (the leaf), `issuers.pem` (the intermediates), `chain.pem` (both) and `key.pem`, and fills in `{cert}`,
    /// `{issuers}`, `{chain}`, `{key}`, `{dir}` and `{port}` in the arguments, and what else `fills` names (`{name}`, `{lab}`). `port` is where
    /// the program shall listen on loopback.
    pub fn write(issued: &Issued, argv: &[String], port: u16, fills: &[(&str, String)]) -> Result<Self, ExecError> {
        let program = argv.first().ok_or(ExecError::NoProgram)?;
        let failed = |file: &Path, source| ExecError::Files { program: program.clone(), file: file.to_owned(), source };
        let dir = private_dir().map_err(|e| failed(&std::env::temp_dir(), e))?;
        let put = |name: &str, text: &str| {
            let file = dir.path().join(name);
            private_file(&file, text.as_bytes()).map_err(|e| failed(&file, e))?;
            Ok(file.display().to_string())
        };
        let (leaf, chain) = (issued.leaf_pem(), issued.chain_pem());
        let own = [
            ("{cert}", put("cert.pem", &leaf)?),
            ("{issuers}", put("issuers.pem", chain.strip_prefix(&leaf).unwrap_or_default())?),
            ("{chain}", put("chain.pem", &chain)?),
            ("{key}", put("key.pem", &issued.key_pem())?),
            ("{dir}", dir.path().display().to_string()),
            ("{port}", port.to_string()),
        ];
        let fill = |text: &String| own.iter().chain(fills).fold(text.clone(), |text, (name, value)| text.replace(name, value));
        Ok(Self { argv: argv.iter().map(fill).collect(), dir, port })
    }

    /// Program and arguments, filled in.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the program shall listen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the program with `spawn` (which gets the arguments and a working directory) and waits until `address`
    /// accepts connections. What `spawn` returns keeps the program alive; it is dropped if the program is not ready.
    pub async fn start<C: Started>(
        &self,
        spawn: impl FnOnce(&[String], &Path) -> io::Result<C>,
        address: SocketAddr,
        ready_within: Duration,
    ) -> Result<C, ExecError> {
        self.start_behind(spawn, super::loopback_dial(), address, ready_within).await
    }

    /// The same for a program whose loopback is another one: in the sealed network, where the sites are.
    pub async fn start_behind<C: Started>(
        &self,
        spawn: impl FnOnce(&[String], &Path) -> io::Result<C>,
        dial: super::Dial,
        address: SocketAddr,
        ready_within: Duration,
    ) -> Result<C, ExecError> {
        let program = self.argv[0].clone();
        let mut child = spawn(&self.argv, self.dir()).map_err(|source| ExecError::Start { program: program.clone(), source })?;
        // The end first: a program that has ended did not answer, whoever has its port now.
        let ended = tokio::select! {
            biased;
            how = child.ended() => Some(how),
            listens = listens(&dial, address, ready_within) => {
                if listens {
                    return Ok(child);
                }
                None
            }
        };
        let said = child.said();
        Err(match ended {
            Some(how) => ExecError::Ended { program, how, said },
            None => ExecError::NotReady { program, address, seconds: ready_within.as_secs_f64(), said },
        })
    }
}

fn words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said `{said}`") }
}

async fn listens(dial: &super::Dial, address: SocketAddr, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if tokio::time::timeout_at(deadline.into(), dial(address)).await.is_ok_and(|r| r.is_ok()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // nothing tells when a foreign program listens
    }
    false
}

fn private_dir() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let prefix = format!("mitmlab-run-{}-", std::process::id()); // so what a killed run leaves behind is found and removed
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

fn private_file(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}
