//! Mail servers of the lab, tried by real clients: curl, Python's smtplib, imaplib and poplib, swaks, openssl; and by hostile bytes.
//! A client that is not installed is skipped, and said so.

mod bench;
mod clients;
mod hostile;
mod programs;
mod table;
mod through;
