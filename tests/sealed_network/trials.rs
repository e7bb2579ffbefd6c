//! The trials: what a client, a server and the host may expect of the sealed network.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use mitmlab::network::sealed::{self, Ended, OriginSpec, Sealed, Stdio, doctor};
use mitmlab::scenario::{Place, Transport, Vantage};

use crate::lab::*;

pub(crate) fn main() -> ExitCode {
    let role = std::env::var(ROLE).unwrap_or_default();
    if role == "victim" {
        return victim();
    }
    let before = resolver_files();
    let nobody = if role.is_empty() && rustix::process::geteuid().is_root() { as_nobody() } else { Ok(()) };
    let arguments = Arguments::from_args();
    let own_server = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener of the host");
    let on_the_host = own_server.local_addr().expect("its address");
    let started = Instant::now();
    match sealed::enter().and_then(|entered| Ok((Sealed::build(&entered, &topology())?, entered))) {
        Ok((sealed, entered)) => {
            eprintln!("enter and build: {:?}", started.elapsed());
            drop(sealed);
            let sealed = Sealed::build(&entered, &topology()).expect("another network after the first");
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            let lab = LAB.get_or_init(|| Lab { sealed, entered, runtime, before, on_the_host });
            lab.serve();
            let wired = wire(lab); // alone: it diverts a port that the others use
            libtest_mimic::run(&arguments, trials(nobody, wired, false)).exit_code()
        }
        Err(error) => {
            eprintln!("no sealed network here: {error}");
            libtest_mimic::run(&arguments, trials(nobody, Ok(()), true)).exit_code()
        }
    }
}

fn trials(nobody: Outcome, wired: Outcome, ignored: bool) -> Vec<Trial> {
    let list: [(&str, Run); 20] = [
        ("an_inside_client_is_seen_by_its_own_address", own_address),
        ("ipv6_works_at_once", ipv6),
        ("a_domestic_site_is_reached_without_the_box", domestic),
        ("an_outside_client_reaches_both_places", outside_client),
        ("port_53_answers_at_any_address", any_resolver),
        ("an_address_outside_the_world_is_unreachable", nowhere),
        ("every_router_takes_one_from_the_ttl", hops),
        ("diverted_packets_do_not_pass_by_themselves", diverted),
        ("the_box_speaks_with_a_client_address", box_socket),
        ("a_client_sees_its_resolver_and_prepared_files", files),
        ("covered_directories_are_empty_but_for_what_is_put_there", covered),
        ("a_client_keeps_its_user_and_gains_no_privilege", privileges),
        ("a_client_gets_no_descriptor_of_the_lab", descriptors),
        ("the_end_of_a_client_ends_what_it_started", daemons),
        ("kill_ends_the_tree", kill),
        ("a_missing_program_is_an_error", missing_program),
        ("a_server_of_the_users_own_listens_where_sites_are", own_server),
        ("sigkill_of_the_lab_leaves_nothing", sigkill),
        ("only_the_lab_reaches_the_hosts_loopback", host_loopback),
        ("the_host_is_untouched", untouched),
    ];
    let mut trials: Vec<Trial> = list
        .into_iter()
        .map(|(name, run)| Trial::test(name, move || run(LAB.get().ok_or("no lab")?)).with_ignored_flag(ignored))
        .collect();
    trials.push(Trial::test("what_the_wire_passes_on_arrives", move || wired).with_ignored_flag(ignored));
    trials.push(Trial::test("the_doctor_says_whether_it_works", move || examination(ignored)));
    trials.push(Trial::test("all_of_it_works_for_an_ordinary_user", move || nobody));
    trials
}

