//! The clients that can be started, and the trust switch. A participant chooses among these, never a command of their own.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::presets::{Blocklist, preset_for};
use crate::control::Problem;
use crate::scenario::{Action, Place, Plan, Trust};
use crate::workshop::words::Words;

/// A client of the bench.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::workshop) struct Client {
    pub(in crate::workshop) id: &'static str,
    kind: Kind,
    /// Names of the program, any of which will do; the lab's own if none.
    programs: &'static [&'static str],
    /// `{url}` and `{pin}` are filled in by the lab, `{picture}` here.
    // A browser of today sends a hello of two segments, which the box of 2019 did not put together: it asks for TLS 1.2 here, as most
    // servers of 2019 had it, so that the hello fits into one.
    arguments: &'static [&'static str],
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Web,
    Mail,
}

/// What became of the state's root on the client's device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It was never installed.
    #[default]
    NotInstalled,
    /// It is installed.
    Installed,
    /// It is installed, and the vendor has blocked it.
    Blocked,
    /// It was installed, and taken out again.
    Removed,
}

impl Switch {
    const ALL: [Self; 4] = [Self::NotInstalled, Self::Installed, Self::Blocked, Self::Removed];

    /// What the client then trusts.
    pub(super) fn trust(self) -> Trust {
        match self {
            Self::NotInstalled | Self::Removed => Trust::Web,
            Self::Installed => Trust::WebAuthority,
            Self::Blocked => Trust::WebAuthorityBlocklist,
        }
    }
}

/// A client, for the console.
#[derive(Serialize)]
pub(super) struct ClientView {
    id: &'static str,
    title: String,
    what: String,
    available: bool,
    missing: Option<String>,
    kind: Kind,
    hosts: Vec<String>,
    trusts: [Switch; 4],
}

pub(in crate::workshop) fn by_id(id: &str) -> Option<&'static Client> {
    ALL.iter().find(|client| client.id == id)
}

/// Where a browser's picture is kept.
pub(super) fn picture(record: &Path, client: &Client, host: &str) -> PathBuf {
    record.join(format!("{}-{host}.png", client.id))
}

impl Client {
    pub(in crate::workshop) fn title(&self, words: Words) -> String {
        words.say(&format!("client.{}", self.id), &[])
    }

    /// None if this world has nothing for it.
    pub(super) fn view(&self, world: &Plan, words: Words) -> Option<ClientView> {
        let hosts = self.hosts(world);
        let missing = self.missing().map(|program| words.say("missing", &[("program", program)]));
        (!hosts.is_empty()).then(|| ClientView {
            id: self.id,
            title: self.title(words),
            what: words.say(&format!("client.{}.what", self.id), &[]),
            available: missing.is_none(),
            missing,
            kind: self.kind,
            hosts,
            trusts: Switch::ALL,
        })
    }

    /// The host that is meant: one of this world's.
    pub(super) fn host(&self, world: &Plan, wanted: Option<&str>) -> Result<String, Problem> {
        let hosts = self.hosts(world);
        let found = match wanted {
            Some(wanted) => hosts.into_iter().find(|host| host.eq_ignore_ascii_case(wanted)),
            None => hosts.into_iter().next(),
        };
        found.ok_or_else(|| Problem::not_found(format!("`{}` has no such host to open in this scenario", self.id)))
    }

    /// Whether it can open that host in this world; in words why not.
    pub(in crate::workshop) fn opens(&self, world: &Plan, host: Option<&str>) -> Result<(), String> {
        self.host(world, host).map(drop).map_err(|problem| match host {
            Some(host) => format!("`{host}` is none of the hosts that `{}` can open: {}", self.id, self.hosts(world).join(", ")),
            None => problem.detail,
        })
    }

