//! The lab's resolvers: DNS over UDP and TCP.
