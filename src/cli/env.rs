//! `mitmlab env`: the variables that lead a shell's programs into a lab that is up.

use std::collections::BTreeMap;

use super::{Env, standing};
use crate::control::Problem;
use crate::control::words::Environment;
use crate::error::{AS_EXPECTED, Error};
use crate::scenario::{Trust, Vantage};

/// Prints them for `eval`.
pub(super) fn env(options: &Env) -> Result<u8, Error> {
    let lab = standing::one(options.lab)?;
    let mut variables = variables(&lab, options.trust, options.vantage)?;
    variables.extend(of_lab(&lab));
    if options.json {
        println!("{}", serde_json::json!(variables));
    } else {
        variables.iter().for_each(|(name, value)| println!("export {name}={}", quoted(value)));
    }
    Ok(AS_EXPECTED)
}

/// The way to the lab's box, and the trust.
pub(super) fn variables(lab: &standing::Standing, trust: Trust, vantage: Vantage) -> Result<BTreeMap<String, String>, Error> {
    let path = format!("/v1/environment?trust={}&vantage={vantage}", trust.as_str().replace('+', "%2B"));
    let (status, body) = lab.ask("GET", &path).map_err(|e| Error::machine(format!("ask the lab at {}", lab.control.url), e))?;
    if status != 200 {
        let told = serde_json::from_str::<Problem>(&body).map_or(body, |problem| problem.detail);
        return Err(Error::Usage(told));
    }
    let read: Environment = serde_json::from_str(&body).map_err(|e| Error::Bug(e.to_string()))?;
    Ok(read.variables)
}

/// The way to its control API.
pub(super) fn of_lab(lab: &standing::Standing) -> [(String, String); 4] {
    let named = |name: &str, value: String| (name.to_owned(), value);
    [
        named("MITMLAB_CONTROL", lab.control.url.clone()),
        named("MITMLAB_TOKEN", lab.control.token.clone()),
        named("MITMLAB_FOLDER", lab.folder.display().to_string()),
        named("MITMLAB_LAB", lab.pid.to_string()),
    ]
}

/// For a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