type Run = fn(&'static Lab) -> Outcome;

fn own_address(lab: &Lab) -> Outcome {
    let started = Instant::now();
    let addresses = lab.sealed.reserve(Vantage::Inside);
    let child = lab.sealed.spawn(addresses, shell(&format!("curl -sS -m 5 http://{FOREIGN}/")))?;
    eprintln!("spawn: {:?}", started.elapsed());
    let (end, out) = lab.finish(child)?;
    expect(&out, &format!("client={} destination={FOREIGN}\n", addresses.v4))?;
    same(end, Ended::Code(0))
}

fn ipv6(lab: &Lab) -> Outcome {
    let addresses = lab.sealed.reserve(Vantage::Inside);
    let (_, out) = lab.finish(lab.sealed.spawn(addresses, shell(&format!("curl -sS -m 5 'http://[{FOREIGN_V6}]/'")))?)?;
    let six = addresses.v6.ok_or("no IPv6 address")?;
    expect(&out, &format!("client={six} destination={FOREIGN_V6}\n"))
}

fn domestic(lab: &Lab) -> Outcome {
    let out = lab.inside(&format!("curl -sS -m 5 http://{DOMESTIC}/ && ping -c1 -W2 -t1 {DOMESTIC} | grep -o 'ttl=.*' "))?;
    contains(&out, &format!("destination={DOMESTIC}\n"))?;
    contains(&out, "ttl=64")
}

fn outside_client(lab: &Lab) -> Outcome {
    let addresses = lab.sealed.reserve(Vantage::Outside);
    let script =
        format!("curl -sS -m 5 http://{DOMESTIC}/; curl -sS -m 5 http://{FOREIGN}/; curl -sS -m 5 'http://[{DOMESTIC_V6}]/'");
    let (_, out) = lab.finish(lab.sealed.spawn(addresses, shell(&script))?)?;
    contains(&out, &format!("client={} destination={DOMESTIC}\n", addresses.v4))?;
    contains(&out, &format!("client={} destination={FOREIGN}\n", addresses.v4))?;
    contains(&out, &format!("destination={DOMESTIC_V6}\n"))
}

fn any_resolver(lab: &Lab) -> Outcome {
    let query = "dig +time=3 +tries=1 +short chaos txt asked";
    let out = lab.inside(&format!("{query} @9.9.9.9; {query} @2620:fe::fe; {query} +tcp @1.1.1.1; {query} @{DOMESTIC}"))?;
    for address in ["9.9.9.9", "2620:fe::fe", "1.1.1.1", DOMESTIC] {
        contains(&out, &format!("\"{address}\""))?;
    }
    Ok(())
}

fn nowhere(lab: &Lab) -> Outcome {
    let started = Instant::now();
    let out = lab.inside(&format!(
        "curl -sS -m 8 http://{NOWHERE}/; echo code=$?; curl -sS -m 8 'http://[2001:db8:ffff::1]/'; echo code=$?"
    ))?;
    same(out.matches("code=7").count(), 2).map_err(|_| Failed::from(out))?;
    if started.elapsed() > Duration::from_secs(4) {
        return Err("it took a timeout, not an ICMP message, to notice".into());
    }
    Ok(())
}

fn hops(lab: &Lab) -> Outcome {
    // Two inside, the box, one outside; the site is the fifth. An answer of a foreign site has passed four routers.
    let out = lab.inside(&format!(
        "ping -n -c1 -W2 {FOREIGN} | grep -o 'ttl=[0-9]*'; \
         for t in 1 2 3 4 5; do ping -n -c1 -W2 -t$t {FOREIGN} | sed -n 2p; ping -6 -n -c1 -W2 -t$t {FOREIGN_V6} | sed -n 2p; done"
    ))?;
    contains(&out, "ttl=60")?;
    same(out.matches("Time to live exceeded").count() + out.matches("Hop limit").count(), 8)
        .map_err(|_| Failed::from(out.clone()))?;
    same(out.matches("bytes from 198.51.100.7").count() + out.matches("bytes from 2001:db8:f::7").count(), 2)
        .map_err(|_| Failed::from(out))
}

fn diverted(lab: &Lab) -> Outcome {
    let curl = format!("curl -sS -m 1 http://{FOREIGN}:4443/; echo code=$?");
    contains(&lab.inside(&curl)?, "code=28")?;
    lab.sealed.undivert(Transport::Tcp, 4443)?;
    contains(&lab.inside(&curl)?, &format!("destination={FOREIGN}\n"))?;
    lab.sealed.divert(Transport::Tcp, 4443)?;
    let links = lab.sealed.wire_links();
    same(links.d0.mac != links.d1.mac && links.h0.index != links.h1.index, true)
}

fn box_socket(lab: &Lab) -> Outcome {
    let client: IpAddr = "100.64.9.9".parse()?;
    let to = format!("{FOREIGN}:80").parse()?;
    // The answer would be routed on to the client; the wire brings it back. Here it is enough that the socket is bound.
    let socket = lab.sealed.box_socket_as(client, to)?;
    same(socket.local_addr()?.as_socket().map(|local| local.ip()), Some(client))?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        other => return Err(format!("connect: {other:?}").into()),
    }
    let port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
    same(port >= 61000, true)
}

