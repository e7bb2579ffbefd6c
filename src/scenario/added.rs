//! A rule that is put in force while a lab runs: the same words as in a file, checked against the plan that is running.

use super::diagnostic::{Collector, Diagnostics};
use super::library::Home;
use super::plan::{Plan, Rule};
use super::read;
use super::resolve::{self, Origin};
use super::written::Scenario;

/// Reads one rule, written as a scenario file writes it (`name = ".."`, `match = { .. }`, `action = ".."`), against a plan's
/// world. Lists that the plan's file had are not known any more: names are written out.
///
/// # Errors
/// Everything that is wrong with it.
pub fn added_rule(plan: &Plan, toml: &str) -> Result<Rule, Diagnostics> {
    let mut collector = Collector::default();
    let source = collector.source("the rule", format!("[[rule]]\n{toml}"));
    let scenario: Scenario = read::read(&mut collector, source);
    let origin = Origin { name: plan.name.clone(), source, home: &Home::BuiltIn, profiles: &[] };
    let rule = resolve::one_rule(&mut collector, &origin, &scenario, &plan.world);
    collector.finish(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Action, load};

    fn plan() -> Plan {
        load("untrusted-root-is-refused", &[]).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
    }

    #[test]
    fn a_rule_is_read_against_the_world() {
        let text = "name = \"cut\"\naction = \"close\"\n[rule.match]\nsni = \"www.facebook.com\"\nport = 443\n";
        let rule = added_rule(&plan(), text).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
        assert_eq!((rule.name.as_str(), rule.action, rule.when.port), ("cut", Action::Close, Some(vec![443])));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("name = \"x\"\naction = \"close\"\nmatch = { sni = \"no-such.example\" }", "no-such.example"),
            ("name = \"x\"\naction = \"explode\"", "explode"),
            ("name = \"x\"", "no action"),
            ("", "without a name"),
        ] {
            let wrong = added_rule(&plan(), text).map(|rule| rule.name).expect_err(text).render(false);
            assert!(wrong.contains(told), "{text}: {wrong}");
        }
    }
}
