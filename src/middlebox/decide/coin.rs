//! The seeded coin: the same rule, path and seed always give the same draw, on every machine and in every version.
//!
//! Words are absorbed one by one through the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
//! Number Generators, OOPSLA 2014). No cryptography: nobody plays against it.

use std::net::IpAddr;

use super::Context;
use crate::scenario::{Chance, Rule};

/// Draws a number from 0 up to, not including, 1. The ports do not count, so that a path keeps its draw.
pub(super) fn draw(seed: u64, rule: &Rule, chance: Chance, context: &Context) -> f64 {
    let mut state = absorb_bytes(mix(seed), rule.name.as_bytes());
    state = absorb_address(state, context.client.ip());
    state = absorb_address(state, context.destination.ip());
    if !chance.per_path {
        state = absorb(state, context.nonce);
    }
    // the upper 53 bits: as many as a double holds exactly
    (state >> 11) as f64 * 2f64.powi(-53)
}

fn absorb_address(state: u64, address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => absorb_bytes(state, &address.octets()),
        IpAddr::V6(address) => absorb_bytes(state, &address.octets()),
    }
}

/// The length goes in first, so that no two inputs run together.
fn absorb_bytes(state: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(absorb(state, bytes.len() as u64), |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        absorb(state, u64::from_le_bytes(word))
    })
}

fn absorb(state: u64, word: u64) -> u64 {
    mix(state.wrapping_add(GAMMA) ^ mix(word.wrapping_add(GAMMA)))
}

/// The finaliser (variant 13 of David Stafford's mixers).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The odd constant nearest to 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::super::tests::{context, rule};
    use super::*;

    const PER_PATH: Chance = Chance { probability: 0.5, per_path: true };
    const PER_CONNECTION: Chance = Chance { probability: 0.5, per_path: false };

    #[test]
    fn splitmix64_gives_its_reference_values() {
        // the first outputs of the generator with seed 0
        assert_eq!(mix(GAMMA), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(GAMMA.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_draw_is_the_same_for_ever() {
        let rule = rule("forge-targets");
        let drawn = draw(7, &rule, PER_PATH, &context());
        assert_eq!(drawn, draw(7, &rule, PER_PATH, &Context { nonce: 99, ..context() }));
        assert_eq!(format!("{drawn:.12}"), "0.593287398609");
    }

    #[test]
    fn each_input_changes_the_draw() {
        let base = draw(7, &rule("a"), PER_CONNECTION, &context());
        let other_client = Context { client: "10.9.9.9:1".parse().expect("an address"), ..context() };
        let other_destination = Context { destination: "10.9.9.9:443".parse().expect("an address"), ..context() };
        let other_nonce = Context { nonce: 2, ..context() };
        let draws = [
            draw(8, &rule("a"), PER_CONNECTION, &context()),
            draw(7, &rule("b"), PER_CONNECTION, &context()),
            draw(7, &rule("a"), PER_PATH, &context()),
            draw(7, &rule("a"), PER_CONNECTION, &other_client),
            draw(7, &rule("a"), PER_CONNECTION, &other_destination),
            draw(7, &rule("a"), PER_CONNECTION, &other_nonce),
        ];
        assert!(draws.iter().all(|d| (d - base).abs() > 1e-9), "{draws:?} {base}");
        let other_port = Context { client: "192.0.2.7:9".parse().expect("an address"), ..context() };
        assert_eq!(draw(7, &rule("a"), PER_PATH, &context()), draw(7, &rule("a"), PER_PATH, &other_port));
    }

    /// Chi-squared over 16 bins with 15 degrees of freedom: above 37.7 once in a thousand. The inputs are fixed.
    #[test]
    fn draws_are_uniform_over_connections_and_over_paths() {
        let rule = rule("forge-targets");
        for per_path in [true, false] {
            let chance = Chance { probability: 0.5, per_path };
            let mut bins = [0u32; 16];
            for n in 0..16_000u32 {
                let client = std::net::SocketAddr::from((if per_path { (0x0a00_0000 + n).to_be_bytes() } else { [10; 4] }, 1));
                let drawn = draw(7, &rule, chance, &Context { client, nonce: n.into(), ..context() });
                assert!((0.0..1.0).contains(&drawn));
                bins[(drawn * 16.0) as usize] += 1;
            }
            let chi_squared: f64 = bins.iter().map(|&b| (f64::from(b) - 1000.0).powi(2) / 1000.0).sum();
            assert!(chi_squared < 37.7, "{chi_squared} {bins:?}");
        }
    }
}
