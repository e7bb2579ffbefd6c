//! What IMAP's FETCH and SEARCH say of a message (RFC 3501 sections 6.4.4, 6.4.5 and 7.4.2). A message is one part of text to them.

use time::macros::format_description;

use super::parse::{Word, in_set};
use crate::origin::mail::accounts::Message;

/// The items of a FETCH, macros resolved. None if one is not known.
pub(super) fn items(word: &Word) -> Option<Vec<String>> {
    let names: Vec<String> = match word {
        Word::List(list) => list.iter().map(Word::upper).collect(),
        other => match other.upper().as_str() {
            "ALL" => ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"].map(str::to_owned).to_vec(),
            "FAST" => ["FLAGS", "INTERNALDATE", "RFC822.SIZE"].map(str::to_owned).to_vec(),
            "FULL" => ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"].map(str::to_owned).to_vec(),
            one => vec![one.to_owned()],
        },
    };
    let known = |name: &String| SIMPLE.contains(&name.as_str()) || name.starts_with("BODY[") || name.starts_with("BODY.PEEK[");
    (!names.is_empty() && names.iter().all(known)).then_some(names)
}

/// True if the item marks the message as read.
pub(super) fn reads(item: &str) -> bool {
    item.starts_with("BODY[") || matches!(item, "RFC822" | "RFC822.TEXT")
}

/// True if the item brings the message's text, not only its headers.
pub(super) fn brings_text(item: &str) -> bool {
    let whole = |section: &str| matches!(section, "" | "TEXT" | "1");
    reads(item) && !item.contains('[') || section(item).is_some_and(|(section, _)| whole(section))
}

/// One item's name and value. None if its section is not to be had.
pub(super) fn item(message: &Message, name: &str) -> Option<Vec<u8>> {
    let (head, text) = split(&message.bytes);
    let date = || {
        message
            .received
            .format(format_description!("[day padding:space]-[month repr:short]-[year] [hour]:[minute]:[second] +0000"))
    };
    let value = match name {
        "UID" => message.uid.to_string().into_bytes(),
        "FLAGS" => format!("({})", flags(message)).into_bytes(),
        "INTERNALDATE" => format!("\"{}\"", date().unwrap_or_default()).into_bytes(),
        "RFC822.SIZE" => message.bytes.len().to_string().into_bytes(),
        "RFC822" => literal(&message.bytes),
        "RFC822.HEADER" => literal(head),
        "RFC822.TEXT" => literal(text),
        "ENVELOPE" => envelope(head),
        "BODY" | "BODYSTRUCTURE" => structure(text),
        _ => {
            let (section, range) = section(name)?;
            let all = part(section, &message.bytes, head, text)?;
            let (shown, from) = match range {
                Some((from, count)) => {
                    let begin = from.min(all.len());
                    (&all[begin..all.len().min(begin.saturating_add(count))], format!("<{from}>"))
                }
                None => (&all[..], String::new()),
            };
            return Some([format!("BODY[{section}]{from} ").as_bytes(), &literal(shown)].concat());
        }
    };
    Some([name.as_bytes(), b" ", &value].concat())
}

/// `\Seen \Deleted`, as they are.
pub(super) fn flags(message: &Message) -> String {
    let set = [(message.seen, r"\Seen"), (message.deleted, r"\Deleted")];
    set.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag).collect::<Vec<_>>().join(" ")
}

/// True if the message fits all the keys. None if a key is not known.
pub(super) fn fits(message: &Message, number: u32, last: (u32, u32), keys: &[Word]) -> Option<bool> {
    let mut keys = keys.iter();
    let mut all = true;
    while let Some(key) = keys.next() {
        let mut argument = || keys.next()?.bytes().map(|b| String::from_utf8_lossy(b).into_owned());
        let upper = key.upper();
        all &= match upper.as_str() {
            "ALL" => true,
            "SEEN" => message.seen,
            "UNSEEN" | "NEW" | "RECENT" => !message.seen,
            "DELETED" => message.deleted,
            "UNDELETED" => !message.deleted,
            "CHARSET" => argument().is_some(),
            "SUBJECT" | "FROM" | "TO" | "CC" => has_field(message, &upper, &argument()?),
            "HEADER" => {
                let field = argument()?;
                has_field(message, &field, &argument()?)
            }
            "BODY" => contains(split(&message.bytes).1, &argument()?),
            "TEXT" => contains(&message.bytes, &argument()?),
            "UID" => in_set(&argument()?, message.uid, last.1)?,
            set => in_set(set, number, last.0)?,
        };
    }
    Some(all)
}