fn files(lab: &Lab) -> Outcome {
    let addresses = lab.sealed.reserve(Vantage::Inside);
    let prepared = tempfile::NamedTempFile::new()?;
    std::fs::write(prepared.path(), "hosts: files dns\n")?;
    let mut spec = shell(
        "cat /etc/resolv.conf /etc/nsswitch.conf; ls -A /run/dbus 2>/dev/null; pwd; echo pid=$$; ls -d /proc/[0-9]* | wc -l",
    );
    spec.nameservers = vec!["203.0.113.53".parse()?, FOREIGN_V6.parse()?];
    spec.binds = vec![
        (prepared.path().to_owned(), PathBuf::from("/etc/nsswitch.conf")),
        (prepared.path().to_owned(), PathBuf::from("/etc/no/such/file")),
    ];
    let child = lab.sealed.spawn(addresses, spec)?;
    let missing: Vec<_> = child.missing.clone();
    let (_, out) = lab.finish(child)?;
    let first = format!("nameserver 203.0.113.53\nnameserver {FOREIGN_V6}\nhosts: files dns\n/\npid=2\n");
    contains(&out, &first)?;
    same(missing, vec![PathBuf::from("/etc/no/such/file")])
}

fn covered(lab: &Lab) -> Outcome {
    // As where /etc/resolv.conf is a link into a directory that is covered.
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let (run, prepared) = (dir.path().join("run"), dir.path().join("prepared"));
    std::fs::create_dir_all(&run)?;
    std::fs::create_dir_all(&prepared)?;
    std::fs::write(run.join("socket"), "")?;
    std::fs::write(prepared.join("stub"), "prepared\n")?;
    std::os::unix::fs::symlink("run/deep/stub", dir.path().join("link"))?;
    let mut spec = shell(&format!("cd {}; ls run; cat link run/certs/stub", dir.path().display()));
    spec.covers = vec![run.clone()];
    spec.binds = vec![(prepared.join("stub"), dir.path().join("link")), (prepared, run.join("certs"))];
    let child = lab.sealed.spawn(lab.sealed.reserve(Vantage::Inside), spec)?;
    same(child.missing.len(), 0)?;
    expect(&lab.finish(child)?.1, "certs\ndeep\nprepared\nprepared\n")?;
    same(run.join("socket").exists() && !run.join("deep").exists(), true)
}

fn privileges(lab: &Lab) -> Outcome {
    let out = lab.inside("id -u; grep CapEff /proc/self/status; touch /etc/mitmlab-was-here 2>/dev/null && rm /etc/mitmlab-was-here; ip link del eth0 2>&1")?;
    let me = rustix::process::geteuid();
    contains(&out, &format!("{}\n", me.as_raw()))?;
    if me.is_root() { Ok(()) } else { contains(&out, "CapEff:\t0000000000000000") }
}

fn descriptors(lab: &Lab) -> Outcome {
    // Opened without close-on-exec, as a careless parent of the lab would have left it.
    let leak = std::fs::File::open("/dev/null")?;
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty())?;
    let out = lab.inside("for f in /proc/self/fd/*; do echo ${f##*/}; done")?;
    // 3 is the shell's own, for the directory.
    match out.split_whitespace().all(|fd| fd.parse::<u32>().is_ok_and(|fd| fd <= 3)) {
        true => Ok(()),
        false => Err(out.into()),
    }
}

fn daemons(lab: &Lab) -> Outcome {
    let mark = mark(1);
    let started = Instant::now();
    let out = lab.inside(&format!("setsid sleep {mark} & setsid sh -c 'trap \"\" TERM HUP; sleep {mark}' & echo done"))?;
    contains(&out, "done")?;
    same(started.elapsed() < Duration::from_secs(5), true)?;
    same(running(&mark), 0)
}

fn kill(lab: &Lab) -> Outcome {
    let mark = mark(2);
    let child = lab.sealed.spawn(lab.sealed.reserve(Vantage::Inside), shell(&format!("setsid sleep {mark} & sleep {mark}")))?;
    until(|| running(&mark) >= 2)?;
    same(child.ended(), None)?;
    child.kill();
    same(lab.runtime.block_on(child.wait()), Ended::Signal(9))?;
    same(running(&mark), 0)?;
    let child = lab.sealed.spawn(lab.sealed.reserve(Vantage::Outside), shell(&format!("sleep {mark}")))?;
    until(|| running(&mark) >= 1)?;
    drop(child);
    until(|| running(&mark) == 0)
}

fn missing_program(lab: &Lab) -> Outcome {
    let mut spec = shell("");
    spec.argv = vec!["no-such-program".into()];
    let error = lab.sealed.spawn(lab.sealed.reserve(Vantage::Inside), spec.clone()).err().ok_or("it ran")?;
    contains(&error.to_string(), "`no-such-program` is not in the PATH")?;
    spec.argv = vec!["/etc/passwd".into()];
    let error = lab.sealed.spawn(lab.sealed.reserve(Vantage::Inside), spec.clone()).err().ok_or("it ran")?;
    contains(&error.to_string(), "cannot execute for `/etc/passwd`: Permission denied")?;
    spec.cwd = "/no/such/directory".into();
    let error = lab.sealed.spawn(lab.sealed.reserve(Vantage::Inside), spec).err().ok_or("it ran")?;
    contains(&error.to_string(), "cannot enter the working directory")
}

