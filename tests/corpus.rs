//! The corpora of the fuzz targets, replayed: every seed, every prefix of it and every single wrong byte at some places. See `fuzz/README.md`.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

#[test]
fn every_seed_is_read_without_a_panic() {
    for (name, target) in targets::ALL {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "fuzz/corpus/{name} has {} seeds", seeds.len());
        for seed in &seeds {
            target(seed);
        }
    }
}

#[test]
fn seeds_that_are_cut_or_damaged_are_read_too() {
    for (name, target) in targets::ALL {
        for seed in seeds(name) {
            let step = seed.len() / 24 + 1;
            for at in (0..seed.len()).step_by(step) {
                target(&seed[..at]);
                for wrong in [0x00, 0xff, seed[at] ^ 0x01, seed[at] ^ 0x80] {
                    let mut damaged = seed.clone();
                    damaged[at] = wrong;
                    target(&damaged);
                }
            }
        }
    }
}

#[test]
fn every_target_has_its_binary() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in targets::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let binary = std::fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).expect("a binary");
        assert!(binary.contains(&format!("targets::{name}(bytes)")), "{binary}");
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| std::fs::read(file.expect("an entry").path()).expect("a seed")).collect()
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}
