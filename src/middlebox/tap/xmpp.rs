//! What the box can read of an intercepted XMPP conversation: streams, logins and messages, secrets by kind and length (RFC 6120, RFC
//! 6121). It reads along and keeps one tag at most.

use crate::middlebox::starttls::Tags;
use crate::record::Request;

/// Reads along.
#[derive(Debug, Default)]
pub(super) struct XmppTap {
    up: Tags,
    down: Tags,
    told: usize,
}

impl XmppTap {
    /// Bytes from the client.
    pub(super) fn up(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Request)) {
        read(&mut self.up, &mut self.told, bytes, tell);
    }

    /// Bytes from the server.
    pub(super) fn down(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Request)) {
        read(&mut self.down, &mut self.told, bytes, tell);
    }
}

fn read(tags: &mut Tags, told: &mut usize, bytes: &[u8], tell: &mut dyn FnMut(Request)) {
    for byte in bytes {
        let Some(tag) = tags.push(*byte) else { continue };
        let Some(secret) = tags.counted(&tag) else { continue };
        *told += 1;
        if *told <= MOST_TOLD {
            tell(Request {
                protocol: "xmpp".to_owned(),
                method: String::from_utf8_lossy(tag.strip_prefix(b"/").unwrap_or(&tag)).into_owned(),
                host: None,
                target: String::new(),
                status: None,
                secrets: vec![secret],
            });
        }
    }
}

/// Secrets of one connection that the record keeps.
const MOST_TOLD: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_messages_are_told_without_their_content() {
        for size in [1, 7, 500] {
            let (mut tap, mut told) = (XmppTap::default(), Vec::new());
            let talk = b"<?xml version='1.0'?><stream:stream to='a.test'><auth mechanism='PLAIN'>AGEAYg==</auth>\
                         <message to='b@a.test'><body>hello</body></message><auth/>";
            for piece in talk.chunks(size) {
                tap.up(piece, &mut |request| told.push((request.method, request.secrets)));
            }
            assert_eq!(
                told,
                [("auth", "sasl response: 8 bytes"), ("body", "message: 5 bytes")]
                    .map(|(m, s)| (m.to_owned(), vec![s.to_owned()]))
            );
        }
    }
}
