//! A sweep over seeds: a chance is what it says over many seeds, and the same thing for one.

use std::sync::Arc;

use super::tests::{acting, context, hello, plan};
use super::{Compiled, Context, Decision};
use crate::middlebox::sniff::Seen;
use crate::scenario::{Action, Chance, Matcher, Plan, ResidualPer, Transport};

fn fires(plan: &Compiled, seen: &Seen, nonce: u64) -> bool {
    matches!(plan.decide(seen, &Context { nonce, ..context() }), Decision::Act { .. })
}

fn with_seed(seed: u64, probability: f64, per_path: bool) -> Compiled {
    let when = Matcher { chance: Some(Chance { probability, per_path }), ..Matcher::default() };
    Compiled::new(Arc::new(Plan { seed, ..plan(vec![acting("forge-targets", when, Action::Close)]) }))
}

/// 0.068 and 0.237 of hosts were intercepted in 2019, 0.115 in 2020 (IMC 2020 section 3.2; net4people/bbs#56). Five standard
/// deviations of the binomial distribution; the seeds are fixed, so this never flickers.
#[test]
fn over_seeds_a_chance_is_binomial_and_for_each_it_is_the_same() {
    let seen = hello("www.facebook.com");
    let seeds = 4000u64;
    for probability in [0.068, 0.115, 0.237, 0.5] {
        for per_path in [true, false] {
            let all: Vec<bool> = (0..seeds).map(|seed| fires(&with_seed(seed, probability, per_path), &seen, 1)).collect();
            let again: Vec<bool> = (0..seeds).map(|seed| fires(&with_seed(seed, probability, per_path), &seen, 1)).collect();
            assert_eq!(all, again);
            let hits = all.iter().filter(|hit| **hit).count() as f64;
            let (mean, deviation) = (seeds as f64 * probability, (seeds as f64 * probability * (1.0 - probability)).sqrt());
            assert!((hits - mean).abs() < 5.0 * deviation, "{hits} of {seeds} at {probability}");
        }
    }
}

#[test]
fn a_path_keeps_its_coin_and_connections_throw_their_own() {
    let seen = hello("www.facebook.com");
    for seed in 0..50 {
        let per_path = with_seed(seed, 0.5, true);
        assert!((2..20).all(|nonce| fires(&per_path, &seen, nonce) == fires(&per_path, &seen, 1)));
        let each = with_seed(seed, 0.5, false);
        let hits = (0..64).filter(|nonce| fires(&each, &seen, *nonce)).count();
        assert!((8..=56).contains(&hits), "{hits} of 64 with seed {seed}");
    }
}

#[test]
fn datagrams_are_decided_unread() {
    let silence = Action::Drop { residual_s: 0, residual: ResidualPer::default() };
    let udp = Matcher { transport: Some(Transport::Udp), port: Some(vec![443]), ..Matcher::default() };
    let named = Matcher { sni: Some(vec!["www.facebook.com".to_owned()]), ..Matcher::default() };
    let rules = vec![
        acting("named", named, silence.clone()),
        acting("reset", Matcher::default(), Action::Close),
        acting("quic", udp, silence),
    ];
    let about: Vec<bool> = rules.iter().map(super::is_about_datagrams).collect();
    assert_eq!(about, [false, false, true]);
    let compiled = Compiled::new(Arc::new(plan(rules)));
    let quic = Context { transport: Transport::Udp, ..context() };
    assert!(matches!(compiled.decide_datagram(&quic), Decision::Act { rule, .. } if rule.name == "quic"));
    let other_port = Context { destination: "157.240.22.35:53".parse().expect("an address"), ..quic };
    assert!(matches!(compiled.decide_datagram(&other_port), Decision::Forward(_)));
}
