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
fn datagrams_are_decided_unread_or_by_their_hello() {
    let silence = Action::Drop { residual_s: 0, residual: ResidualPer::default() };
    let udp = Matcher { transport: Some(Transport::Udp), port: Some(vec![443]), ..Matcher::default() };
    let named = |name: &str| Matcher { sni: Some(vec![name.to_owned()]), ..Matcher::default() };
    let rules = vec![
        acting("forge", named("www.facebook.com"), Action::Intercept),
        acting("named", named("www.facebook.com"), silence.clone()),
        acting("reset", Matcher::default(), Action::Close),
        acting("quic", udp, silence.clone()),
    ];
    let about: Vec<bool> = rules.iter().map(super::is_about_datagrams).collect();
    assert_eq!(about, [false, false, false, true]);
    let compiled = Compiled::new(Arc::new(plan(rules.clone())));
    let quic = Context { transport: Transport::Udp, ..context() };
    let by = |hello: Option<&Seen>, context: &Context| match compiled.decide_datagram(hello.and_then(Seen::hello), context) {
        Decision::Act { rule, .. } => rule.name.clone(),
        Decision::Forward(why) => why.word().to_owned(),
        Decision::AskOrigin => "ask".to_owned(),
    };
    assert_eq!(by(None, &quic), "quic");
    assert_eq!(by(Some(&hello("www.facebook.com")), &quic), "named");
    assert_eq!(by(Some(&hello("www.kernel.org")), &quic), "quic");
    let other_port = Context { destination: "157.240.22.35:53".parse().expect("an address"), ..quic };
    assert_eq!(by(None, &other_port), "not-listed");

    // A rule that a hello could fulfil comes first here, so the hello is waited for; with the rule about all UDP first it is not.
    assert!(!compiled.decides_unread(&quic));
    let all_first = Compiled::new(Arc::new(plan(vec![rules[3].clone(), rules[1].clone()])));
    assert!(all_first.decides_unread(&quic));
    // What cannot be done to UDP is not waited for, and tells that it cannot.
    let forged = Compiled::new(Arc::new(plan(vec![rules[0].clone(), rules[3].clone()])));
    assert!(forged.decides_unread(&quic));
    let alone = Compiled::new(Arc::new(plan(vec![rules[0].clone()])));
    let (said, other) = (hello("www.facebook.com"), hello("www.kernel.org"));
    let word = |seen: &Seen| match alone.decide_datagram(seen.hello(), &quic) {
        Decision::Forward(why) => why.word(),
        _ => "an act",
    };
    assert_eq!((word(&said), word(&other)), ("cannot-act", "not-listed"));
}
