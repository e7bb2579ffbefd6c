//! Processes that a client left behind outside its process group (a browser's helpers, a daemon), found by the cookie
//! that they inherited in their environment. A process that was started with an empty environment is not found.

use std::path::Path;

use super::LEG_COOKIE;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Kills every process whose environment holds `name=value`. Looks again until none is found, a few times at most.
pub(super) fn kill(name: &str, value: &str) {
    let wanted = format!("{name}={value}");
    kill_all(|variable| variable == wanted.as_bytes());
}

/// Kills every client of a lab that is no more, and all that they started.
pub fn end_clients_of(lab: u32) {
    let beginning = format!("{LEG_COOKIE}={lab}-");
    kill_all(|variable| variable.starts_with(beginning.as_bytes()));
}

fn kill_all(wanted: impl Fn(&[u8]) -> bool) {
    for _ in 0..ROUNDS {
        if pids().filter(|pid| kill_one(*pid, &wanted)).count() == 0 {
            return;
        }
    }
}

/// The descriptor is opened before the cookie is read, so a recycled number is never hit.
fn kill_one(pid: i32, wanted: &impl Fn(&[u8]) -> bool) -> bool {
    let carries = || carries(pid, wanted);
    let Some(handle) = Pid::from_raw(pid).filter(|_| carries()).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok()) else {
        return false;
    };
    carries() && pidfd_send_signal(handle, Signal::KILL).is_ok()
}

/// A zombie's environment reads as empty, so what is dead is not found again.
fn carries(pid: i32, wanted: &impl Fn(&[u8]) -> bool) -> bool {
    let path = Path::new("/proc").join(pid.to_string()).join("environ");
    std::fs::read(path).is_ok_and(|environment| environment.split(|b| *b == 0).any(wanted))
}

fn pids() -> impl Iterator<Item = i32> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |pid: &i32| u32::try_from(*pid).is_ok_and(|p| p != own))
}

/// A process that forks while it is looked for is caught in the next round.
const ROUNDS: usize = 3;
