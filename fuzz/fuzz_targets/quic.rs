#![no_main]
#[path = "../targets.rs"]
#[expect(dead_code, reason = "each binary has one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::quic(bytes));
