//! Page: a plain HTTP request is answered in the origin's name with a block page of `lab/portal`.

use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::{Act, Then};

#[cfg(target_os = "linux")]
pub(super) fn on_wire(body: &str, status: u16) -> Act {
    Act::Inject { to_client: answer(body, status), then: Then::Close }
}

pub(super) async fn on_stream(client: &mut Client, body: &str, status: u16) -> Told {
    super::close::say(client, &answer(body, status)).await
}

fn answer(body: &str, status: u16) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reason(status),
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Reason phrases mean nothing to programs (RFC 9112 section 4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        403 => "Forbidden",
        451 => "Unavailable For Legal Reasons",   // RFC 7725
        511 => "Network Authentication Required", // RFC 6585 section 6
        _ => "Blocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_its_length() {
        let text = String::from_utf8(answer("<p>no</p>", 451)).unwrap();
        assert!(text.starts_with("HTTP/1.1 451 Unavailable For Legal Reasons\r\n"), "{text}");
        assert!(text.contains("content-length: 9\r\n"), "{text}");
    }
}