    /// The name of the program that this machine does not have.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.programs.is_empty() || self.program().is_some() { None } else { self.programs.first().copied() }
    }

    pub(super) fn keeps_picture(&self) -> bool {
        self.arguments.iter().any(|argument| argument.contains("{picture}"))
    }

    /// True if it refuses a key that the vendors have blocked.
    pub(super) fn reads_blocklist(&self) -> bool {
        let program = self.programs.first().copied().unwrap_or(OWN).to_owned();
        matches!(preset_for(&[program]).blocklist, Blocklist::Reads(_))
    }

    pub(super) fn argv(&self, record: &Path, host: &str) -> Vec<String> {
        let picture = picture(record, self, host);
        let program = self.program().unwrap_or(OWN).to_owned();
        let fill = |argument: &&str| argument.replace("{picture}", &picture.to_string_lossy());
        std::iter::once(program).chain(self.arguments.iter().map(fill)).collect()
    }

    pub(super) fn url(&self, host: &str) -> String {
        match self.kind {
            Kind::Web => format!("https://{host}/"),
            Kind::Mail => format!("imaps://{host}/INBOX;MAILINDEX=1"),
        }
    }

    fn program(&self) -> Option<&'static str> {
        self.programs.iter().copied().find(|program| is_here(program))
    }

    /// Hosts that it can open: those that some rule intercepts first, in the order of the world.
    fn hosts(&self, world: &Plan) -> Vec<String> {
        let port = match self.kind {
            Kind::Web => 443,
            Kind::Mail => 993,
        };
        let serves = world.world.sites.iter().filter(|site| site.services.iter().any(|service| service.port == port));
        let named = |name: &&String| !name.contains('*');
        let mut hosts: Vec<(bool, bool, String)> = serves
            .flat_map(|site| site.names.iter().filter(named).map(move |name| (site.place == Place::Inside, name.clone())))
            .map(|(inside, name)| (!is_target(world, &name), inside, name))
            .collect();
        hosts.sort_by_key(|(bystander, inside, name)| (*bystander, *inside, name != FIRST));
        let (mut targets, mut others) = (0, 0);
        hosts.retain(|(bystander, ..)| {
            let count = if *bystander { &mut others } else { &mut targets };
            *count += 1;
            *count <= MOST_HOSTS
        });
        hosts.into_iter().map(|(.., name)| name).collect()
    }
}

fn is_target(world: &Plan, name: &str) -> bool {
    let rules = world.phases.iter().flat_map(|phase| &phase.rules).filter(|rule| rule.action == Action::Intercept);
    let fits = |pattern: &String| pattern == name || (pattern.starts_with('.') && name.ends_with(pattern.as_str()));
    rules.filter_map(|rule| rule.when.sni.as_ref()).flatten().any(fits)
}

fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The lab runs itself under this name.
const OWN: &str = "mitmlab";
/// The host that the story of 2019 begins with.
const FIRST: &str = "www.facebook.com";
/// A list that a person can choose from.
const MOST_HOSTS: usize = 8;

/// Every client, in the order of the bench.
pub(super) static ALL: &[Client] = &[
    Client {
        id: "browser",
        kind: Kind::Web,
        programs: &["chromium", "chromium-browser", "google-chrome"],
        arguments: &[
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            "--ssl-version-max=tls1.2",
            "--window-size=1000,700",
            "--screenshot={picture}",
            "{url}",
        ],
    },
    Client { id: "curl", kind: Kind::Web, programs: &["curl"], arguments: &["-sS", "-o", "/dev/null", "{url}"] },
    Client { id: "own", kind: Kind::Web, programs: &[], arguments: &["client", "{url}"] },
    Client { id: "pinned", kind: Kind::Web, programs: &[], arguments: &["client", "{url}", "--pin", "{pin}"] },
    Client { id: "careless", kind: Kind::Web, programs: &[], arguments: &["client", "{url}", "--insecure"] },
    Client { id: "probe", kind: Kind::Web, programs: &[], arguments: &["probe", "--json", "{url}"] },
    Client {
        id: "mail",
        kind: Kind::Mail,
        programs: &["curl"],
        arguments: &["-sS", "-o", "/dev/null", "--user", "alice:wonderland", "{url}"],
    },
    Client {
        id: "mail-careless",
        kind: Kind::Mail,
        programs: &["curl"],
        arguments: &["-k", "-sS", "-o", "/dev/null", "--user", "alice:wonderland", "{url}"],
    },
];
