//! Genuine origins, tried by real clients over loopback: good chains are accepted with the root given, each fault is
//! refused, and the record tells what happened. A client that is not installed is skipped, and said so.

mod bench;
mod clients;
mod names;
mod record;
mod services;
