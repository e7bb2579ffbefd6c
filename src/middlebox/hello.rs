//! The ClientHello parser.
