//! What to change when the kernel refuses something, from its answer and the settings of this host.

use std::fs;

use super::probes::Kind;

/// Settings of the host that a remedy depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// kernel.apparmor_restrict_unprivileged_userns (Ubuntu since 23.10).
    apparmor_restricts: bool,
    /// kernel.unprivileged_userns_clone = 0 (Debian's and Arch's kernels).
    clone_forbidden: bool,
    /// user.max_user_namespaces = 0 (RHEL 7, hardened systems).
    no_namespaces: bool,
    /// A system call filter is in force (seccomp(2)), as in containers.
    filtered: bool,
    /// The program's own path, for an AppArmor profile.
    program: String,
}

impl Host {
    pub(super) fn read() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            clone_forbidden: number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0),
            no_namespaces: number("/proc/sys/user/max_user_namespaces") == Some(0),
            filtered: status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
            program: std::env::current_exe().map_or_else(|_| "/path/to/mitmlab".to_owned(), |path| path.display().to_string()),
        }
    }
}

/// What to change, if that is known.
pub(super) fn of(kind: Kind, errno: Option<i32>, host: &Host) -> Option<String> {
    let refused = matches!(errno, Some(libc::EPERM | libc::EACCES));
    Some(match kind {
        Kind::UserNamespace | Kind::Namespace if errno == Some(libc::ENOSPC) => more_namespaces(host),
        Kind::UserNamespace if errno == Some(libc::EINVAL) => {
            "the kernel is built without CONFIG_USER_NS, or threads were started before: use another kernel, or `--network proxy`"
                .to_owned()
        }
        Kind::UserNamespace | Kind::Namespace | Kind::Privilege | Kind::Mount if refused => permission(kind, host),
        Kind::UserNamespace | Kind::Namespace | Kind::Privilege => {
            "this is not a kernel with namespaces: use `--network proxy`".to_owned()
        }
        Kind::Parameter | Kind::Ipv6 if refused || errno == Some(libc::EROFS) => READ_ONLY.to_owned(),
        Kind::Parameter => "the kernel is too old for the lab, or built without this parameter: use another kernel".to_owned(),
        Kind::Veth => "load the kernel module as root: `modprobe veth`".to_owned(),
        Kind::Rule => "needs Linux 4.17 with CONFIG_IP_MULTIPLE_TABLES: use another kernel, or `--network proxy`".to_owned(),
        Kind::Ipv6 => "set `ipv6 = false` in the scenario, or boot without `ipv6.disable=1`".to_owned(),
        Kind::Packet => "load the kernel module as root: `modprobe af_packet`".to_owned(),
        Kind::Socket => "this kernel has not the socket option (gVisor has not): use `--network proxy`".to_owned(),
        Kind::Mount => "make an empty directory `/mnt`, or use `--network proxy`".to_owned(),
        Kind::Proc => "parts of /proc are masked, as in containers: docker `--security-opt systempaths=unconfined`; \
                       without it clients see the processes outside"
            .to_owned(),
    })
}

fn more_namespaces(host: &Host) -> String {
    let now = if host.no_namespaces { ", which is 0 now" } else { "; too many are in use, or they are nested too deep" };
    format!("as root: `sysctl -w user.max_user_namespaces=15000 user.max_net_namespaces=15000`{now}")
}

fn permission(kind: Kind, host: &Host) -> String {
    if host.apparmor_restricts {
        let program = &host.program;
        return format!(
            "AppArmor gives unprivileged user namespaces no privilege. As root either \
             `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or for this program alone put \
             `abi <abi/4.0>, profile mitmlab \"{program}\" flags=(unconfined) {{ userns, }}` \
             into /etc/apparmor.d/mitmlab and run `apparmor_parser -r /etc/apparmor.d/mitmlab`"
        );
    }
    if host.clone_forbidden && kind == Kind::UserNamespace {
        return "as root: `sysctl -w kernel.unprivileged_userns_clone=1`".to_owned();
    }
    if host.filtered {
        return "a container's system call filter forbids it: docker or podman \
                `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`"
            .to_owned();
    }
    "a security module or a chroot forbids it: allow user namespaces for this program, or use `--network proxy`".to_owned()
}

const READ_ONLY: &str = "/proc/sys is read-only, as in containers: docker `--security-opt systempaths=unconfined`, \
                         podman `--security-opt unmask=ALL`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_the_setting_that_forbids() {
        let say = |kind, errno, host: &Host| of(kind, Some(errno), host).unwrap();
        let ubuntu = Host { apparmor_restricts: true, program: "/opt/mitmlab".to_owned(), ..Host::default() };
        let text = say(Kind::Privilege, libc::EPERM, &ubuntu);
        assert!(text.contains("apparmor_restrict_unprivileged_userns=0") && text.contains("\"/opt/mitmlab\""), "{text}");
        let debian = Host { clone_forbidden: true, ..Host::default() };
        assert!(say(Kind::UserNamespace, libc::EPERM, &debian).contains("unprivileged_userns_clone=1"));
        let docker = Host { filtered: true, ..Host::default() };
        assert!(say(Kind::UserNamespace, libc::EPERM, &docker).contains("seccomp=unconfined"));
        assert!(say(Kind::Parameter, libc::EROFS, &docker).contains("systempaths=unconfined"));
        let hardened = Host { no_namespaces: true, ..Host::default() };
        assert!(say(Kind::UserNamespace, libc::ENOSPC, &hardened).contains("max_user_namespaces"));
    }
}
