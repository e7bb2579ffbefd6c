//! `mitmlab show`: one connection's story from a recording, step by step, with what the presented certificate has in common with the genuine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Show;
use crate::error::{AS_EXPECTED, Error};
use crate::forge::diff;
use crate::record::{self, Certificate, Connection, ConnectionId, Entry};
use crate::verdict::reaction;
use crate::x509::tbs::Parsed;

/// Prints it; without a connection, a line for each.
pub(super) fn show(options: &Show) -> Result<u8, Error> {
    let recording = record::read(&options.dir).map_err(|e| Error::Usage(e.to_string()))?;
    let connections = Connection::fold(&recording.entries);
    let Some(wanted) = &options.connection else {
        connections.iter().for_each(|connection| anstream::println!("{}", line(connection)));
        return Ok(AS_EXPECTED);
    };
    let id = wanted.trim_start_matches('c').parse().map(ConnectionId);
    let id = id.map_err(|_| Error::Usage(format!("`{wanted}` is no number of a connection, such as `c3`")))?;
    let found = connections.iter().find(|connection| connection.id == id).ok_or_else(|| {
        Error::Usage(format!("the recording has no connection {id}\nhint: `mitmlab show {}` lists them", options.dir.display()))
    })?;
    anstream::println!("{}\n", line(found));
    let begun = found.t_us;
    for entry in recording.entries.iter().filter(|entry| entry.connection == Some(id)) {
        anstream::println!("{:>10.3} ms  {}", entry.t_us.saturating_sub(begun) as f64 / 1000.0, step(entry));
    }
    match (found.presented.first(), found.origin.chain.first()) {
        (Some(presented), Some(genuine)) if presented.sha256 != genuine.sha256 => compare(genuine, presented)?,
        (Some(_), Some(_)) => anstream::println!("\nThe client was shown the genuine certificate."),
        _ => {}
    }
    Ok(AS_EXPECTED)
}

fn line(connection: &Connection) -> String {
    let action = connection.decision().map_or("not seen by the box", |decision| decision.action.as_str());
    let (host, port) = (connection.host(), connection.destination.port());
    format!("{} {host}:{port} from {}: {action}; the client {}", connection.id, connection.vantage, reaction(connection).words())
}

/// An event in one line: its kind and what it says, long values cut.
fn step(entry: &Entry) -> String {
    let told = serde_json::to_value(&entry.event).unwrap_or_default();
    let mut kind = String::new();
    let mut words = Vec::new();
    for (name, value) in told.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("event", kind_of) => kind = kind_of.as_str().unwrap_or_default().to_owned(),
            (_, serde_json::Value::Null) => {}
            ("chain", chain) => words.push(format!("chain={}", subjects(chain))),
            ("hello", hello) => words.push(format!("sni={} ja4={}", plain(&hello["sni"]), plain(&hello["ja4"]))),
            (name, value) => words.push(format!("{name}={}", cut(plain(value)))),
        }
    }
    format!("{kind:18} {}", words.join(" "))
}

fn subjects(chain: &serde_json::Value) -> String {
    let subjects = chain.as_array().into_iter().flatten().map(|certificate| plain(&certificate["subject"]));
    subjects.collect::<Vec<_>>().join(" <- ")
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cut(text: String) -> String {
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain("...".chars()).collect() }
}

fn compare(genuine: &Certificate, presented: &Certificate) -> Result<(), Error> {
    let parsed = |certificate: &Certificate| {
        let der = STANDARD
            .decode(&certificate.der)
            .map_err(|e| Error::Usage(format!("a certificate of the recording is no base64: {e}")))?;
        Parsed::read(&der).map_err(|e| Error::Usage(format!("a certificate of the recording cannot be read: {e}")))
    };
    let rows = diff::compare(&parsed(genuine)?, &parsed(presented)?);
    anstream::print!("\n{}", diff::table(&rows, ("genuine", "presented"), 120));
    Ok(())
}

const LONGEST: usize = 100;
