//! `mitmlab down`: ends labs that are up, and waits until they are gone.

use std::time::{Duration, Instant};

use super::{Down, standing};
use crate::error::{AS_EXPECTED, Error};

/// Ends one, or all.
pub(super) fn down(options: &Down) -> Result<u8, Error> {
    let labs = if options.all { standing::all() } else { vec![standing::one(options.lab)?] };
    for lab in &labs {
        lab.ask("POST", "/v1/stop").map_err(|e| Error::machine(format!("end the lab of process {}", lab.pid), e))?;
        let deadline = Instant::now() + PATIENCE;
        while standing::is_alive(lab.pid) && lab.folder.exists() {
            if Instant::now() > deadline {
                return Err(Error::Machine(format!("the lab of process {} was asked to end, and did not", lab.pid)));
            }
            std::thread::park_timeout(STEP); // nobody unparks: another user's process cannot be waited for
        }
        anstream::eprintln!("mitmlab: the lab of `{}` (process {}) has ended", lab.scenario, lab.pid);
    }
    Ok(AS_EXPECTED)
}

const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(20);
