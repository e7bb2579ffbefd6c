//! The thread of one program: it makes the program's namespaces, starts the init in them and waits for its end.
//!
//! The thread's own namespaces are the program's, so nothing has to be entered between `fork` and `execve`. The init dies
//! with this thread (PR_SET_PDEATHSIG), which is why the thread outlives it.

use std::env::split_paths;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Access, access};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open};
use rustix::thread::UnshareFlags;

use super::address::{ClientAddresses, everything, gateway, mac, single};
use super::error::SealedError;
use super::mounts::View;
use super::netlink::{End, LOOPBACK, MAIN, Netlink, To};
use super::parameters::{self, Role};
use super::program::{Ended, Joined, Program};
use super::space::{Space, open_own, unshare_net};
use super::sys::{self, Launch, Step};
use super::topology::{FIRST_CLIENT, MAC_CLIENT};

/// The network that a program gets.
#[derive(Debug)]
pub(super) enum Net {
    /// One of its own, connected to a router.
    Own(ClientAddresses, Arc<Space>),
    /// The one where sites are.
    Join(Joined),
}

/// An init with a program below it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) init: Pid,
    /// Made before anybody waits for the init, so that it stands for no other process.
    pub(super) handle: Arc<OwnedFd>,
    status: PipeReader,
}

impl Net {
    pub(super) fn addresses(&self) -> (Ipv4Addr, Option<Ipv6Addr>) {
        match self {
            Self::Own(addresses, _) => (addresses.v4, addresses.v6),
            Self::Join(_) => (Ipv4Addr::UNSPECIFIED, None),
        }
    }

    /// Gives the calling thread this network.
    fn enter(&self) -> Result<(), SealedError> {
        match self {
            Self::Own(addresses, router) => {
                unshare_net()?;
                connect(addresses, router)
            }
            Self::Join(space) => space.join(),
        }
    }
}

/// Makes the namespaces and starts the program. The calling thread belongs to it from then on.
pub(super) fn start(
    net: &Net,
    view: &View,
    program: &Program,
    stdio: Option<(PipeWriter, PipeWriter)>,
) -> Result<(Running, Vec<PathBuf>), SealedError> {
    net.enter()?;
    sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWPID)
        .map_err(|source| SealedError::Namespace { what: "mount and process namespaces", source })?;
    let missing = view.mount()?;
    Ok((launch(program, stdio)?, missing))
}

impl Running {
    /// Waits for the end of the program and of everything that it started.
    pub(super) fn finish(mut self) -> Ended {
        let mut status = [0; 4];
        let end = match self.status.read_exact(&mut status) {
            Ok(()) => ended(i32::from_ne_bytes(status)),
            Err(_) => Ended::Signal(libc::SIGKILL), // the init was killed
        };
        // Its end is seen here only when everything else in its namespace has ended (pid_namespaces(7)).
        while let Err(rustix::io::Errno::INTR) = rustix::process::waitpid(Some(self.init), WaitOptions::empty()) {}
        end
    }
}

fn launch(program: &Program, stdio: Option<(PipeWriter, PipeWriter)>) -> Result<Running, SealedError> {
    let name = || program.argv.first().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let failed = |step, source| SealedError::Start { step, program: name(), source };
    let pipe = || io::pipe().map_err(|source| failed("make pipes", source));
    let ((status, status_end), (mut failure, failure_end)) = (pipe()?, pipe()?);
    let nothing = File::open("/dev/null").map_err(|source| failed("open /dev/null", source))?;
    let fds = match &stdio {
        Some((out, err)) => [Some(nothing.as_raw_fd()), Some(out.as_raw_fd()), Some(err.as_raw_fd())],
        None => [None; 3],
    };
    let environment = program.env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    let prepared = Launch {
        program: c_string(find(program)?.into_os_string().into_vec(), "the program")?,
        argv: c_strings(program.argv.iter().map(|word| word.as_bytes().to_vec()), "an argument")?,
        env: c_strings(environment, "a variable of the environment")?,
        cwd: c_string(program.cwd.as_os_str().as_bytes().to_vec(), "the working directory")?,
        stdio: fds,
        new_session: stdio.is_some(),
        status: status_end.as_raw_fd(),
        failure: failure_end.as_raw_fd(),
    };
    let init = sys::launch(&prepared).map_err(|source| failed("fork", source))?;
    drop((status_end, failure_end, stdio));
    let handle = pidfd_open(init, PidfdFlags::empty()).map_err(|e| failed("open a handle of the process", e.into()))?;
    let running = Running { init, handle: Arc::new(handle), status };
    let mut words = [0; 8];
    if failure.read_exact(&mut words).is_err() {
        return Ok(running); // closed by `execve`: the program runs
    }
    running.finish();
    let [step, errno] = [0, 4].map(|at| i32::from_ne_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]));
    Err(failed(Step::from_raw(step).map_or("start", Step::name), io::Error::from_raw_os_error(errno)))
}

