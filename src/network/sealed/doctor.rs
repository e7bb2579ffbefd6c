//! Whether this machine can hold a sealed network: each thing that it needs is tried for real, in a copy of the process,
//! so that the caller is not changed. What does not work is reported with the kernel's answer and what to change.
//!
//! A successful `unshare` proves little: Ubuntu's AppArmor lets it succeed and then gives the namespace no privilege.

mod probes;
mod remedy;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use super::sys;
use probes::PROBES;

/// One thing that the sealed network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its name.
    pub name: &'static str,
    /// It was tried and works.
    pub works: bool,
    /// Without it there is no sealed network; else only less of one.
    pub needed: bool,
    /// What was seen: what works is for, or the kernel's answer.
    pub detail: String,
    /// What to change, if it does not work and that is known.
    pub remedy: Option<String>,
}

/// Tries everything. Best called while the process has one thread; takes some milliseconds, at most ten seconds.
pub fn examine() -> Vec<Capability> {
    let results = match results() {
        Ok(results) => results,
        Err(error) => return vec![Capability::failed(0, format!("cannot try: {error}"), error.raw_os_error())],
    };
    let mut list: Vec<Capability> =
        results.into_iter().filter(|(index, ..)| *index < PROBES.len()).map(Capability::from).collect();
    list.extend(PROBES.iter().skip(list.len()).map(|probe| Capability {
        name: probe.name,
        works: false,
        needed: probe.needed,
        detail: "not tried: something before it failed".to_owned(),
        remedy: None,
    }));
    list
}

/// True if everything that is needed works.
pub fn is_sufficient(capabilities: &[Capability]) -> bool {
    capabilities.iter().all(|capability| capability.works || !capability.needed)
}

/// Index of the probe, whether it worked, what was seen, errno.
type ProbeResult = (usize, bool, String, Option<i32>);

fn results() -> io::Result<Vec<ProbeResult>> {
    let (read, mut write) = io::pipe()?;
    let child = sys::fork(|| i32::from(probes::run(|result| report(&mut write, result)).is_err()))?;
    drop(write);
    let text = read_until(read, Instant::now() + DEADLINE);
    // It has ended already, or it hangs.
    let _ = kill_process(child, Signal::KILL);
    let _ = waitpid(Some(child), WaitOptions::empty());
    Ok(BufReader::new(&*text?).lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect())
}

fn report(pipe: &mut io::PipeWriter, result: &ProbeResult) -> io::Result<()> {
    let mut line = serde_json::to_string(result)?;
    line.push('\n');
    pipe.write_all(line.as_bytes())
}

fn read_until(mut pipe: io::PipeReader, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        let mut ready = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        if poll(&mut ready, Some(&left))? == 0 {
            return Ok(bytes);
        }
        match pipe.read(&mut part)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&part[..length]),
        }
    }
}

impl Capability {
    fn failed(index: usize, detail: String, errno: Option<i32>) -> Self {
        let probe = &PROBES[index];
        let remedy = remedy::of(probe.kind, errno, &remedy::Host::read());
        Self { name: probe.name, works: false, needed: probe.needed, detail, remedy }
    }
}

impl From<ProbeResult> for Capability {
    fn from((index, works, detail, errno): ProbeResult) -> Self {
        match works {
            true => Self { name: PROBES[index].name, works, needed: PROBES[index].needed, detail, remedy: None },
            false => Self::failed(index, detail, errno),
        }
    }
}

/// All probes together take about ten milliseconds; a machine that needs this long hangs.
const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_examined_and_the_caller_stays_where_it_was() {
        let before = std::fs::read_link("/proc/self/ns/net").unwrap();
        let list = examine();
        assert_eq!(list.iter().map(|c| c.name).collect::<Vec<_>>(), PROBES.iter().map(|p| p.name).collect::<Vec<_>>());
        assert!(list.iter().all(|c| !(c.detail.is_empty() || c.works && c.remedy.is_some())), "{list:#?}");
        assert_eq!(std::fs::read_link("/proc/self/ns/net").unwrap(), before);
        let first_failure = list.iter().find(|c| !c.works && c.needed);
        assert!(first_failure.is_none_or(|c| c.remedy.is_some()), "{first_failure:?} has no remedy");
    }
}
