//! What the box does with a connection: a pure function.
