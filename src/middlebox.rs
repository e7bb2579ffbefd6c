//! The middlebox: reads, decides, forwards, intercepts or blocks.

pub mod decide;
pub mod fingerprint;
pub mod hello;
pub mod relay;
pub mod sniff;
