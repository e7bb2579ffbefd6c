//! What the trials share: one network, its echo servers and resolvers, and programs that are run in it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use mitmlab::network::sealed::{self, At, Divert, Ended, Entered, Sealed, SpawnSpec, Stdio, Topology};
use mitmlab::scenario::{Place, Transport, Vantage};

pub(crate) const FOREIGN: &str = "198.51.100.7";
pub(crate) const FOREIGN_V6: &str = "2001:db8:f::7";
pub(crate) const DOMESTIC: &str = "203.0.113.5";
pub(crate) const DOMESTIC_V6: &str = "2001:db8:d::5";
pub(crate) const NOWHERE: &str = "192.0.2.99";
pub(crate) const ROLE: &str = "MITMLAB_SEALED_ROLE";

pub(crate) static LAB: OnceLock<Lab> = OnceLock::new();

pub(crate) struct Lab {
    pub(crate) sealed: Sealed,
    pub(crate) entered: Entered,
    pub(crate) on_the_host: SocketAddr,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) before: String,
}

pub(crate) type Outcome = Result<(), Failed>;

pub(crate) fn topology() -> Topology {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
    Topology {
        hops_inside: 2,
        hops_outside: 1,
        ipv6: true,
        inside_sites: addresses(&[DOMESTIC, DOMESTIC_V6]),
        outside_sites: addresses(&[FOREIGN, FOREIGN_V6]),
        diverted: vec![Divert { transport: Transport::Tcp, port: 4443 }],
    }
}

impl Lab {
    /// Echo servers on port 80 and 4443 of both places, and resolvers on port 53.
    pub(crate) fn serve(&'static self) {
        for place in [Place::Inside, Place::Outside] {
            for port in [80, 4443] {
                let listener = self.sealed.listen_tcp(place, port).expect("a listener");
                listener.set_nonblocking(false).expect("blocking");
                std::thread::spawn(move || echo(&listener));
            }
            let udp = self.sealed.bind_udp(place, 53).expect("a datagram socket");
            let tcp = self.sealed.listen_tcp(place, 53).expect("a listener");
            udp.set_nonblocking(false).expect("blocking");
            tcp.set_nonblocking(false).expect("blocking");
            std::thread::spawn(move || {
                let mut buffer = [0; 512];
                while let Ok(query) = sealed::receive(&udp, &mut buffer) {
                    let _ = sealed::send(&udp, &answer(&buffer[..query.length], query.local), query.local, query.peer);
                }
            });
            std::thread::spawn(move || tcp.incoming().flatten().for_each(|stream| drop(resolve(stream))));
        }
        let here = self.sealed.run_in(At::Box, || std::fs::read_link("/proc/thread-self/ns/net")).expect("the box");
        let there = self.sealed.run_in(At::Inside, || std::fs::read_link("/proc/thread-self/ns/net")).expect("the inside");
        assert_ne!(here.expect("a namespace"), there.expect("a namespace"));
    }

    pub(crate) fn inside(&self, script: &str) -> Result<String, Failed> {
        let child = self.sealed.spawn(self.sealed.reserve(Vantage::Inside), shell(script))?;
        self.finish(child).map(|(_, out)| out)
    }

    pub(crate) fn finish(&self, mut child: sealed::SealedChild) -> Result<(Ended, String), Failed> {
        let mut out = String::new();
        let mut error = child.stderr.take().ok_or("no standard error")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            error.read_to_string(&mut text).map(|_| text)
        });
        child.stdout.take().ok_or("no standard output")?.read_to_string(&mut out)?;
        out.push_str(&reader.join().map_err(|_| "the reader panicked")??);
        let wait = async { tokio::time::timeout(Duration::from_secs(20), child.wait()).await };
        let end = self.runtime.block_on(wait).map_err(|_| "it did not end")?;
        Ok((end, out))
    }
}

fn echo(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let [client, destination] = [stream.peer_addr(), stream.local_addr()].map(|a| a.expect("connected").ip().to_canonical());
        let body = format!("client={client} destination={destination}\n");
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    }
}

