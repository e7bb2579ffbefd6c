//! The profiles that come with the program.

use super::Listed;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(Listed { name: $name, text: include_str!(concat!("../../../certs/", $name, ".toml")) }),*]
    };
}

/// All, the evidence-based ones first.
pub(super) const ALL: &[Listed] = embedded![
    "qaznet-2019",
    "qaznet-2019-before-0719",
    "qaznet-2019-after-0730",
    "qaznet-2019-after-0730-shifted",
    "isca-2020",
    "isca-2021-2024",
    "nca-2015",
    "corporate",
    "antivirus",
    "parental",
    "captive-portal",
    "blind",
    "shared-key",
    "mirror",
    "mirror-with-ct",
];
