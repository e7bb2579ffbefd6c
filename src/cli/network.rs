//! Choosing the network, before any thread exists, and the runtime that everything else runs on.

use super::NetworkChoice;
use super::guard::Guard;
use crate::error::Error;
use crate::lab::On;
#[cfg(target_os = "linux")]
use crate::network::sealed::{self, Entered};

/// The network that was chosen, and why.
#[derive(Debug)]
pub(super) struct Chosen {
    #[cfg(target_os = "linux")]
    entered: Option<Entered>,
    _guard: Option<Guard>,
    /// For the report.
    pub(super) why: String,
}

impl Chosen {
    /// Chooses. Enters the sealed network's namespaces if it is to be that one.
    pub(super) fn choose(choice: NetworkChoice) -> Result<Self, Error> {
        match choice {
            NetworkChoice::Proxy => Ok(Self::proxy("it was asked for".to_owned())),
            NetworkChoice::Sealed => Self::sealed().map_err(|why| {
                Error::Machine(format!("{why}\nhint: `mitmlab doctor` says what is missing; `--network proxy` runs without it"))
            }),
            NetworkChoice::Auto => match Self::sealed() {
                Ok(chosen) => Ok(Self { why: "the sealed network works here".to_owned(), ..chosen }),
                Err(why) => Ok(Self::proxy(format!("the sealed network does not work here: {why}"))),
            },
        }
    }

    /// What a lab is to stand on.
    pub(super) fn on(&self) -> On<'_> {
        #[cfg(target_os = "linux")]
        if let Some(entered) = &self.entered {
            return On::Sealed(entered);
        }
        On::proxy()
    }

    fn proxy(why: String) -> Self {
        Self {
            #[cfg(target_os = "linux")]
            entered: None,
            _guard: Guard::start(),
            why,
        }
    }

    #[cfg(target_os = "linux")]
    fn sealed() -> Result<Self, String> {
        let entered = sealed::enter().map_err(|error| error.to_string())?;
        Ok(Self { entered: Some(entered), _guard: None, why: "it was asked for".to_owned() })
    }

    #[cfg(not(target_os = "linux"))]
    fn sealed() -> Result<Self, String> {
        Err("the sealed network needs Linux".to_owned())
    }
}

/// The runtime. Made after the namespaces are entered, so that its threads are in them.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|e| Error::machine("start the runtime", e))
}

/// Completes when the user has had enough: Ctrl-C, or SIGTERM.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await; // without signals, nothing interrupts
    }
}
