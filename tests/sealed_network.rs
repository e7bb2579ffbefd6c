//! The sealed network, seen by real programs: curl, ping, dig and a shell.
//!
//! Not run by the usual harness, because the process enters its namespaces before it has a second thread. Started as
//! root it also runs itself as the user `nobody`. Where the kernel refuses namespaces, every trial is reported as ignored.

#[cfg(target_os = "linux")]
#[path = "sealed_network/lab.rs"]
mod lab;
#[cfg(target_os = "linux")]
#[path = "sealed_network/trials.rs"]
mod trials;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    trials::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
