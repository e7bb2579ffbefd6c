//! Commands of mail protocols as the record keeps them: what was asked, and which secrets were readable, by kind and length.
//!
//! Genuine servers tell what they were asked, the box what it read on the way: both say it with these. Arguments that are secrets
//! (names, passwords, SASL responses, messages) never get into a [`Request`]. SMTP: RFC 5321, RFC 4954; IMAP: RFC 3501; POP3: RFC
//! 1939, RFC 5034.

use super::connection::Request;
use crate::scenario::MailProtocol;

/// A command line, without its end. Of a line whose first word is no command of the protocol nothing is kept: it may be anything.
pub fn command(protocol: MailProtocol, line: &[u8]) -> Request {
    let text = printable(line);
    let mut words = text.splitn(if protocol == MailProtocol::Imap { 3 } else { 2 }, ' ');
    if protocol == MailProtocol::Imap {
        words.next(); // the tag
    }
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    if !commands(protocol).contains(&verb.as_str()) {
        return request(protocol, OTHER.to_owned(), String::new(), Vec::new());
    }
    let argument = words.next().unwrap_or_default().trim();
    let (target, secrets) = masked(protocol, &verb, argument);
    request(protocol, verb, target, secrets)
}

/// A line of a login that is under way: a SASL response (RFC 4422), in base64.
pub fn response(protocol: MailProtocol, line: &[u8]) -> Request {
    request(protocol, "AUTH".to_owned(), "(response)".to_owned(), vec![secret("sasl response", line.len())])
}

/// A login of IMAP whose arguments had these lengths: the user, then the password.
pub fn login(protocol: MailProtocol, arguments: &[usize]) -> Request {
    let secrets = ["user", "password"].iter().zip(arguments).map(|(kind, bytes)| secret(kind, *bytes)).collect();
    request(protocol, "LOGIN".to_owned(), String::new(), secrets)
}

/// A message that crossed: `verb` brought it, in so many bytes.
pub fn message(protocol: MailProtocol, verb: &str, bytes: usize) -> Request {
    request(protocol, verb.to_owned(), "(message)".to_owned(), vec![secret("message", bytes)])
}

