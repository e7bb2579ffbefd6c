//! mitmlab puts a small Internet, a national interception box and an unmodified client program on one machine, lets the
//! client use that Internet, and says with evidence what happened: was the connection forged, did the client refuse,
//! did a detector notice. Nothing leaves the machine, nothing stays on it.
//!
//! ```text
//!  client ──► network ──► middlebox ──► origin
//!  (any        (sealed     sniff hello     (genuine site)
//!   program)    or proxy)  decide ─► forward │ intercept │ block
//!                          forge ◄── profile
//!                  every step ──► record ──► verdict ──► report
//! ```
//!
//! As types: `Arrival -> Seen -> Decision -> Forged -> Event* -> Connection -> Verdict`. In the order of a byte's travel:
//!
//! - [`client`]: which program, what it may trust, how it is started, watched and ended
//! - [`network`]: how bytes reach the box: the sealed network's wire, or the explicit proxy's streams
//! - [`middlebox`]: reads, decides, forwards, intercepts or blocks
//! - [`forge`]: how the box makes a certificate; [`x509`]: certificates as octets
//! - [`origin`]: genuine servers; [`pki`]: the genuine public PKI; [`tls`]: what box and origins share of TLS
//! - [`record`]: one stream of events, folded into the ground truth of every connection
//! - [`verdict`]: what it means, with the evidence
//! - [`score`]: how good a detector is, from what it said of what was
//! - [`scenario`]: the language, and the plan that runs; [`lab`]: starts all of it, runs legs, stops
//! - [`control`]: what is in force in a running lab, read and changed over HTTP on loopback
//! - [`workshop`]: many participants, a lab for each, lessons, the console's server
//! - [`probe`]: the lab's own client and reference detector; [`cli`]: one file per subcommand

pub mod cli;
pub mod client;
pub mod control;
pub mod error;
pub mod forge;
pub mod lab;
pub mod middlebox;
pub mod network;
pub mod origin;
pub mod pki;
pub mod probe;
pub mod record;
pub mod scenario;
pub mod score;
pub mod tls;
pub mod verdict;
pub mod workshop;
pub mod x509;
