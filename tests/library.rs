//! The library as somebody else's tests use it: in a multi-threaded runtime, many at once, and nothing stays.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mitmlab::lab::Lab;
use mitmlab::scenario::{Trust, Vantage, VerdictKind};

const FORGED: &str = "client-that-checks-nothing-is-exposed";
const HOST: &str = "www.facebook.com";

fn own_client(more: &[&str]) -> Vec<String> {
    ["client", "{url}"].iter().chain(more).fold(vec![env!("CARGO_BIN_EXE_mitmlab").to_owned()], |mut argv, word| {
        argv.push((*word).to_owned());
        argv
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leg_by_leg() {
    let lab = Lab::builder().scenario(FORGED).start().await.expect("the lab starts");
    let url = format!("https://{HOST}/");
    let careful = || lab.client(own_client(&[])).url(&url);
    careful().run().await.expect("it runs").assert_refused(HOST);
    careful().trust(Trust::WebAuthority).run().await.expect("it runs").assert_exposed(HOST);
    careful().vantage(Vantage::Outside).run().await.expect("it runs").assert_untouched(HOST);
    let careless = lab.client(own_client(&["--insecure"])).url(&url).run().await.expect("it runs");
    careless.assert_exposed(HOST).assert_not_contacted("www.google.com");
    assert_eq!((careless.exit(), careless.connections().len()), (Some(0), 1));
    assert!(lab.connections().iter().any(|c| c.intercepted()));
    let told = std::panic::catch_unwind(|| drop(careless.assert_refused(HOST).exit())).expect_err("it was exposed");
    let told = told.downcast_ref::<String>().expect("a text");
    for part in ["expected `refused` for www.facebook.com, saw `exposed`", "--insecure", "intercept (rule: forge)", "exited with 0"] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_program_and_a_missing_phase_are_told() {
    let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await.expect("the lab starts");
    let outcome = lab.client(["no-such-program-here"]).run().await.expect("an outcome");
    assert_eq!(outcome.verdict("good.badtls.test").verdict, VerdictKind::Inconclusive);
    let error = lab.client(["true"]).phase("no-such").run().await.expect_err("no such phase");
    assert!(error.to_string().contains("it has `always`"), "{error}");
    let error = Lab::builder().scenario("no-such-scenario").start().await.expect_err("no such scenario");
    assert!(error.to_string().contains("no-such-scenario"), "{error}");
    assert!(Lab::builder().start().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_labs_at_once_never_meet() {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..32 {
        running.spawn(async {
            let lab = Lab::builder().scenario(FORGED).start().await.expect("the lab starts");
            let entrance = lab.open(Vantage::Inside, 0).await.expect("an entrance");
            let argv = own_client(&["--insecure"]);
            let outcome = lab.client(argv).url(format!("https://{HOST}/")).without_control().run().await.expect("it runs");
            outcome.assert_exposed(HOST);
            let root = outcome.connections()[0].presented.last().expect("a chain").sha256.clone();
            (entrance.address(), root, lab.connections().len())
        });
    }
    let all = running.join_all().await;
    let roots: HashSet<_> = all.iter().map(|(_, root, _)| root).collect();
    assert_eq!(roots.len(), 32, "two labs share a root");
    assert!(all.iter().all(|(_, _, connections)| *connections == 1), "a lab saw another's connection");
}

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
    let before = (open_files(), tasks());
    let mut ports = Vec::new();
    for _ in 0..200 {
        ports.push(cycle().await);
    }
    settled(|| folders().is_empty() && open_files() <= before.0 && tasks() <= before.1).await;
    let after = (folders(), open_files(), tasks());
    assert!(after.0.is_empty() && after.1 <= before.0 && after.2 <= before.1, "before {before:?}, after {after:?}");
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
