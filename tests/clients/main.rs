//! The client table: every real client, in TLS 1.2 and 1.3, against every reason to refuse, in both networks; and the clients that are
//! easily misjudged: pinned, careless, broken, hanging, failing open, absent.
//!
//! Runs the program itself on a scenario that is put together here, and reads its JSON report. A client that is not on this machine
//! is left out with a word, and is a failure under `CI=true`. Accept a changed table with `INSTA_UPDATE=always`.

mod built;
mod cases;
mod played;
mod programs;
mod table;

use libtest_mimic::{Arguments, Failed, Trial};

use played::{Network, ONE_AT_A_TIME, played};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let both = [Network::Sealed, Network::Proxy];
    let trials = both.into_iter().flat_map(|network| {
        [
            Trial::test(format!("{}::every_client_is_classified_right", network.word()), move || classified(network)),
            Trial::test(format!("{}::clients_that_are_easily_misjudged_are_not", network.word()), move || misjudged(network)),
            Trial::test(format!("{}::nothing_is_left_of_a_client_that_hangs", network.word()), move || nothing_left(network)),
        ]
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn classified(network: Network) -> Result<(), Failed> {
    let Some(run) = played(network)? else { return Ok(()) };
    let table = table::of_clients(run);
    println!("{table}");
    run.all_passed(|name| !name.starts_with(cases::PREFIX))?;
    table::versions_were_forced(run)?;
    table::browser_was_sandboxed(run)?;
    run.snapshot(&format!("clients_{}", network.word()), &table)
}

fn misjudged(network: Network) -> Result<(), Failed> {
    let Some(run) = played(network)? else { return Ok(()) };
    let table = table::of_cases(run);
    println!("{table}");
    for case in cases::CASES {
        case.versions.iter().try_for_each(|version| run.is_as_told(case, version))?;
    }
    run.snapshot(&format!("cases_{}", network.word()), &table)
}

fn nothing_left(network: Network) -> Result<(), Failed> {
    let Some(run) = played(network)? else { return Ok(()) };
    run.said(cases::HANGING, &format!("sleep {}", cases::nap()))?; // else nothing could be found below
    let _no_run = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner); // its clients are alive, and may be
    let nap = cases::nap();
    let holds = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(|w| w == nap.as_bytes()))
    };
    let naps = std::fs::read_dir("/proc")?.flatten().filter(holds).count();
    if naps == 0 { Ok(()) } else { Err(format!("{naps} processes of a client that was ended are still there").into()) }
}