/// What may be told of an argument, and what is secret in it.
fn masked(protocol: MailProtocol, verb: &str, argument: &str) -> (String, Vec<String>) {
    let (first, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    let sasl = || {
        let given = (!rest.is_empty()).then(|| secret("sasl response", rest.len()));
        (first.to_ascii_uppercase(), given.into_iter().collect())
    };
    match (protocol, verb) {
        (_, "AUTH" | "AUTHENTICATE") => sasl(),
        // Only arguments of the command's form: anything else may be a line of a letter that begins with such a word.
        (MailProtocol::Smtp, _) if !has_form(verb, argument) => (String::new(), Vec::new()),
        (MailProtocol::Imap, "LOGIN") => {
            (String::new(), vec![secret("user", first.len()), secret("password", rest.trim_matches('"').len())])
        }
        (MailProtocol::Pop3, "USER") => (String::new(), vec![secret("user", argument.len())]),
        (MailProtocol::Pop3, "PASS") => (String::new(), vec![secret("password", argument.len())]),
        (MailProtocol::Pop3, "APOP") => (String::new(), vec![secret("user", first.len()), secret("digest", rest.len())]),
        _ => (argument.to_owned(), Vec::new()),
    }
}

/// An SMTP command with an argument that the record keeps.
fn has_form(verb: &str, argument: &str) -> bool {
    let begins = |word: &str| argument.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    match verb {
        "MAIL" => begins("FROM:"),
        "RCPT" => begins("TO:"),
        "BDAT" => argument.starts_with(|c: char| c.is_ascii_digit()),
        "EHLO" | "HELO" | "LHLO" => !argument.contains(' '),
        _ => false,
    }
}

fn request(protocol: MailProtocol, method: String, target: String, secrets: Vec<String>) -> Request {
    let cut = |text: String, most: usize| text.chars().take(most).collect::<String>();
    Request {
        protocol: protocol.word().to_owned(),
        method: cut(method, MOST_VERB),
        host: None,
        target: cut(target, MOST_TARGET),
        status: None,
        secrets,
    }
}

fn secret(kind: &str, bytes: usize) -> String {
    format!("{kind}: {bytes} bytes")
}

/// Commands that are known: RFC 5321, 3030, 1985, 2645; RFC 9051, 3501 and extensions that clients use; RFC 1939, 2449, 2595, 5034.
fn commands(protocol: MailProtocol) -> &'static [&'static str] {
    match protocol {
        MailProtocol::Smtp => &[
            "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN", "HELP",
            "QUIT", "ETRN", "ATRN", "XCLIENT", "XFORWARD",
        ],
        MailProtocol::Imap => &[
            "CAPABILITY",
            "NOOP",
            "LOGOUT",
            "STARTTLS",
            "AUTHENTICATE",
            "LOGIN",
            "ENABLE",
            "SELECT",
            "EXAMINE",
            "CREATE",
            "DELETE",
            "RENAME",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "LIST",
            "LSUB",
            "XLIST",
            "NAMESPACE",
            "STATUS",
            "APPEND",
            "IDLE",
            "DONE",
            "CHECK",
            "CLOSE",
            "UNSELECT",
            "EXPUNGE",
            "SEARCH",
            "FETCH",
            "STORE",
            "COPY",
            "MOVE",
            "UID",
            "ID",
            "SORT",
            "THREAD",
            "GETQUOTA",
            "GETQUOTAROOT",
            "GETACL",
            "MYRIGHTS",
            "COMPRESS",
            "NOTIFY",
        ],
        MailProtocol::Pop3 => &[
            "USER", "PASS", "APOP", "AUTH", "CAPA", "STLS", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "NOOP", "RSET",
            "QUIT", "LAST", "UTF8", "LANG",
        ],
    }
}

fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// What stands for a line that is no known command.
const OTHER: &str = "(other)";
/// Characters.
const MOST_VERB: usize = 32;
const MOST_TARGET: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept() {
        for (protocol, line, verb, target, secrets) in [
            (MailProtocol::Smtp, "MAIL FROM:<a@b.test> SIZE=9", "MAIL", "FROM:<a@b.test> SIZE=9", &[][..]),
            (MailProtocol::Smtp, "auth plain AGEAYg==", "AUTH", "PLAIN", &["sasl response: 8 bytes"]),
            (MailProtocol::Smtp, "AUTH LOGIN", "AUTH", "LOGIN", &[]),
            (MailProtocol::Imap, "a1 login alice \"secret\"", "LOGIN", "", &["user: 5 bytes", "password: 6 bytes"]),
            (MailProtocol::Imap, "a1 AUTHENTICATE PLAIN AGEAYg==", "AUTHENTICATE", "PLAIN", &["sasl response: 8 bytes"]),
            (MailProtocol::Imap, "a2 select INBOX", "SELECT", "INBOX", &[]),
            (MailProtocol::Pop3, "USER alice", "USER", "", &["user: 5 bytes"]),
            (MailProtocol::Pop3, "pass a secret", "PASS", "", &["password: 8 bytes"]),
            (MailProtocol::Pop3, "\0\u{7}", "(other)", "", &[]),
            (MailProtocol::Smtp, "c2VjcmV0 and more", "(other)", "", &[]),
            (MailProtocol::Smtp, "Mail me at six", "MAIL", "", &[]),
            (MailProtocol::Smtp, "rcpt to:<c@d.test>", "RCPT", "to:<c@d.test>", &[]),
            (MailProtocol::Smtp, "bdat 5 last", "BDAT", "5 last", &[]),
            (MailProtocol::Imap, "DONE", "(other)", "", &[]),
        ] {
            let told = command(protocol, line.as_bytes());
            assert_eq!((told.method.as_str(), told.target.as_str()), (verb, target), "{line}");
            assert_eq!(told.secrets, secrets, "{line}");
        }
    }
}