fn resolve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query)?;
    let answer = answer(&query, stream.local_addr()?.ip().to_canonical());
    stream.write_all(&u16::try_from(answer.len()).unwrap_or(0).to_be_bytes())?;
    stream.write_all(&answer)
}

/// A TXT answer with the address that was asked (RFC 1035 section 4).
fn answer(query: &[u8], asked: IpAddr) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).map_or(0, |at| at + 5);
    let text = asked.to_string();
    let length = u8::try_from(text.len()).expect("an address is short");
    let mut answer = [&query[..2], &[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0], &query[12..end]].concat();
    answer.extend([0xc0, 12, 0, 16, 0, 3, 0, 0, 0, 0, 0, length + 1, length]);
    answer.extend(text.bytes());
    answer
}

pub(crate) fn shell(script: &str) -> SpawnSpec {
    SpawnSpec {
        argv: ["sh", "-c", script].map(OsString::from).to_vec(),
        env: vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())],
        cwd: PathBuf::from("/"),
        binds: Vec::new(),
        covers: Vec::new(),
        nameservers: Vec::new(),
        stdio: Stdio::Piped,
    }
}

/// Runs this program as an ordinary user, before this process has entered anything.
pub(crate) fn as_nobody() -> Outcome {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let copy = dir.path().join("sealed_network");
    std::fs::copy(std::env::current_exe()?, &copy)?;
    let output = Command::new(&copy).env(ROLE, "nobody").current_dir("/").uid(65534).gid(65534).output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("as nobody: {}", text.lines().rfind(|line| line.starts_with("test result")).unwrap_or_default());
    // A kernel that lets only root make namespaces is no fault of the lab; the doctor's trial says which it is.
    let refused = text.contains("`mitmlab doctor` says what to change");
    let ran = output.status.success() && !text.contains("no sealed network here");
    if ran || refused { Ok(()) } else { Err(text.into()) }
}

pub(crate) fn resolver_files() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    ["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts"].map(read).concat()
}

/// A duration for `sleep` that nobody else uses.
pub(crate) fn mark(number: u32) -> String {
    format!("{}.{}", 300 + number, std::process::id())
}

/// How many processes have the mark in their command line or environment.
pub(crate) fn running(mark: &str) -> usize {
    let has = |path: PathBuf| std::fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(mark));
    let marked = |process: &&PathBuf| has(process.join("cmdline")) || has(process.join("environ"));
    processes().iter().filter(marked).count()
}

pub(crate) fn processes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let numbered = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok());
    entries.map(|paths: Vec<PathBuf>| paths.into_iter().filter(numbered).collect()).unwrap_or_default()
}

pub(crate) fn until(mut holds: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if holds() {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err("it did not become true within five seconds".into())
}

pub(crate) fn expect(out: &str, wanted: &str) -> Outcome {
    if out == wanted { Ok(()) } else { Err(format!("wanted {wanted:?}, got {out:?}").into()) }
}

pub(crate) fn contains(out: &str, wanted: &str) -> Outcome {
    if out.contains(wanted) { Ok(()) } else { Err(format!("wanted {wanted:?} in {out:?}").into()) }
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(left: T, right: T) -> Outcome {
    if left == right { Ok(()) } else { Err(format!("{left:?} is not {right:?}").into()) }
}

/// A lab that is killed by [`sigkill`].
pub(crate) fn victim() -> ExitCode {
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        let mark = std::env::var("MARK")?;
        let entered = sealed::enter()?;
        let sealed = Sealed::build(&entered, &topology())?;
        let script = format!("setsid sleep {mark} & (setsid sh -c 'trap \"\" TERM; sleep {mark}; true' &) ; sleep {mark}");
        let _child = sealed.spawn(sealed.reserve(Vantage::Inside), shell(&script))?;
        println!("ready");
        std::io::stdin().read_to_end(&mut Vec::new())?;
        std::thread::park();
        Ok(())
    };
    run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
