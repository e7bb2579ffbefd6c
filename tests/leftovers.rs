//! Two hundred labs are started and stopped in one process: no port, file, task or memory stays. Alone in its process, so that
//! nothing else is counted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mitmlab::lab::Lab;
use mitmlab::scenario::Vantage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_labs_leave_nothing() {
    let cycle = async || {
        let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await.expect("the lab starts");
        let entrance = lab.open(Vantage::Inside, 0).await.expect("an entrance");
        let port = entrance.address();
        drop((lab, entrance));
        port
    };
    cycle().await; // what is made once for the process
    settled(|| folders().is_empty()).await;
    let (before, memory) = ((open_files(), tasks()), resident());
    let mut ports = Vec::new();
    for _ in 0..200 {
        ports.push(cycle().await);
    }
    settled(|| folders().is_empty() && open_files() <= before.0 && tasks() <= before.1).await;
    let after = (folders(), open_files(), tasks());
    assert!(after.0.is_empty() && after.1 <= before.0 && after.2 <= before.1, "before {before:?}, after {after:?}");
    let grown = resident().saturating_sub(memory);
    assert!(grown < 64 << 20, "200 labs left {grown} bytes of memory");
    assert!(tokio::net::TcpStream::connect(ports[199]).await.is_err(), "a port is still open");
}

/// Waits until it is so, or for a while.
async fn settled(so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// This process's run folders.
fn folders() -> Vec<PathBuf> {
    let own = format!("mitmlab-run-{}-", std::process::id());
    let all = std::fs::read_dir(std::env::temp_dir()).expect("the temporary folder");
    all.flatten().map(|e| e.path()).filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&own))).collect()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
