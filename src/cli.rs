//! cli

pub mod cert;
pub mod forge;
pub mod profile;
