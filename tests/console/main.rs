//! The workshop's console in a real browser: headless Chromium, driven by playwright-core, looked over by axe-core; its strings in every
//! language; and browsers as clients of the lab, with what their user would see kept as photographs.
//!
//! Photographs and figures are left in `target/console-photos`, for people to look at. Where node, npm, Chromium or Firefox is missing a
//! test is left out with a word; under `CI=true` that is a failure.

mod browsers;
mod console;
mod strings;
mod tools;
