//! The control API, asked over real sockets: what it says, what it refuses, and what abuse does to it.

mod abuse;
mod api;
mod routes;
mod running;
