#![no_main]
#[path = "../targets.rs"]
#[allow(dead_code)] // each binary has one of them
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::pop3(bytes));
