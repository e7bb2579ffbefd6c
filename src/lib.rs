//! mitmlab puts a small Internet, a national interception box and an unmodified client program on one machine, lets the
//! client use that Internet, and says with evidence what happened: was the connection forged, did the client refuse,
//! did a detector notice. Nothing leaves the machine, nothing stays on it.

pub mod cli;
pub mod client;
pub mod forge;
pub mod middlebox;
pub mod network;
pub mod origin;
pub mod pki;
pub mod probe;
pub mod record;
pub mod scenario;
pub mod verdict;
