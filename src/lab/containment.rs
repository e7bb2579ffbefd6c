//! The containment proof: what is checked of a run, not assumed. Each statement holds or does not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use super::Lab;

/// `containment.json`: the statements, and what they were read from.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    statements: Vec<(String, bool)>,
    /// By network namespace of this process: its interfaces, routes, listening and bound sockets, as proc(5) tells them.
    networks: BTreeMap<String, BTreeMap<&'static str, Vec<String>>>,
    /// Files of the run's own folder, with their lengths: certificates, never a key of the authority.
    files: BTreeMap<String, u64>,
}

/// The proof, for a recording.
pub(super) fn proof(lab: &Lab) -> Proof {
    let mut files = BTreeMap::new();
    list(lab.0.folder.path(), "", &mut files);
    Proof { statements: statements(lab), networks: networks(), files }
}

fn list(folder: &Path, below: &str, files: &mut BTreeMap<String, u64>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.metadata() {
            Ok(found) if found.is_dir() => list(&entry.path(), &format!("{name}/"), files),
            Ok(found) => drop(files.insert(name, found.len())),
            Err(_) => {} // gone while we looked
        }
    }
}

/// Every namespace that a thread of this process is in.
#[cfg(target_os = "linux")]
fn networks() -> BTreeMap<String, BTreeMap<&'static str, Vec<String>>> {
    let mut all = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(space) = std::fs::read_link(task.path().join("ns/net")) else { continue };
        all.entry(space.display().to_string()).or_insert_with(|| {
            let table = |name: &'static str| {
                let text = std::fs::read_to_string(task.path().join("net").join(name)).unwrap_or_default();
                (name, text.lines().skip(1).map(|line| line.trim_end().to_owned()).collect())
            };
            ["dev", "route", "ipv6_route", "tcp", "tcp6", "udp", "udp6"].into_iter().map(table).collect()
        });
    }
    all
}

/// Not told without a system interface.
#[cfg(not(target_os = "linux"))]
fn networks() -> BTreeMap<String, BTreeMap<&'static str, Vec<String>>> {
    BTreeMap::new()
}

/// The statements of a run.
pub(super) fn statements(lab: &Lab) -> Vec<(String, bool)> {
    let mut statements = Vec::new();
    #[cfg(target_os = "linux")]
    statements.extend(of_this_process(lab.network()));
    statements.push(("every connection of the record is to an address of the world".to_owned(), only_to_the_world(lab)));
    statements.push(("no file of the run's folder holds a private key".to_owned(), !holds_a_key(lab.0.folder.path())));
    statements
}

fn only_to_the_world(lab: &Lab) -> bool {
    let world = &lab.plan().world;
    let known = |ip: IpAddr| world.sites.iter().any(|site| site.addresses.contains(&ip));
    lab.recorder().connections().iter().all(|c| known(c.destination.ip()) || world.isp_resolver.contains(&c.destination.ip()))
}

/// Every file of the run's folder is read: certificates only, no PEM or DER of a private key. Programs that serve sites have
/// the site's own genuine key in a folder of their own.
fn holds_a_key(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return holds_a_key(&path);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY))
    })
}

#[cfg(target_os = "linux")]
fn of_this_process(network: &str) -> Vec<(String, bool)> {
    match network {
        "sealed" => vec![
            ("the box's namespace has no interface but the lab's own".to_owned(), only_own_interfaces()),
            ("no route leads out: every interface ends in the lab".to_owned(), only_own_interfaces()),
        ],
        _ => vec![("every listener of this process is on loopback".to_owned(), only_loopback_listeners())],
    }
}

/// Interfaces of this process's network namespace: loopback, and veth ends whose other ends are in the lab's namespaces.
#[cfg(target_os = "linux")]
fn only_own_interfaces() -> bool {
    let Ok(text) = std::fs::read_to_string("/proc/self/net/dev") else { return false };
    let mut names = text.lines().skip(2).filter_map(|line| line.split(':').next().map(str::trim));
    names.all(|name| name == "lo" || crate::network::sealed::is_own_link(name))
}

/// Listening TCP sockets that belong to this process (by inode) and are bound to anything but loopback.
#[cfg(target_os = "linux")]
fn only_loopback_listeners() -> bool {
    let own = own_sockets();
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().all(|table| {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        text.lines().skip(1).all(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&LISTEN) && fields.get(9).is_some_and(|inode| own.contains(*inode));
            !listens || fields.get(1).is_some_and(|address| is_loopback(address))
        })
    })
}

#[cfg(target_os = "linux")]
fn own_sockets() -> std::collections::HashSet<String> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Default::default() };
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let name = |link: std::path::PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter_map(name).collect()
}

/// `0100007F:1F90` and `00000000000000000000000001000000:1F90` (proc(5), host byte order in words of four).
#[cfg(target_os = "linux")]
fn is_loopback(address: &str) -> bool {
    let host = address.split(':').next().unwrap_or_default();
    match host.len() {
        8 => host.ends_with("7F"),
        32 => {
            host == "00000000000000000000000001000000" || (host.starts_with("0000000000000000FFFF0000") && host.ends_with("7F"))
        }
        _ => false,
    }
}

const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
/// TCP_LISTEN in the tables of proc(5).
#[cfg(target_os = "linux")]
const LISTEN: &str = "0A";
