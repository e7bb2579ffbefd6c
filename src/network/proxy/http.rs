//! HTTP as spoken to a proxy: CONNECT (RFC 9110 section 9.3.6) and absolute targets (RFC 9112 section 3.2.2).

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Front, Kind, ProxyError, Target};

/// Reads a request's head.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(front: &mut Front<S>) -> Result<(Kind, Target, Vec<u8>), ProxyError> {
    let length = head_length(front).await?;
    let rest = front.buffer.split_off(length);
    let head = std::mem::take(&mut front.buffer);
    let lines = lines(&head);
    let line = lines.first().copied().unwrap_or_default();
    let request = RequestLine::parse(line).ok_or_else(|| ProxyError::RequestLine { line: cut(line) })?;
    if request.method == "CONNECT" {
        let target = Target::parse(request.target, None).ok_or_else(|| bad_target(request.target))?;
        return Ok((Kind::Connect, target, rest));
    }
    let absolute = Absolute::parse(request.target).ok_or_else(|| ProxyError::OriginForm { line: cut(line) })?;
    if !absolute.scheme.eq_ignore_ascii_case("http") {
        return Err(ProxyError::Scheme { scheme: absolute.scheme.to_owned() });
    }
    let target = Target::parse(absolute.authority, Some(HTTP_PORT)).ok_or_else(|| bad_target(absolute.authority))?;
    let mut prefix = to_origin_form(&request, &absolute, &target, &lines);
    prefix.extend(rest);
    Ok((Kind::Absolute, target, prefix))
}

/// An answer of the proxy's own: a status, a sentence, and the connection's end.
pub(super) fn refusal(status: &str, sentence: &str) -> Vec<u8> {
    let body = format!("mitmlab: {sentence}\n");
    let length = body.len();
    let fields = "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\n";
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Length of the head, its empty line included.
async fn head_length<S: AsyncRead + AsyncWrite + Unpin>(front: &mut Front<S>) -> Result<usize, ProxyError> {
    let (mut from, mut begin) = (0, 0);
    loop {
        while let Some(at) = front.buffer[from..].iter().position(|&b| b == b'\n').map(|at| from + at) {
            if matches!(&front.buffer[begin..at], [] | [b'\r']) {
                return Ok(at + 1);
            }
            (from, begin) = (at + 1, at + 1);
        }
        from = front.buffer.len();
        if from >= MAX_HEAD {
            return Err(ProxyError::HeadTooLong { most: MAX_HEAD });
        }
        front.more("the end of its request's head").await?;
    }
}

/// The lines of a head with their endings, without the empty one that ends it. A bare line feed ends a line too
/// (RFC 9112 section 2.2).
fn lines(head: &[u8]) -> Vec<&[u8]> {
    let lines = head.split_inclusive(|&b| b == b'\n');
    lines.take_while(|line| !matches!(line, [b'\n'] | [b'\r', b'\n'])).collect()
}

/// RFC 9112 section 3.
struct RequestLine<'a> {
    method: &'a str,
    target: &'a str,
    version: &'a str,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
        let (method, rest) = line.split_once(' ')?;
        let (target, version) = rest.rsplit_once(' ')?;
        let fits = method.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        (fits && matches!(version, "HTTP/1.0" | "HTTP/1.1")).then_some(Self { method, target, version })
    }
}

/// An absolute target (RFC 9112 section 3.2.2), user information taken off.
struct Absolute<'a> {
    scheme: &'a str,
    authority: &'a str,
    /// Path and query; empty if the target has none.
    path: &'a str,
}

impl<'a> Absolute<'a> {
    fn parse(target: &'a str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
        is_scheme.then_some(Self { scheme, authority, path: &rest[end..] })
    }
}

/// The head as an origin reads it.
fn to_origin_form(request: &RequestLine<'_>, absolute: &Absolute<'_>, target: &Target, lines: &[&[u8]]) -> Vec<u8> {
    let path = match (request.method, absolute.path) {
        ("OPTIONS", "") => "*".to_owned(), // RFC 9112 section 3.2.4
        (_, path) if path.starts_with('/') => path.to_owned(),
        (_, path) => format!("/{path}"),
    };
    let host = target.field(HTTP_PORT);
    let mut head = format!("{} {path} {}\r\n", request.method, request.version).into_bytes();
    let fields = lines.get(1..).unwrap_or_default();
    if !fields.iter().any(|line| is_host(line, &host, absolute.authority)) {
        head.extend(format!("Host: {host}\r\n").into_bytes());
    }
    let upgrades = fields.iter().any(|line| is_named(line, "connection") && has_word(line, "upgrade"));
    let mut kept = true;
    for line in fields {
        kept = match name(line).to_ascii_lowercase().as_str() {
            _ if line.starts_with(b" ") || line.starts_with(b"\t") => kept, // belongs to the field above (RFC 9112 section 5.2)
            "host" => is_host(line, &host, absolute.authority),
            "connection" => upgrades,
            "keep-alive" => false,
            other => !other.starts_with("proxy-"),
        };
        if kept {
            head.extend_from_slice(line);
        }
    }
    if !upgrades {
        head.extend_from_slice(b"Connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// True if the line is a Host field that says what the target says.
fn is_host(line: &[u8], host: &str, authority: &str) -> bool {
    let value = value(line);
    is_named(line, "host") && (value.eq_ignore_ascii_case(host) || value.eq_ignore_ascii_case(authority))
}

fn is_named(line: &[u8], wanted: &str) -> bool {
    name(line).eq_ignore_ascii_case(wanted)
}

fn name(line: &[u8]) -> &str {
    text(line).split_once(':').map_or("", |(name, _)| name)
}

fn has_word(line: &[u8], word: &str) -> bool {
    value(line).split(',').any(|w| w.trim().eq_ignore_ascii_case(word))
}

fn value(line: &[u8]) -> &str {
    text(line).split_once(':').map_or("", |(_, value)| value.trim())
}

fn text(line: &[u8]) -> &str {
    // names are ASCII; a value that is no text is one that nothing here asks for
    line.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn bad_target(target: &str) -> ProxyError {
    ProxyError::BadTarget { target: cut(target.as_bytes()) }
}

/// Bytes of the client's for a message: printable, and not long.
fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The answer to a CONNECT that succeeds (RFC 9110 section 9.3.6: no Content-Length).
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// RFC 9110 section 4.2.1.
const HTTP_PORT: u16 = 80;
/// The longest head that is read.
const MAX_HEAD: usize = 64 * 1024;
