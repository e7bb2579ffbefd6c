//! The profiles that come with the program.

use super::Listed;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(Listed { name: $name, text: include_str!(concat!("../../../certs/", $name, ".toml")) }),*]
    };
}

/// All, the evidence-based ones first.
pub(super) const ALL: &[Listed] = embedded!["qaznet-2019",];
