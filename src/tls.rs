//! What the box and the genuine origins share of TLS: reading hellos, telling how connections end, describing certificates.
//!
//! Both are ends of TLS connections and both tell the record what they saw; here is the one place where rustls's state and errors
//! become the record's words. Nothing here decides or forges.

mod counted;
mod describe;
mod ended;
pub mod fingerprint;
pub mod hello;
pub mod quic;
mod records;
mod witness;

pub use counted::{Counted, Tally, Turn, Way};
pub use describe::{describe, describe_chain};
pub use ended::{CLOSE_NOTIFY, Ended, USER_CANCELED, alert, alert_number, classify, classify_any, handshake};
pub use records::RecordWatch;
pub use witness::{Counts, Witness};
