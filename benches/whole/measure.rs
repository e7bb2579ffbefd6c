//! Clocks, CPU time and memory of processes.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::Outcome;

/// CPU seconds of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / USER_HZ)
}

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("an odd VmRSS")?.parse()?)
}

/// Waits until something listens.
pub(crate) fn until_listening(address: SocketAddr) -> Outcome<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(format!("nothing listens at {address}").into())
}

/// The middle one of several measurements.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Milliseconds that a command takes.
pub(crate) fn timed(command: &mut Command) -> Outcome<f64> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}").into());
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Nanoseconds since 1970, for two processes to compare.
pub(crate) fn now() -> Outcome<u128> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos())
}

/// The client that says when it was started.
pub(crate) fn print_now() -> Outcome<()> {
    Ok(println!("{}", now()?))
}

/// Ticks of /proc a second: 100 on Linux, whatever the kernel's own (proc(5)).
const USER_HZ: f64 = 100.0;
