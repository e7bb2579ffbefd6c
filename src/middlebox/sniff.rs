//! What the first bytes say.
