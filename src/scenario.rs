//! The scenario language: what a scenario file says ([`Scenario`]) and what runs ([`Plan`]).
//!
//! [`Scenario`] is the TOML as written, with the place of each value kept for error messages. [`Plan`] is what the lab
//! runs: everything resolved, every default filled in. The conversion from one to the other is the only validator.
//! The words used by every other room (vantage, trust, verdict, action) live here too. This room imports no other.
//!
//! ```text
//! name or path ─► library ─► read ─► Scenario ─► resolve ─► Plan ─► needs
//!                                 └─► Diagnostics ◄─┘         └─► explain
//! ```

mod added;
mod answer;
mod case;
mod clock;
pub mod detector;
mod diagnostic;
mod explain;
mod library;
mod load;
mod mail;
mod needs;
pub mod plan;
mod read;
mod resolve;
mod schema;
mod suggest;
pub mod tls_version;
mod words;
pub mod written;

pub use added::added_rule;
pub use answer::{Answer, UnknownWord};
pub use case::{Case, Must, Need, Speaks, Suite, Truth};
pub use clock::Clock;
pub use detector::{Detector, Says, Voice};
pub use diagnostic::{Diagnostic, Diagnostics, Kind};
pub use explain::explain;
pub use library::{Listed, embedded, list, show};
pub use load::{load, load_text};
pub use mail::{MailProtocol, MailService};
pub use needs::Needs;
pub use plan::{
    Authority, Cert, Chance, Check, CheckClient, Expect, Matcher, Network, Notice, Origin, Phase, Plan, Rule, Schedule, Serve,
    Service, Site, World,
};
pub use schema::{schema, world_schema};
pub use tls_version::TlsVersion;
pub use words::{
    Action, Direction, DnsTrick, First, Messages, OriginTrust, Place, Policing, ResetTo, ResidualPer, Transport, Trust,
    UpstreamFault, Vantage, VerdictKind,
};
pub use written::Scenario;