fn own_server(lab: &Lab) -> Outcome {
    let script = "import socket; s=socket.create_server(('0.0.0.0', 25)); print('up', flush=True)\n\
                  while True:\n c,_=s.accept(); c.sendall(c.getsockname()[0].encode()); c.close()";
    let spec = shell("");
    let argv = ["/usr/bin/python3", "-c", script].map(OsString::from).to_vec();
    let origin = OriginSpec { place: Place::Outside, argv, env: spec.env, cwd: spec.cwd, stdio: Stdio::Piped };
    let mut server = lab.sealed.spawn_origin(origin)?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    expect(&line, "up\n")?;
    contains(&lab.inside(&format!("curl -sS -m 5 telnet://{FOREIGN}:25 < /dev/null"))?, FOREIGN)
}

fn sigkill(_: &Lab) -> Outcome {
    let mark = mark(3);
    let mut victim = Command::new(std::env::current_exe()?)
        .env(ROLE, "victim")
        .env("MARK", &mark)
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(victim.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    expect(&line, "ready\n")?;
    until(|| running(&mark) >= 3)?;
    let namespace = std::fs::read_link(format!("/proc/{}/ns/net", victim.id()))?;
    victim.kill()?;
    victim.wait()?;
    until(|| running(&mark) == 0)?;
    let in_it = |entry: &Path| std::fs::read_link(entry.join("ns/net")).is_ok_and(|ns| ns == namespace);
    until(|| processes().iter().all(|process| !in_it(process)))
}

fn host_loopback(lab: &Lab) -> Outcome {
    let stream = lab.runtime.block_on(lab.entered.host().dial(lab.on_the_host))?;
    same(stream.peer_addr()?, lab.on_the_host)?;
    let foreign = lab.runtime.block_on(lab.entered.host().dial(format!("{FOREIGN}:80").parse()?));
    same(foreign.map_err(|error| error.kind()).err(), Some(std::io::ErrorKind::PermissionDenied))?;
    contains(&lab.inside(&format!("curl -sS -m 3 http://{}/; echo code=$?", lab.on_the_host))?, "code=7")
}

fn untouched(lab: &Lab) -> Outcome {
    same(resolver_files(), lab.before.clone())
}

fn examination(refused: bool) -> Outcome {
    let started = Instant::now();
    let list = doctor::examine();
    eprintln!("doctor: {:?}", started.elapsed());
    for one in &list {
        eprintln!("  {:28} {:5} {} {}", one.name, one.works, one.detail, one.remedy.as_deref().unwrap_or_default());
    }
    same(doctor::is_sufficient(&list), !refused)
}

/// A wire of ten lines of Python: what comes out of d1 goes back in with its TTL as it came; it needs root's privileges.
fn wire(lab: &Lab) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let links = lab.sealed.wire_links();
    let mac = |mac: sealed::Mac| mac.map(|byte| format!("{byte:02x}")).concat();
    // PACKET_VNET_HDR: ten bytes before each frame carry what offloading left undone.
    let script = format!(
        r"
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 15, 1)
s.bind(('{}', 3))
print('up', flush=True)
while True:
    f, a = s.recvfrom(70000)
    if a[2] != 4 and f[22:24] in (b'\x08\x00', b'\x86\xdd'):
        s.send(f[:10] + bytes.fromhex('{}{}') + f[22:])
",
        links.d1.name,
        mac(links.d0.mac),
        mac(links.d1.mac)
    );
    let mut wire = Command::new("/usr/bin/python3").args(["-c", &script]).stdout(std::process::Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(wire.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    lab.sealed.divert(Transport::Tcp, 80)?;
    let both = format!("curl -sS -m 3 http://{FOREIGN}/; curl -sS -m 3 'http://[{FOREIGN_V6}]/'");
    let out = lab.inside(&both);
    let inbound =
        lab.finish(lab.sealed.spawn(lab.sealed.reserve(Vantage::Outside), shell(&format!("curl -sS -m 3 http://{DOMESTIC}/")))?);
    lab.sealed.undivert(Transport::Tcp, 80)?;
    wire.kill()?;
    wire.wait()?;
    let out = out?;
    contains(&out, &format!("destination={FOREIGN}\n"))?;
    contains(&out, &format!("destination={FOREIGN_V6}\n"))?;
    contains(&inbound?.1, &format!("destination={DOMESTIC}\n"))
}
