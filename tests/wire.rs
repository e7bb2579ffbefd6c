//! The wire over real links: real clients, real kernels on both sides, every act.
//!
//! Not run by the usual harness: the process enters its namespaces before it has a second thread. Started as root it also runs
//! itself as the user `nobody`. Where the kernel refuses namespaces every trial is reported ignored, under `CI=true` it fails.
#![cfg_attr(target_os = "linux", expect(clippy::unwrap_used, reason = "a trial fails by panicking"))]

#[cfg(target_os = "linux")]
#[path = "wire/measure.rs"]
mod measure;
#[cfg(target_os = "linux")]
#[path = "wire/nobody.rs"]
mod nobody;
#[cfg(target_os = "linux")]
#[path = "wire/stage.rs"]
mod stage;
#[cfg(target_os = "linux")]
#[path = "wire/trials.rs"]
mod trials;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::sync::Arc;

    use libtest_mimic::{Arguments, Failed, Trial};

    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials::ALL.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect())
            .exit_code();
    }
    let nobody = nobody::Nobody::start();
    let stage = stage::Stage::set().map(Arc::new);
    if let Err(stage::Missing(reason)) = &stage {
        eprintln!("the wire's trials are ignored: {reason}");
        if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            return std::process::ExitCode::FAILURE;
        }
    }
    // Alone on the wire, so that it can count.
    let alone = stage.as_ref().ok().map(|stage| {
        let run = std::panic::AssertUnwindSafe(|| trials::two_hundred_at_once(stage));
        std::panic::catch_unwind(run).map_err(|_| Failed::from("it panicked"))
    });
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
    let mut all: Vec<Trial> = trials::ALL.iter().map(|one| trial(false, one)).collect();
    all.extend(measure::MEASUREMENTS.iter().map(|one| trial(true, one)));
    let ignored = alone.is_none();
    all.push(Trial::test("two_hundred_at_once", move || alone.unwrap_or(Ok(()))).with_ignored_flag(ignored));
    if let Some(nobody) = nobody {
        all.push(Trial::test("all_of_it_works_for_an_ordinary_user", move || nobody.finish()));
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
