//! A lab as a child process: `mitmlab up SCENARIO --json --until-eof`. It ends when its standard input does, so with the workshop at the
//! latest, even if that is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::settings::Settings;

/// What a lab is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) scenario: String,
    pub(super) phase: Option<String>,
}

/// A lab that is up.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) order: Order,
    pub(super) title: String,
    pub(super) network: String,
    pub(super) network_reason: String,
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) took: Duration,
    pub(super) pid: u32,
    /// Where it keeps its record; private to the user, and gone with the lab.
    pub(super) record: TempDir,
}

/// What `mitmlab up --json` tells, as far as it matters here.
#[derive(Deserialize)]
struct Told {
    pid: u32,
    title: String,
    network: String,
    network_reason: String,
    control: Control,
}

#[derive(Deserialize)]
struct Control {
    url: String,
    token: String,
}

/// Starts a lab. Where the sealed network does not work and need not, the proxy network is taken, and the reason told.
pub(super) async fn start(settings: &Settings, order: Order) -> Result<(Up, Child), String> {
    let mut why = String::new();
    for network in settings.network.tries() {
        match start_on(settings, &order, network).await {
            Ok((mut up, child)) => {
                if !why.is_empty() {
                    up.network_reason = format!("the sealed network does not work here: {why}");
                }
                return Ok((up, child));
            }
            Err(told) => why = told,
        }
    }
    Err(why)
}

/// Ends a lab: politely, then by force.
pub(super) async fn end(mut child: Child) {
    drop(child.stdin.take());
    if tokio::time::timeout(PATIENCE_TO_END, child.wait()).await.is_err() {
        let _ = child.kill().await; // it may have ended just now
    }
}

async fn start_on(settings: &Settings, order: &Order, network: &str) -> Result<(Up, Child), String> {
    let begun = Instant::now();
    let failed = |tried: &str, error: std::io::Error| format!("cannot {tried}: {error}");
    let record = tempfile::Builder::new().prefix("mitmlab-workshop-").tempdir();
    let record = record.map_err(|e| failed("make a private folder for the record", e))?;
    let mut command = command(settings, order, network, record.path());
    let mut child = command.spawn().map_err(|e| failed("start the lab", e))?;
    let said = child.stderr.take().map(|stderr| tokio::spawn(last_words(stderr)));
    let line = tokio::time::timeout(PATIENCE_TO_START, first_line(&mut child)).await.unwrap_or_default();
    let Ok(told) = serde_json::from_str::<Told>(&line) else {
        end(child).await;
        let said = match said {
            Some(said) => said.await.unwrap_or_default(),
            None => String::new(),
        };
        let said = said.trim().trim_start_matches("mitmlab: ");
        return Err(if said.is_empty() { "the lab ended without a word".to_owned() } else { said.to_owned() });
    };
    let address = told.control.url.trim_start_matches("http://").parse();
    let address = address.map_err(|e| format!("the lab told no address of its control API: {e}"))?;
    let up = Up {
        order: order.clone(),
        title: told.title,
        network: told.network,
        network_reason: told.network_reason,
        address,
        token: told.control.token,
        took: begun.elapsed(),
        pid: told.pid,
        record,
    };
    Ok((up, child))
}

fn command(settings: &Settings, order: &Order, network: &str, record: &Path) -> Command {
    let mut command = Command::new(&settings.program);
    command.args(["up", &order.scenario, "--json", "--until-eof", "--network", network]);
    command.arg("--record").arg(record);
    if let Some(phase) = &order.phase {
        command.args(["--phase", phase]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0); // Ctrl-C is for the workshop, which ends its labs
    command
}

async fn first_line(child: &mut Child) -> String {
    let Some(stdout) = child.stdout.take() else { return String::new() };
    let mut line = String::new();
    let _ = BufReader::new(stdout.take(LONGEST_LINE)).read_line(&mut line).await; // what is no JSON is told as a failure
    line
}

/// Reads what the lab complains of until its end, and keeps the end of it.
async fn last_words(mut stderr: ChildStderr) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stderr.read(&mut piece).await {
        kept.extend_from_slice(&piece[..count]);
        let surplus = kept.len().saturating_sub(MOST_WORDS);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// A lab is up in some 0.2 s; thirty at once on two cores take their time, and making RSA keys too.
const PATIENCE_TO_START: Duration = Duration::from_secs(90);
/// It ends its clients and its namespaces.
const PATIENCE_TO_END: Duration = Duration::from_secs(5);
/// Bytes; the line has some hundred.
const LONGEST_LINE: u64 = 64 * 1024;
/// Bytes of complaint that are kept.
const MOST_WORDS: usize = 4096;
