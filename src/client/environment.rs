//! The surroundings of a client: its whole environment, the files beside it, what lies over the host's files.
//!
//! Ambient configuration flips verdicts: a developer's machine exports a dozen CA and proxy variables, and `pip.conf` or
//! `npmrc` say the rest (measured). So a client starts with what an allow-list lets through, with configuration files
//! neutralised, and then with exactly the trust that its leg states. All of it is recorded.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::overlays::{self, Ground, Overlay};
use super::presets::{Argument, Home, Preset, Store, changes_user, program_at};
use super::trust::TrustStore;
use crate::scenario::Trust;

mod keep;
mod set;

/// In which network a client runs.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The sealed network: overlays take the place of the host's stores.
    Sealed(Ground),
    /// The explicit proxy at this address: variables, configuration files and arguments only.
    Proxy {
        /// Where it listens.
        address: SocketAddr,
    },
    /// Neither: straight to the network as it is. For a control leg on loopback, and for tests.
    Direct,
}

/// A variable that the lab sets, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: OsString,
    /// Value.
    pub value: OsString,
    /// For the record.
    pub why: &'static str,
}

/// A file that the lab writes into the run's directory for a client to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub content: String,
}

/// Everything around a client, as plain data.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The complete environment, by name.
    pub env: Vec<(OsString, OsString)>,
    /// The part of it that the lab set, with reasons.
    pub set: Vec<Variable>,
    /// Variables of the caller that were held back because they would decide trust or route: name and reason, no values.
    pub held_back: Vec<(String, &'static str)>,
    /// What lies over the host's files (sealed network).
    pub overlays: Vec<Overlay>,
    /// Files to be written before the start ([`Surroundings::write_files`]).
    pub files: Vec<ConfigFile>,
    /// Arguments that the program needs: position in the command line before any insertion, text, reason.
    pub arguments: Vec<Inserted>,
    /// What a reader of the report should know.
    pub notes: Vec<String>,
}

/// An argument that the lab adds to a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Added after this subcommand, else right after the program.
    pub after: Option<&'static str>,
    /// The argument.
    pub text: String,
    /// Why.
    pub why: &'static str,
    /// Only for the superuser: not where the command line gives the program another user.
    pub superuser: bool,
}

impl Surroundings {
    /// What surrounds a client of `preset` that trusts `trust` as written in `store`. Reads nothing and writes nothing.
    pub fn prepare(kind: &Kind, trust: Trust, store: &TrustStore, preset: &Preset, own_env: &[(OsString, OsString)]) -> Self {
        let context = set::Context { kind, trust, store, preset };
        let mut variables = set::neutral(&context);
        variables.extend(set::trust(&context));
        variables.extend(set::proxy(&context));
        let mut env: BTreeMap<OsString, OsString> = own_env.iter().filter(|(n, _)| keep::is_kept(n)).cloned().collect();
        env.extend(variables.iter().map(|v| (v.name.clone(), v.value.clone())));
        Self {
            env: env.into_iter().collect(),
            set: variables,
            held_back: keep::held_back(own_env),
            overlays: match kind {
                Kind::Sealed(ground) => overlays::plan(ground, store, trust),
                Kind::Proxy { .. } | Kind::Direct => Vec::new(),
            },
            files: set::files(&context),
            arguments: arguments(&context),
            notes: notes(&context),
        }
    }

    /// Writes the configuration files.
    ///
    /// # Errors
    /// The first one that could not be written.
    pub fn write_files(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| {
            file.path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(&file.path, &file.content)
        })
    }

    /// The command line with the arguments that the program needs. An option that it has already is not added.
    pub fn complete(&self, argv: &[String]) -> Vec<String> {
        let mut out = argv.to_vec();
        let Some(program) = program_at(argv) else { return out };
        let ordinary = changes_user(argv);
        for added in self.arguments.iter().rev().filter(|added| !(added.superuser && ordinary)) {
            let (option, value) = added.text.split_once('=').map_or((added.text.as_str(), None), |(o, v)| (o, Some(v)));
            let given = |word: &String| word == option || word.split_once('=').is_some_and(|(o, _)| o == option);
            let place = match added.after {
                Some(word) => argv[program..].iter().position(|w| w == word).map(|at| program + at + 1),
                None => Some(program + 1),
            };
            let Some(place) = place.filter(|_| !argv.iter().any(given)) else { continue };
            match value {
                // options with one dash take their value as the next word (openssl)
                Some(value) if !option.starts_with("--") => {
                    out.splice(place..place, [option.to_owned(), value.to_owned()]);
                }
                _ => out.insert(place, added.text.clone()),
            }
        }
        out
    }

    /// The environment that the lab set, as `NAME=value` lines for the record.
    pub fn recorded(&self) -> Vec<String> {
        let line = |v: &Variable| format!("{}={}", v.name.to_string_lossy(), v.value.to_string_lossy());
        self.set.iter().map(line).collect()
    }

    /// A command that starts `program` in these surroundings. Its directory is the caller's.
    pub fn command(&self, program: &Path, arguments: &[String]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(self.env.iter().map(|(n, v)| (n, v)));
        command
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_os_str())
    }
}

fn arguments(context: &set::Context<'_>) -> Vec<Inserted> {
    let address = match context.kind {
        Kind::Proxy { address } => Some(*address),
        Kind::Sealed(_) | Kind::Direct => None,
    };
    let for_proxy = if address.is_some() { context.preset.proxy_arguments } else { &[] };
    let wanted = context.preset.arguments.iter().chain(for_proxy);
    let fill = |argument: &Argument| Inserted {
        after: argument.after,
        text: argument
            .text
            .replace("{bundle}", &context.store.bundle.to_string_lossy())
            .replace("{dir}", &context.store.leg_dir.to_string_lossy())
            .replace("{proxy}", &address.map(|a| a.to_string()).unwrap_or_default()),
        why: argument.why,
        superuser: argument.superuser,
    };
    wanted.filter(|a| !a.superuser || is_superuser()).map(fill).collect()
}

fn notes(context: &set::Context<'_>) -> Vec<String> {
    let set::Context { kind, trust, store, preset } = context;
    let mut notes = Vec::new();
    let name = preset.name();
    if let Store::Own(what) = preset.store {
        notes.push(format!("{name} has a store of its own ({what}); the lab gives it the roots by {}", preset.knob));
    }
    if *trust == Trust::WebAuthorityBlocklist && preset.blocklist == super::presets::Blocklist::Ignores {
        notes.push(format!("{name} knows no block list: to it the authority's root is as good as any"));
    }
    if matches!(kind, Kind::Proxy { .. }) {
        notes.extend(preset.passes_proxy_by(None));
    }
    if preset.home == Home::Fresh && store.nss_home.is_none() && !matches!(kind, Kind::Sealed(_)) {
        notes
            .push(format!("{name} reads an NSS database here, and none was made: certutil is missing, so it trusts no lab root"));
    }
    notes.extend(preset.remark.map(|remark| format!("{name}: {remark}")));
    notes
}

#[cfg(unix)]
fn is_superuser() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_superuser() -> bool {
    false
}

#[cfg(test)]
mod tests;
