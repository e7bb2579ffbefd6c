//! Redirect: a plain HTTP request is answered in the origin's name with the way to the portal (RFC 9110 section 15.4.3).
//!
//! Operators led clients without the root to pages with instructions (reports of 2019 and 2020); status and headers are
//! in no source, so 302 is the lab's choice.

use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::{Act, Then};

#[cfg(target_os = "linux")]
pub(super) fn on_wire(to: &str) -> Act {
    Act::Inject { to_client: answer(to), then: Then::Close }
}

pub(super) async fn on_stream(client: &mut Client, to: &str) -> Told {
    super::close::say(client, &answer(to)).await
}

fn answer(to: &str) -> Vec<u8> {
    let to: String = to.chars().filter(|c| !c.is_control()).collect();
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_cannot_be_split() {
        let text = String::from_utf8(answer("http://portal.test/\r\nset-cookie: a=b")).unwrap();
        assert_eq!(text.matches("\r\n").count(), 5, "{text}");
    }
}
