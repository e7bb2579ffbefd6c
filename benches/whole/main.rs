//! The whole program, measured from outside: start to ready, the cost of a leg, of an intercepted handshake and request, bulk
//! throughput, memory of idle connections. Prints a table; judges nothing. What the figures mean: benches/README.md.
//!
//! `cargo bench --bench whole`. The binary is also its own origin (`serve`) and its own load client (`load`).

mod load;
mod measure;
mod proxy;
mod sealed;
mod serve;

use std::process::ExitCode;

/// What went wrong, for the one who runs it.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["serve", port, chain, key] => serve::serve(port, chain, key),
        ["load", ref rest @ ..] => load::load(rest),
        ["now"] => measure::print_now(),
        ["sealed-legs"] => sealed::legs(),
        _ => report(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whole: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Outcome<()> {
    println!("{:<58}{:>14}", "proxy network", "");
    proxy::report()?;
    println!("\n{:<58}{:>14}", "sealed network", "");
    match cfg!(target_os = "linux") {
        true => sealed::report(),
        false => Ok(println!("skipped: it needs Linux")),
    }
}

/// One line of the table.
fn row(what: &str, value: impl std::fmt::Display, unit: &str) {
    println!("  {what:<56}{value:>10.2} {unit}");
}
