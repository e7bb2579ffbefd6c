//! The whole suite of `verify` with one client, repeated: how long it takes, and whether one answer ever differs. Judges nothing.
//!
//! `cargo bench --bench verify -- [--load] REPEATS CLIENT...`; without words: ten times the lab's own client. `--load` keeps every core
//! busy meanwhile.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mitmlab::verdict::verify::VerifyReport;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let load = words.first().is_some_and(|word| word == "--load");
    words.drain(..usize::from(load));
    let repeats: usize = if words.is_empty() { 10 } else { words.remove(0).parse()? };
    if words.is_empty() {
        words = ["mitmlab", "client", "{url}"].map(str::to_owned).to_vec();
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cores = if load { std::thread::available_parallelism().map_or(1, usize::from) } else { 0 };
        for _ in 0..cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box((0..10_000u64).fold(0, u64::wrapping_add));
                }
            });
        }
        let done = repeated(repeats, &words);
        over.store(true, Ordering::Relaxed);
        done
    })
}

fn repeated(repeats: usize, client: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let mut seconds = Vec::new();
    let mut answers: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for _ in 0..repeats {
        let began = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        let output = command.args(["verify", "--format", "json", "--"]).args(client).env_remove("CI").output()?;
        seconds.push(began.elapsed().as_secs_f64());
        let report: VerifyReport = serde_json::from_slice(&output.stdout)?;
        for case in report.cases {
            let answer = format!("{} ({})", case.answer.as_str(), case.signal);
            *answers.entry(case.name).or_default().entry(answer).or_default() += 1;
        }
    }
    seconds.sort_by(f64::total_cmp);
    let differing: Vec<_> = answers.iter().filter(|(_, seen)| verdicts(seen) > 1).collect();
    println!("{repeats} runs of {} cases with `{}`", answers.len(), client.join(" "));
    println!(
        "  seconds: {:.2} median, {:.2} least, {:.2} most",
        seconds[seconds.len() / 2],
        seconds[0],
        seconds[seconds.len() - 1]
    );
    println!("  cases of which an answer differed: {}", differing.len());
    for (case, seen) in differing {
        println!("    {case}: {seen:?}");
    }
    Ok(())
}

/// Different answers; signals (numbers of bytes, say) do not count.
fn verdicts(seen: &BTreeMap<String, usize>) -> usize {
    let words: std::collections::BTreeSet<_> = seen.keys().filter_map(|answer| answer.split(' ').next()).collect();
    words.len()
}
