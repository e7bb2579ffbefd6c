//! What the box says in an origin's name on plain HTTP: block pages and redirects (RFC 9110 section 15).

/// A redirect to the portal.
pub(super) fn redirect(to: &str) -> Vec<u8> {
    let to: String = to.chars().filter(|c| !c.is_control()).collect();
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

/// A block page: the text of a file of `lab/portal`, read when the plan was made.
pub(super) fn page(body: &str, status: u16) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Blocked\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_cannot_be_split() {
        let text = String::from_utf8(redirect("http://portal.test/\r\nset-cookie: a=b")).unwrap();
        assert_eq!(text.matches("\r\n").count(), 5, "{text}");
    }

    #[test]
    fn a_page_says_its_length() {
        let text = String::from_utf8(page("<p>no</p>", 451)).unwrap();
        assert!(text.starts_with("HTTP/1.1 451 "), "{text}");
        assert!(text.contains("content-length: 9\r\n"), "{text}");
    }
}
