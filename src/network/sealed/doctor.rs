//! Whether this machine can hold a sealed network.
