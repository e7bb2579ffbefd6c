//! forge

pub mod der;
pub mod key;
pub mod tbs;
