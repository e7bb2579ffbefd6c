//! Evidence: what a run leaves behind for other tools, made from the record. A disk that is full or a folder that cannot be written never
//! stops a run; what was lost is said.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Ground, Lab, containment};
use crate::record::{
    Connection, Entry, Event, Keep, MANIFEST, Manifest, Mask, RecordFolder, Recorder, create_private, har, write_chains,
};
use crate::scenario::Plan;
use crate::verdict::RunReport;
use crate::verdict::report::json;

mod lost;

use lost::Lost;

/// What is to be kept of a lab, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Everything, in this folder.
    pub folder: Option<PathBuf>,
    /// The packet capture.
    pub pcapng: Option<PathBuf>,
    /// The readable exchanges.
    pub har: Option<PathBuf>,
    /// The TLS secrets.
    pub keys: Option<PathBuf>,
    /// Credentials and bodies are kept as they are.
    pub unmask: bool,
}

impl Wanted {
    /// How secrets are to be treated; none if nothing is to be kept.
    pub fn mask(&self) -> Option<Mask> {
        let any = self.folder.is_some() || self.pcapng.is_some() || self.har.is_some() || self.keys.is_some();
        any.then_some(if self.unmask { Mask::Off } else { Mask::On })
    }
}

/// The evidence of a lab that is being recorded. Dropped before its end, it writes what it can.
#[derive(Debug)]
pub struct Evidence {
    lab: Lab,
    wanted: Wanted,
    folder: Option<RecordFolder>,
    lost: Lost,
    finished: bool,
}

impl Lab {
    /// Begins to keep what is wanted. The lab must have been started with [`Lab::start_keeping`].
    pub fn evidence(&self, mut wanted: Wanted) -> Evidence {
        let mut lost = Lost::default();
        if let Some(dir) = wanted.folder.take() {
            match std::fs::create_dir_all(&dir) {
                Ok(()) => wanted.folder = Some(dir),
                Err(error) => lost.say(format!("`{}` cannot be made, so nothing is kept there: {error}", dir.display())),
            }
        }
        let folder = wanted.folder.as_deref().map(|dir| RecordFolder::create(dir, self.recorder()));
        let mut evidence = Evidence { lab: self.clone(), wanted, folder, lost, finished: false };
        if let Some(dir) = evidence.wanted.folder.clone() {
            remove_old(&dir);
            evidence.write(&dir.join(SCENARIO), |path| private(path, &scenario(self.plan())?));
        }
        evidence
    }

    /// The plan with the checks as they were run.
    fn plan_as_run(&self) -> Plan {
        let mut plan = self.plan().clone();
        if let Some(ran) = self.0.ran.get() {
            plan.checks.clone_from(ran);
        }
        plan
    }
}

impl Evidence {
    /// Writes everything, and tells what a reader of the report must know: what was lost, what was masked. It is added to `report`, which
    /// is a file of the recording too: what was lost after that was written it does not have.
    pub async fn finish(mut self, mut report: Option<&mut RunReport>) -> Vec<String> {
        if let Some(dir) = &self.wanted.folder {
            self.lab.keep_exports(dir).await;
        }
        // Hashing and writing may take a while on a slow disk; the lab's legs are over.
        let masks = self.write_all();
        let before = report.as_ref().map_or(0, |report| report.remarks.len());
        if let Some(report) = &mut report {
            report.remarks.extend(self.losses().chain(masks.iter().cloned()));
        }
        if let Some(dir) = self.wanted.folder.clone() {
            if let Some(report) = &report {
                self.write(&dir.join(REPORT), |path| private(path, json::json(report)?.as_bytes()));
            }
            self.seal(&dir);
        }
        self.finished = true;
        let told: Vec<String> = self.losses().chain(masks).collect();
        if let Some(report) = report {
            report.remarks.truncate(before);
            report.remarks.extend(told.iter().cloned());
        }
        told
    }

    fn losses(&self) -> impl Iterator<Item = String> {
        self.lost.told().into_iter().map(|lost| format!("the recording is incomplete: {lost}"))
    }

    /// Writes all but the report and the manifest, and tells what was masked.
    fn write_all(&mut self) -> Vec<String> {
        if let Some(folder) = &self.folder {
            let losses = folder.finish();
            if losses.lines > 0 || losses.reason.is_some() {
                self.lost.say(losses.to_string());
            }
        }
        let recorder = self.lab.recorder().clone();
        let entries = self.folder.as_ref().map_or_else(|| recorder.entries(), RecordFolder::entries);
        let connections = Connection::fold(entries.iter().map(AsRef::as_ref));
        let Some(keep) = recorder.kept().cloned() else { return Vec::new() };
        self.lab.stop_watch();
        for path in self.places(self.wanted.keys.clone(), KEYS) {
            self.write(&path, |path| keep.keys().write(path, &connections));
        }
        let holds_secrets = self.write_captures(&keep, &connections);
        for path in self.places(self.wanted.har.clone(), HAR) {
            self.write(&path, |path| private(path, &exchanges(&entries, &recorder)?));
        }
        if let Some(dir) = self.wanted.folder.clone() {
            self.write(&dir.join(CHAINS), |folder| write_chains(folder, &connections));
            let plan = self.lab.plan_as_run();
            self.write(&dir.join(SCENARIO), |path| private(path, &scenario(&plan)?));
            let proof = containment::proof(&self.lab);
            self.write(&dir.join(CONTAINMENT), |path| private(path, &serde_json::to_vec_pretty(&proof)?));
        }
        if self.wanted.mask().is_none() {
            return Vec::new(); // nothing is kept anywhere: its place could not be made
        }
        told_of_masks(keep.mask(), &masked(&entries), holds_secrets)
    }

