//! Every file that is shipped reads, and every mistake is told.

use mitmlab::scenario;

const PROFILES: &[&str] = &["qaznet-2019", "isca-2020"];

#[test]
fn every_shipped_scenario_reads() {
    for listed in scenario::list() {
        if let Err(told) = scenario::load(&listed.name, PROFILES) {
            panic!("{}:\n{told}", listed.name);
        }
        assert!(!listed.title.is_empty() && !listed.about.is_empty(), "{} says nothing", listed.name);
    }
}
