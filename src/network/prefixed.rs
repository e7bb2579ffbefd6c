//! A stream that first returns bytes already read.