    /// True if a capture with keys, or keys, were written.
    fn write_captures(&mut self, keep: &Keep, connections: &[Connection]) -> bool {
        let names = names(&self.lab, connections);
        let secrets = keep.keys().lines();
        let places = self.places(self.wanted.pcapng.clone(), CAPTURE);
        let mut lost = None;
        for path in &places {
            self.write(path, |path| {
                lost = keep.capture().write(path, &names, Some(&secrets))?.losses();
                Ok(())
            });
        }
        lost.into_iter().for_each(|lost| self.lost.say(format!("the capture is not whole: {lost}")));
        let dropped = keep.keys().counts().1;
        if dropped > 0 {
            self.lost.say(format!("{dropped} TLS secrets were not kept: too many connections"));
        }
        !secrets.is_empty()
    }

    /// Where a file goes: to the place that was named for it, and into the folder.
    fn places(&self, named: Option<PathBuf>, name: &str) -> Vec<PathBuf> {
        named.into_iter().chain(self.wanted.folder.as_ref().map(|dir| dir.join(name))).collect()
    }

    fn write(&mut self, path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) {
        if let Err(error) = write(path) {
            self.lost.file(path, &error);
        }
    }

    /// The manifest: the last file.
    fn seal(&mut self, dir: &Path) {
        let masked = masked(&self.lab.recorder().entries());
        let lost = self.lost.told();
        self.write(&dir.join(MANIFEST), |_| Manifest::of(dir, lost, masked)?.write(dir));
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if !self.finished {
            self.write_all();
            if let Some(dir) = self.wanted.folder.clone() {
                self.seal(&dir);
            }
        }
    }
}

impl Lab {
    /// Nothing more comes to the capture.
    fn stop_watch(&self) {
        match self.ground() {
            Ground::Loopback(_) => {}
            #[cfg(target_os = "linux")]
            Ground::Sealed(sealed) => sealed.stop_watch(),
        }
    }
}

/// Files of an earlier recording would not belong to this one.
fn remove_old(dir: &Path) {
    for name in [REPORT, KEYS, CAPTURE, HAR, CONTAINMENT, MANIFEST] {
        let _ = std::fs::remove_file(dir.join(name)); // mostly there is none
    }
    let _ = std::fs::remove_dir_all(dir.join(CHAINS));
}

fn private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_private(path)?.write_all(bytes)
}

fn scenario(plan: &Plan) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(plan)?)
}

fn exchanges(entries: &[Arc<Entry>], recorder: &Recorder) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(&har::har(entries.iter().map(AsRef::as_ref), recorder.started()))?)
}

/// What addresses are called: the world's sites, and in the sealed network, where each client has its own, the legs.
fn names(lab: &Lab, connections: &[Connection]) -> Vec<(IpAddr, String)> {
    let mut names = BTreeMap::new();
    for site in &lab.plan().world.sites {
        let Some(name) = site.names.iter().find(|name| !name.starts_with('*')) else { continue };
        for address in &site.addresses {
            names.entry(*address).or_insert_with(|| name.clone());
        }
    }
    for connection in connections {
        let address = connection.client.ip().to_canonical();
        if let Some(leg) = connection.leg.filter(|_| !address.is_loopback()) {
            names.entry(address).or_insert_with(|| format!("client-of-leg-{}", leg.0));
        }
    }
    names.into_iter().collect()
}

/// What was masked, and how often.
fn masked(entries: &[Arc<Entry>]) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::Exchange { exchange, .. } => {
                exchange.masked.iter().for_each(|kind| *counts.entry(kind.clone()).or_default() += 1);
            }
            // Mail and what is not the lab's own web: kinds and lengths only, always.
            Event::Request { request, .. } if !request.protocol.starts_with('h') => request.secrets.iter().for_each(|secret| {
                let kind = secret.split(':').next().unwrap_or_default();
                *counts.entry(format!("{} {kind}", request.protocol)).or_default() += 1;
            }),
            _ => {}
        }
    }
    counts.into_iter().collect()
}

fn told_of_masks(mask: Mask, masked: &[(String, u64)], holds_secrets: bool) -> Vec<String> {
    let list: Vec<String> = masked.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    let list = if list.is_empty() { "nothing had to be".to_owned() } else { list.join(", ") };
    let what = match mask {
        Mask::On => format!(
            "masked in the recording: {list}; what clients print themselves, and their command lines, are kept as they are"
        ),
        Mask::Off => {
            format!("the recording holds credentials and bodies of the web as they were sent (`--unmask`){}", never_kept(masked))
        }
    };
    let keys = "whoever has the capture or the key log can read what was said, masked elsewhere or not: keep them to yourself";
    std::iter::once(what).chain(holds_secrets.then(|| keys.to_owned())).collect()
}

/// Of mail and messengers the record has kinds and lengths alone, whatever is asked for.
fn never_kept(masked: &[(String, u64)]) -> String {
    if masked.is_empty() {
        return String::new();
    }
    let list: Vec<String> = masked.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    format!("; of mail and messengers kinds and lengths alone: {}; the capture has the words", list.join(", "))
}

/// The scenario as it was resolved, with the checks as they were run.
pub const SCENARIO: &str = "scenario.json";
const REPORT: &str = "report.json";
const KEYS: &str = "keys.log";
const CAPTURE: &str = "capture.pcapng";
const HAR: &str = "exchanges.har";
const CHAINS: &str = "chains";
const CONTAINMENT: &str = "containment.json";
