//! The proxy network: `mitmlab up` as a child, an origin as another, and the load from here.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use mitmlab::lab::{Lab, On, Order};
use mitmlab::record::LegKind;
use mitmlab::scenario::{Trust, Vantage};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::load::Target;
use crate::measure::{cpu, median, resident, timed, until_listening};
use crate::{Outcome, row};

/// A process that ends with the measurement.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// Prints the proxy network's part of the table.
pub(crate) fn report() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (origin, proxy) = (free_port()?, free_port()?);
    write_files(folder.path(), origin)?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let served = Command::new(std::env::current_exe()?)
        .args(["serve", &origin.to_string(), &file("leaf.pem"), &file("leaf.key")])
        .spawn()?;
    let _served = Killed(served);
    until_listening(([127, 0, 0, 1], origin).into())?;
    let starts =
        (0..10).map(|_| up(&file("bench.toml"), &file("root.pem"), proxy).map(|(_, ms)| ms)).collect::<Outcome<Vec<_>>>()?;
    row("start of the process to an open port (P-256 root)", median(starts), "ms");
    let (lab, _) = up(&file("bench.toml"), &file("root.pem"), proxy)?;
    let pid = lab.0.id();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let at = |name, roots: &str| {
        Target::new(name, ([127, 0, 0, 1], origin).into(), &file(roots), Some(([127, 0, 0, 1], proxy).into()))
    };
    let (read, passed) = (at("h1.bench.test", "root.pem")?, at("splice.bench.test", "origin-ca.pem")?);
    runtime.block_on(read.run("handshakes", 200, 8))?;
    let measured = |target: &Target, mode: &str, count: u64, abreast: u64| -> Outcome<(f64, f64)> {
        let before = cpu(pid)?;
        let (seconds, _) = runtime.block_on(target.run(mode, count, abreast))?;
        Ok((seconds, cpu(pid)? - before))
    };
    let (seconds, used) = measured(&read, "handshakes", 2000, 32)?;
    row("intercepted handshake, 32 abreast: CPU of the box (X25519)", used * 1e3 / 2000.0, "ms");
    row("intercepted handshakes, 32 abreast", 2000.0 / seconds, "/s");
    let (seconds, used) = measured(&read, "requests", 40_000, 32)?;
    row("request on a kept connection, 32 abreast: CPU of the box", used * 1e6 / 40_000.0, "us");
    row("requests on kept connections, 32 abreast", 40_000.0 / seconds, "/s");
    for (what, target) in [("intercepted", &read), ("passed untouched", &passed)] {
        let (seconds, used) = measured(target, "bulk", BULK, 1)?;
        row(&format!("256 MiB, {what}"), BULK as f64 / 1e6 / seconds, "MB/s");
        row(&format!("256 MiB, {what}: CPU of the box"), used / (BULK as f64 / 1e9), "s/GB");
    }
    drop(lab);
    let (lab, _) = up(&file("bench.toml"), &file("root.pem"), proxy)?;
    let read = at("h1.bench.test", "root.pem")?; // another start, another root
    row("an idle intercepted connection: resident memory", runtime.block_on(idle(&read, lab.0.id()))?, "KiB");
    let (bare, leg) = runtime.block_on(legs(&file("bench.toml"), On::proxy()))?;
    row("a leg that runs `true`, beyond `true` itself", leg - bare, "ms");
    Ok(())
}

/// Milliseconds of `true` by itself, and of a leg that runs it.
pub(crate) async fn legs(scenario: &str, on: On<'_>) -> Outcome<(f64, f64)> {
    let bare = (0..20).map(|_| timed(&mut Command::new("true"))).collect::<Outcome<Vec<_>>>()?;
    let profiles: Vec<&str> = mitmlab::forge::profiles().iter().map(|listed| listed.name).collect();
    let plan = mitmlab::scenario::load(scenario, &profiles).map_err(|e| e.to_string())?;
    let clock = plan.clock;
    let lab = Lab::start(plan, on).await?;
    let mut all = Vec::new();
    for _ in 0..21 {
        let order = Order {
            check: None,
            kind: LegKind::Free,
            argv: vec!["true".to_owned()],
            url: None,
            trust: Trust::Web,
            vantage: Vantage::Inside,
            phase: 0,
            clock,
            speed: 1.0,
            deadline: std::time::Duration::from_secs(30),
            terminal: false,
            coins: 0,
        };
        let began = Instant::now();
        lab.leg(order).await?;
        all.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok((median(bare), median(all.split_off(1)))) // the first one writes the trust store
}

/// KiB for each of 1,000 connections that have answered once and are silent.
async fn idle(target: &Target, pid: u32) -> Outcome<f64> {
    let mut warm = target.connect().await?;
    target.get(&mut warm, 2).await?;
    let before = resident(pid)?;
    let mut held = Vec::new();
    for _ in 0..1000 {
        let mut stream = target.connect().await?;
        target.get(&mut stream, 2).await?;
        held.push(stream);
    }
    let kib = (resident(pid)? - before) / 1000.0;
    for stream in &mut held {
        target.get(stream, 2).await?; // each must still be alive
    }
    Ok(kib)
}

/// Starts the lab; milliseconds until its port accepted.
fn up(scenario: &str, root: &str, port: u16) -> Outcome<(Killed, f64)> {
    let _ = std::fs::remove_file(root); // there is none yet at the first start
    let began = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_mitmlab"))
        .args(["up", scenario, "--network", "proxy", "--proxy-port", &port.to_string(), "--root", root])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = Killed(child);
    until_listening(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let open = began.elapsed().as_secs_f64() * 1e3;
    // What it prints comes last, so that its root is no longer that of the start before.
    let stdout = child.0.stdout.as_mut().ok_or("no standard output")?;
    while stdout.read(&mut [0; 1024])? != 0 && began.elapsed().as_secs() < 20 {
        if std::fs::metadata(root).is_ok_and(|file| file.len() > 0) {
            return Ok((child, open));
        }
    }
    Err(format!("`mitmlab up` wrote no root to {root}").into())
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The scenario with the origin's port in it, a root, and the origin's certificate.
fn write_files(folder: &Path, port: u16) -> Outcome<()> {
    let scenario = include_str!("../peers/bench.toml").replace("9443", &port.to_string());
    std::fs::write(folder.join("bench.toml"), scenario)?;
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "benchmark origin");
    std::fs::write(folder.join("origin-ca.pem"), ca.self_signed(&ca_key)?.pem())?;
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["*.bench.test".to_owned()])?.signed_by(&leaf_key, &rcgen::Issuer::new(ca, ca_key))?;
    std::fs::write(folder.join("leaf.pem"), leaf.pem())?;
    std::fs::write(folder.join("leaf.key"), leaf_key.serialize_pem())?;
    Ok(())
}

const BULK: u64 = 256 << 20;