fn has_field(message: &Message, field: &str, text: &str) -> bool {
    fields(split(&message.bytes).0).any(|(name, value)| name.eq_ignore_ascii_case(field) && contains(value.as_bytes(), text))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

/// `BODY[section]<from.count>`: section and range.
fn section(name: &str) -> Option<(&str, Option<(usize, usize)>)> {
    let (_, rest) = name.split_once('[')?;
    let (section, range) = rest.rsplit_once(']')?;
    if range.is_empty() {
        return Some((section, None));
    }
    let (from, count) = range.strip_prefix('<')?.strip_suffix('>')?.split_once('.')?;
    Some((section, Some((from.parse().ok()?, count.parse().ok()?))))
}

fn part(section: &str, whole: &[u8], head: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    match section {
        "" => return Some(whole.to_vec()),
        "HEADER" => return Some(head.to_vec()),
        "TEXT" | "1" => return Some(text.to_vec()),
        "1.MIME" => return Some(b"\r\n".to_vec()),
        _ => {}
    }
    let (not, names) = match section.strip_prefix("HEADER.FIELDS")? {
        rest if rest.starts_with(".NOT") => (true, &rest[4..]),
        rest => (false, rest),
    };
    let names = names.trim().strip_prefix('(')?.strip_suffix(')')?;
    let wanted = |name: &str| names.split_ascii_whitespace().any(|n| n.trim_matches('"').eq_ignore_ascii_case(name)) != not;
    let kept: String = fields(head).filter(|(name, _)| wanted(name)).map(|(name, value)| format!("{name}:{value}\r\n")).collect();
    Some((kept + "\r\n").into_bytes())
}

/// Headers with the empty line, and the text.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    message.split_at(end)
}

/// Header fields; continued lines are kept as they are (RFC 5322 section 2.2.3).
fn fields(head: &[u8]) -> impl Iterator<Item = (String, String)> {
    let text = String::from_utf8_lossy(head).into_owned();
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.split("\r\n") {
        match (line.starts_with([' ', '\t']), line.split_once(':'), all.last_mut()) {
            (true, _, Some((_, value))) => {
                value.push_str("\r\n");
                value.push_str(line);
            }
            (false, Some((name, value)), _) => all.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    all.into_iter()
}

fn envelope(head: &[u8]) -> Vec<u8> {
    let field =
        |name: &str| fields(head).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().replace("\r\n", ""));
    let from = field("From");
    let text = |name| string(field(name).as_deref());
    let people = |name: &str| addresses(field(name).as_deref());
    let sender = addresses(field("Sender").or_else(|| from.clone()).as_deref());
    let reply = addresses(field("Reply-To").or_else(|| from.clone()).as_deref());
    let all = [
        text("Date"),
        text("Subject"),
        addresses(from.as_deref()),
        sender,
        reply,
        people("To"),
        people("Cc"),
        people("Bcc"),
        text("In-Reply-To"),
        text("Message-ID"),
    ];
    format!("({})", all.join(" ")).into_bytes()
}

/// `Name <local@host>, ...` as IMAP tells addresses. Commas in quoted names are not understood.
fn addresses(value: Option<&str>) -> String {
    let Some(value) = value else { return "NIL".to_owned() };
    let one = |address: &str| {
        let (name, address) = match address.split_once('<') {
            Some((name, rest)) => (Some(name.trim().trim_matches('"')).filter(|n| !n.is_empty()), rest.trim_end_matches('>')),
            None => (None, address),
        };
        let (local, host) = address.trim().split_once('@').unwrap_or((address.trim(), ""));
        format!("({} NIL {} {})", string(name), string(Some(local)), string(Some(host)))
    };
    format!("({})", value.split(',').map(one).collect::<String>())
}

fn structure(text: &[u8]) -> Vec<u8> {
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    format!("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\") NIL NIL \"8BIT\" {} {lines})", text.len()).into_bytes()
}

fn string(text: Option<&str>) -> String {
    match text {
        None => "NIL".to_owned(),
        Some(text) if text.is_ascii() => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Some(text) => format!("{{{}}}\r\n{text}", text.len()),
    }
}

fn literal(bytes: &[u8]) -> Vec<u8> {
    [format!("{{{}}}\r\n", bytes.len()).as_bytes(), bytes].concat()
}

const SIMPLE: [&str; 10] = [
    "UID",
    "FLAGS",
    "INTERNALDATE",
    "RFC822.SIZE",
    "RFC822",
    "RFC822.HEADER",
    "RFC822.TEXT",
    "ENVELOPE",
    "BODY",
    "BODYSTRUCTURE",
];
