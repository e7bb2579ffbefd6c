//! The field's own findings, in the sealed network: what a prober sees of the box, what the box must not touch, what the record
//! holds of it, and what is left when the lab is ended in the middle of a run.
//!
//! Everything goes through the program itself. Where the machine lacks something a trial is reported as ignored with the
//! reason; under `CI=true` that is a failure.

#[cfg(target_os = "linux")]
mod contained;
#[cfg(target_os = "linux")]
mod ends;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod packets;
#[cfg(target_os = "linux")]
mod truth;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    lab::main(vec![packets::trials(), truth::trials(), contained::trials(), ends::trials()])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
