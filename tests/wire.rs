//! The wire over real links: real clients, real kernels on both sides, every act.
//!
//! Runs in a namespace that has the links `d0`/`d1` and `h0`/`h1` and the rules of the sealed network, with the pids of processes in
//! the client's and in the world's namespace in `WIRE_CLIENT` and `WIRE_WORLD`. Elsewhere every trial is reported ignored.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]

#[path = "wire/measure.rs"]
mod measure;
#[path = "wire/stage.rs"]
mod stage;
#[path = "wire/trials.rs"]
mod trials;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let stage = stage::Stage::set().map(std::sync::Arc::new);
    if let Err(reason) = &stage {
        eprintln!("the wire's trials are ignored: {reason}");
    }
    let trial = |asked: bool, (name, run): &trials::Named| {
        let (stage, run) = (stage.as_ref().ok().cloned(), *run);
        let ignored = stage.is_none() || asked;
        Trial::test(*name, move || {
            if let Some(stage) = stage {
                run(&stage);
            }
            Ok(())
        })
        .with_ignored_flag(ignored)
    };
    let all = trials::ALL.iter().map(|one| trial(false, one));
    let measurements = measure::MEASUREMENTS.iter().map(|one| trial(true, one));
    libtest_mimic::run(&arguments, all.chain(measurements).collect()).exit();
}
