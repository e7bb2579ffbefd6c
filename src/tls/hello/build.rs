//! Builds hellos for tests, field by field.

use super::{ClientHello, read_message};

/// A hello in the making.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    version: u16,
    session_id: Vec<u8>,
    ciphers: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Build {
    pub(crate) fn new() -> Self {
        Self { version: 0x0303, session_id: vec![7; 32], ciphers: Vec::new(), extensions: Vec::new() }
    }

    pub(crate) fn version(mut self, version: u16) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn ciphers(mut self, ciphers: &[u16]) -> Self {
        self.ciphers.extend(ciphers);
        self
    }

    pub(crate) fn extension(mut self, kind: u16, body: &[u8]) -> Self {
        self.extensions.push((kind, body.to_vec()));
        self
    }

    pub(crate) fn grease(self, kind: u16) -> Self {
        self.extension(kind, &[0])
    }

    pub(crate) fn sni(self, name: &str) -> Self {
        self.names(&[name.as_bytes()])
    }

    pub(crate) fn names(self, names: &[&[u8]]) -> Self {
        let list: Vec<u8> = names.iter().flat_map(|n| [vec![0], vec16(n)].concat()).collect();
        self.extension(0, &vec16(&list))
    }

    pub(crate) fn alpn(self, protocols: &[&[u8]]) -> Self {
        let list: Vec<u8> = protocols.iter().flat_map(|p| vec8(p)).collect();
        self.extension(16, &vec16(&list))
    }

    pub(crate) fn versions(self, versions: &[u16]) -> Self {
        self.extension(43, &vec8(&u16s(versions)))
    }

    pub(crate) fn groups(self, groups: &[u16]) -> Self {
        self.extension(10, &vec16(&u16s(groups)))
    }

    pub(crate) fn formats(self, formats: &[u8]) -> Self {
        self.extension(11, &vec8(formats))
    }

    pub(crate) fn signature_algorithms(self, algorithms: &[u16]) -> Self {
        self.extension(13, &vec16(&u16s(algorithms)))
    }

    /// The handshake message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([0x5a; 32]);
        body.extend(vec8(&self.session_id));
        body.extend(vec16(&u16s(&self.ciphers)));
        body.extend(vec8(&[0]));
        if !self.extensions.is_empty() {
            let block: Vec<u8> =
                self.extensions.iter().flat_map(|(k, b)| [k.to_be_bytes().to_vec(), vec16(b)].concat()).collect();
            body.extend(vec16(&block));
        }
        message(1, &body)
    }

    /// The stream, in records of at most `most` bytes of content.
    pub(crate) fn records(&self, most: usize) -> Vec<u8> {
        self.message().chunks(most).flat_map(|piece| [vec![0x16, 3, 1], vec16(piece)].concat()).collect()
    }

    /// The stream, in one record where it fits.
    pub(crate) fn stream(&self) -> Vec<u8> {
        self.records(16384)
    }

    pub(crate) fn hello(&self) -> ClientHello {
        read_message(&self.message()).expect("a hello that was built right")
    }
}

/// A handshake message of any type.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short body").to_be_bytes();
    [&[kind, length[1], length[2], length[3]], body].concat()
}

fn vec8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("a short vector")], bytes].concat()
}

fn vec16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).expect("a vector").to_be_bytes(), bytes].concat()
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}
