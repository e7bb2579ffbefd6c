//! The clients that can be started, and the trust switch. A participant chooses among these, never a command of their own.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::presets::{Blocklist, preset_for};
use crate::control::Problem;
use crate::scenario::{Action, MailService, Need, Place, Plan, Serve, Service, Site, Speaks, Trust};
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
    /// TLS from the first byte.
    Mail,
    /// In the clear first, then STARTTLS.
    #[serde(rename = "mail")]
    MailUpgrade,
    /// Handing letters in: in the clear first, then STARTTLS.
    #[serde(rename = "mail")]
    Submission,
    Chat,
    /// Encrypted between its members, above TLS.
    #[serde(rename = "chat")]
    SealedChat,
}

impl Kind {
    /// True if that service speaks it.
    fn is_served(self, service: &Service) -> bool {
        let upgrades =
            |wanted: MailService| matches!(&service.serve, Serve::Mail { service, starttls: true, .. } if *service == wanted);
        match (self, &service.serve) {
            (Self::Web, Serve::Https { .. } | Serve::Loopback { .. } | Serve::Exec { .. }) => service.port == 443,
            (Self::Mail, Serve::Mail { service: MailService::Imaps, .. }) => true,
            (Self::MailUpgrade, _) => upgrades(MailService::Imap),
            (Self::Submission, _) => upgrades(MailService::Submission),
            (Self::Chat, Serve::Chat { end_to_end }) => !end_to_end,
            (Self::SealedChat, Serve::Chat { end_to_end }) => *end_to_end,
            _ => false,
        }
    }

    fn url(self, host: &str) -> String {
        match self {
            Self::Web => format!("https://{host}/"),
            Self::Mail => format!("imaps://{host}/INBOX;MAILINDEX=1"),
            Self::MailUpgrade => format!("imap://{host}/INBOX;MAILINDEX=1"),
            Self::Submission => format!("smtp://{host}:587/"),
            Self::Chat | Self::SealedChat => format!("wss://{host}/"),
        }
    }
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

/// Every client, in the order of the bench.
pub(in crate::workshop) fn all_clients() -> &'static [Client] {
    ALL
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
    pub(in crate::workshop) fn missing(&self) -> Option<&'static str> {
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

    /// What a suite takes it for; none if no suite can start it: it keeps a picture, or takes a while.
    pub(in crate::workshop) fn speaks(&self) -> Option<Speaks> {
        match self.kind {
            _ if self.keeps_picture() || self.id == "probe" => None,
            Kind::Web => Some(Speaks::Https),
            Kind::Mail => Some(Speaks::Imaps),
            Kind::MailUpgrade => Some(Speaks::Imap),
            Kind::Submission => Some(Speaks::Submission),
            Kind::Chat | Kind::SealedChat => None,
        }
    }

    /// What it claims to do besides checking names, dates and chains.
    pub(in crate::workshop) fn claims(&self) -> &'static [Need] {
        match self.id {
            "pinned" => &[Need::Pin, Need::Blocklist],
            "own" => &[Need::Blocklist],
            _ => &[],
        }
    }

    /// Its command in a suite.
    pub(in crate::workshop) fn suite_argv(&self) -> Vec<String> {
        self.argv(Path::new(""))
    }

    /// True if it checks no certificate at all.
    pub(super) fn is_careless(&self) -> bool {
        self.id.contains("careless") || self.id == "mail-script"
    }

    pub(super) fn argv(&self, picture: &Path) -> Vec<String> {
        let program = self.program().unwrap_or(OWN).to_owned();
        let fill = |argument: &&str| argument.replace("{picture}", &picture.to_string_lossy());
        std::iter::once(program).chain(self.arguments.iter().map(fill)).collect()
    }

    pub(super) fn url(&self, host: &str) -> String {
        self.kind.url(host)
    }

    fn program(&self) -> Option<&'static str> {
        self.programs.iter().copied().find(|program| is_here(program))
    }

    /// A server of mail has a name for each service; one of another service is not offered.
    fn fits(&self, name: &str) -> bool {
        let other: &[&str] = match self.kind {
            Kind::Mail | Kind::MailUpgrade => &["smtp.", "pop."],
            Kind::Submission => &["imap.", "pop."],
            _ => &[],
        };
        !other.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Hosts that it can open: those that some rule intercepts first, in the order of the world.
    fn hosts(&self, world: &Plan) -> Vec<String> {
        let serves = |site: &&Site| site.services.iter().any(|service| self.kind.is_served(service));
        let named = |name: &&String| !name.contains('*');
        let mut hosts: Vec<(bool, bool, String)> = Vec::new();
        for site in world.world.sites.iter().filter(serves) {
            let line = |name: &String| (!is_target(world, site, name), site.place == Place::Inside, name.clone());
            hosts.extend(site.names.iter().filter(named).filter(|name| self.fits(name)).map(line));
        }
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

fn is_target(world: &Plan, site: &Site, name: &str) -> bool {
    let rules = || world.phases.iter().flat_map(|phase| &phase.rules).filter(|rule| rule.action == Action::Intercept);
    let fits = |pattern: &String| pattern == name || (pattern.starts_with('.') && name.ends_with(pattern.as_str()));
    let is_there = |(address, _): &(IpAddr, u8)| site.addresses.contains(address);
    rules().filter_map(|rule| rule.when.sni.as_ref()).flatten().any(fits)
        || rules().filter_map(|rule| rule.when.address.as_ref()).flatten().any(is_there)
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
            "--log-level=3",
            "--ssl-version-max=tls1.2",
            "--window-size=1000,700",
            "--virtual-time-budget=5000",
            "--screenshot={picture}",
            // It keeps no picture of a page that it cannot open, but one of a page that leads there: then the warning is in it.
            "data:text/html,<meta http-equiv=refresh content='0;url={url}'>",
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
    Client {
        id: "mail-starttls",
        kind: Kind::MailUpgrade,
        programs: &["curl"],
        arguments: &["-sS", "-o", "/dev/null", "--ssl-reqd", "--user", "alice:wonderland", "{url}"],
    },
    Client { id: "mail-script", kind: Kind::Submission, programs: &["python3"], arguments: &["-c", SCRIPT, "{host}"] },
    Client { id: "chat", kind: Kind::Chat, programs: &[], arguments: &["chat", "{url}", "--both", "--say", "Meet me at six."] },
    Client {
        id: "chat-sealed",
        kind: Kind::SealedChat,
        programs: &[],
        arguments: &["chat", "{url}", "--both", "--say", "Meet me at six.", "--end-to-end"],
    },
];

/// As many scripts are: STARTTLS with the defaults of Python's library, which encrypt and check nothing.
const SCRIPT: &str = "import smtplib, sys; s = smtplib.SMTP(sys.argv[1], 587); s.starttls(); s.login('alice', 'wonderland'); \
    s.sendmail('alice@example.org', 'bob@example.org', 'Subject: tonight\\r\\n\\r\\nAt six.'); s.quit()";
