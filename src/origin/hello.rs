//! Reading a ClientHello from the first bytes of a connection, before TLS begins.
//!
//! A full reader (extensions in order, JA3, JA4) belongs to the box; this room cannot import that one. So the reader is
//! a value, and the one built in knows what rustls tells: name, protocols, cipher suites.

use std::sync::Arc;

use rustls::server::Acceptor;

use crate::record::Hello;

/// What the first bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum HelloOutcome {
    /// The beginning of a hello; more must come.
    Incomplete,
    /// A whole hello.
    Hello(Box<Hello>),
    /// No TLS.
    NotTls,
    /// TLS by its first byte, but no hello: why.
    Malformed(String),
}

/// Reads the first bytes of a connection. Called again with more until it has decided.
pub type HelloReader = Arc<dyn Fn(&[u8]) -> HelloOutcome + Send + Sync>;

/// The built-in reader.
pub(super) fn reader() -> HelloReader {
    Arc::new(read)
}

fn read(bytes: &[u8]) -> HelloOutcome {
    match bytes.first() {
        None => return HelloOutcome::Incomplete,
        Some(&HANDSHAKE) => {}
        Some(_) => return HelloOutcome::NotTls,
    }
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        if let Err(error) = acceptor.read_tls(&mut rest) {
            return HelloOutcome::Malformed(error.to_string());
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => return HelloOutcome::Hello(Box::new(told(&accepted.client_hello()))),
            Err((error, _)) => return HelloOutcome::Malformed(error.to_string()),
        }
    }
    HelloOutcome::Incomplete
}

fn told(hello: &rustls::server::ClientHello<'_>) -> Hello {
    Hello {
        sni: hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase()),
        alpn: hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
        ciphers: hello.cipher_suites().iter().map(|&suite| u16::from(suite)).collect(),
        ..Hello::default()
    }
}

/// Content type `handshake` (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hello() -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = "Bank.Lab.test".try_into().expect("a name");
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("a hello");
        bytes
    }

    #[test]
    fn a_hello_whole_and_cut_anywhere() {
        let bytes = hello();
        let HelloOutcome::Hello(told) = read(&bytes) else { panic!("not read") };
        assert_eq!(told.sni.as_deref(), Some("bank.lab.test"));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), HelloOutcome::Incomplete, "{cut}");
        }
    }

    #[test]
    fn what_is_no_hello() {
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), HelloOutcome::NotTls);
        assert!(matches!(read(&[22, 3, 1, 0, 4, 2, 0, 0, 0]), HelloOutcome::Malformed(_)));
    }
}
