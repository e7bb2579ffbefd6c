//! A workshop as its participants and its trainer use it: over HTTP, with the labs really running.

#![cfg(target_os = "linux")]

mod bench;
mod class;
mod guard;
mod lesson;
mod played;
mod reports;
