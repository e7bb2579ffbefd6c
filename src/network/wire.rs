//! The wire: packets of diverted ports pass here.
