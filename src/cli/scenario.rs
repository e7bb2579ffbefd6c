//! `mitmlab scenario`: list, show, explain, check, and the schema.

use std::io::IsTerminal as _;

use super::{Scenario, print};
use crate::error::{AS_EXPECTED, Error, USAGE};
use crate::forge;
use crate::scenario::{self, Diagnostics, Plan};

/// Loads a scenario, with all that is wrong with it as one error.
pub(super) fn load(name: &str) -> Result<Plan, Error> {
    let profiles = profiles();
    scenario::load(name, &profiles.iter().map(String::as_str).collect::<Vec<_>>()).map_err(|wrong| told(&wrong))
}

fn told(wrong: &Diagnostics) -> Error {
    Error::Usage(wrong.render(std::io::stderr().is_terminal()))
}

fn profiles() -> Vec<String> {
    forge::profiles().iter().map(|profile| profile.name.to_owned()).collect()
}

/// Runs one of the subcommands.
pub(super) fn scenario(command: Scenario) -> Result<u8, Error> {
    let profiles = profiles();
    let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
    match command {
        Scenario::List { json } => list(json)?,
        Scenario::Show { name } => {
            let unknown = || Error::Usage(format!("no built-in scenario `{name}`\nhint: `mitmlab scenario list` names them all"));
            print::out(scenario::show(&name).ok_or_else(unknown)?)?;
        }
        Scenario::Explain { name } => {
            print::out(&scenario::explain(&name, &profiles).map_err(|wrong| told(&wrong))?)?;
        }
        Scenario::Check { names, json } => return check(&names, json, &profiles),
        Scenario::Schema => print::line(format_args!("{:#}", scenario::schema()))?,
    }
    Ok(AS_EXPECTED)
}

fn list(json: bool) -> Result<(), Error> {
    let all = scenario::list();
    if json {
        let entry = |s: &scenario::Listed| serde_json::json!({ "name": s.name, "title": s.title, "about": s.about });
        return print::line(format_args!("{:#}", serde_json::Value::Array(all.iter().map(entry).collect())));
    }
    let width = all.iter().map(|s| s.name.len()).max().unwrap_or(0);
    all.iter().try_for_each(|entry| print::line(format_args!("{:width$}  {}", entry.name, entry.title)))
}

fn check(names: &[String], json: bool, profiles: &[&str]) -> Result<u8, Error> {
    let mut code = AS_EXPECTED;
    let mut machine = Vec::new();
    for name in names {
        let loaded = scenario::load(name, profiles);
        if json {
            let problems = loaded.as_ref().err().map_or(serde_json::json!([]), Diagnostics::to_json);
            machine.push(serde_json::json!({ "scenario": name, "problems": problems }));
        }
        match loaded {
            Ok(plan) if !json => print::line(format_args!("{name}: {} checks, no problem", plan.checks.len()))?,
            Ok(_) => {}
            Err(wrong) => {
                code = USAGE;
                if !json {
                    print::err(wrong.render(std::io::stderr().is_terminal()));
                }
            }
        }
    }
    if json {
        print::line(format_args!("{:#}", serde_json::Value::Array(machine)))?;
    }
    Ok(code)
}