/// The program's path: as given if it has a slash, else from the `PATH` that it is started with (execvp(3)).
fn find(program: &Program) -> Result<PathBuf, SealedError> {
    let name = program.argv.first().filter(|name| !name.is_empty()).ok_or(SealedError::Words { what: "the program" })?;
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = program.env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
    split_paths(path.unwrap_or(OsStr::new(USUAL_PATH)))
        .map(|dir| program.cwd.join(dir).join(name))
        .find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
        .ok_or_else(|| SealedError::NotFound { program: OsString::from(name).to_string_lossy().into_owned() })
}

/// A pair of links between the calling thread's fresh namespace and a router, with addresses and routes on both sides.
fn connect(client: &ClientAddresses, router: &Space) -> Result<(), SealedError> {
    let ipv6 = client.v6.is_some();
    parameters::apply(Role::Client, ipv6)?;
    let own = open_own()?;
    let index = FIRST_CLIENT + client.number;
    let macs = [mac(MAC_CLIENT, client.number, 1), mac(MAC_CLIENT, client.number, 2)];
    let name = format!("c{}", client.number);
    let near = End { name: &name, index, mac: macs[0] };
    let far = End { name: "eth0", index: ETH0, mac: macs[1] };
    {
        let mut net = router.netlink();
        net.add_veth(&near, &far, Some(own.as_fd()))?;
        net.set_up(index)?;
        for address in client.all() {
            net.add_neighbour(index, address, macs[1])?;
            net.add_route(MAIN, single(address), To::Link(index))?;
        }
    }
    let mut net = Netlink::open()?;
    net.set_up(LOOPBACK)?;
    net.set_up(ETH0)?;
    client.all().try_for_each(|address| connect_client(&mut net, client, address, macs[0]))
}

fn connect_client(net: &mut Netlink, client: &ClientAddresses, address: IpAddr, router: [u8; 6]) -> Result<(), SealedError> {
    let six = address.is_ipv6();
    let gateway = gateway(client.vantage, six);
    net.add_address(ETH0, single(address))?;
    net.add_neighbour(ETH0, gateway, router)?;
    net.add_route(MAIN, single(gateway), To::Link(ETH0))?;
    net.add_route(MAIN, everything(six), To::Gateway(gateway, ETH0))
}

/// A wait status (wait(2)).
fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) { Ended::Signal(libc::WTERMSIG(status)) } else { Ended::Code(libc::WEXITSTATUS(status)) }
}

fn c_strings(words: impl Iterator<Item = Vec<u8>>, what: &'static str) -> Result<Vec<CString>, SealedError> {
    words.map(|word| CString::new(word).map_err(|_| SealedError::Words { what })).collect()
}

fn c_string(word: Vec<u8>, what: &'static str) -> Result<CString, SealedError> {
    if word.is_empty() {
        return Err(SealedError::Words { what });
    }
    CString::new(word).map_err(|_| SealedError::Words { what })
}

/// Index of the client's link. Kernels with tunnels built in use the first ones.
const ETH0: u32 = 100;
/// What a shell uses when it has no `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::network::sealed::Stdio;

    fn program(name: &str, path: &str) -> Program {
        let env = vec![("PATH".into(), path.into())];
        Program { argv: vec![name.into()], env, cwd: "/".into(), stdio: Stdio::Piped }
    }

    #[test]
    fn programs_are_found_in_the_path_that_they_get() {
        assert_eq!(find(&program("sh", "/nowhere:/bin")).unwrap(), Path::new("/bin/sh"));
        assert_eq!(find(&program("./sh", "")).unwrap(), Path::new("./sh"));
        let error = find(&program("sh", "/nowhere")).unwrap_err();
        assert!(matches!(&error, SealedError::NotFound { program } if program == "sh"), "{error}");
        assert!(matches!(find(&program("", "/bin")), Err(SealedError::Words { .. })));
    }

    #[test]
    fn words_with_zero_bytes_are_refused() {
        assert!(c_string(b"a\0b".to_vec(), "it").is_err());
        assert!(c_strings([Vec::new()].into_iter(), "an argument").is_ok(), "an argument may be empty");
    }
}
