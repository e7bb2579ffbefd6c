//! What evidence does not repeat: credentials and what people typed. Masked where it is read, before it is an event, unless the user
//! asked for it (`--unmask`).
//!
//! A packet capture with its keys holds all of it, whatever is masked here; the report of a recorded run says so.

/// How secrets are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mask {
    /// Kinds and lengths are kept, never the secret.
    #[default]
    On,
    /// Kept as they are.
    Off,
}

impl Mask {
    /// The value of a header as it is kept; true if something was left out.
    pub fn header(self, name: &str, value: &str) -> (String, bool) {
        if self == Self::Off || !is_secret(name) {
            return (value.to_owned(), false);
        }
        let kept = match name.to_ascii_lowercase().as_str() {
            // The scheme and the cookie's attributes tell how, not what.
            "authorization" | "proxy-authorization" => value.split_once(' ').map(|(scheme, _)| format!("{scheme} ")),
            "set-cookie" => value.split_once('=').map(|(name, _)| format!("{name}=")),
            _ => None,
        };
        (format!("{}(masked, {} bytes)", kept.unwrap_or_default(), value.len()), true)
    }

    /// A path with its query as it is kept: values of the query are secrets until somebody says otherwise.
    pub fn target(self, target: &str) -> (String, bool) {
        let Some((path, query)) = target.split_once('?').filter(|_| self == Self::On) else { return (target.to_owned(), false) };
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or_else(|| "***".to_owned(), |(name, _)| format!("{name}=***")))
            .collect();
        (format!("{path}?{}", pairs.join("&")), true)
    }
}

/// True for headers that carry credentials, by their names or by what their names contain.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    EXACTLY.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// RFC 9110 sections 11.6.2 and 11.7.2; RFC 6265.
const EXACTLY: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// What applications call theirs.
const PARTS: [&str; 6] = ["token", "api-key", "apikey", "secret", "password", "session"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_stays_and_the_secret_goes() {
        for (name, value, kept) in [
            ("Authorization", "Bearer abc.def", "Bearer (masked, 14 bytes)"),
            ("cookie", "sid=1; theme=dark", "(masked, 17 bytes)"),
            ("Set-Cookie", "sid=12345; Secure", "sid=(masked, 17 bytes)"),
            ("x-auth-token", "t0k", "(masked, 3 bytes)"),
            ("accept", "text/html", "text/html"),
        ] {
            assert_eq!(Mask::On.header(name, value), (kept.to_owned(), kept != value), "{name}");
            assert_eq!(Mask::Off.header(name, value), (value.to_owned(), false), "{name}");
        }
        assert_eq!(Mask::On.target("/a?user=me&flag"), ("/a?user=***&***".to_owned(), true));
        assert_eq!(Mask::Off.target("/a?user=me"), ("/a?user=me".to_owned(), false));
        assert_eq!(Mask::On.target("/a"), ("/a".to_owned(), false));
    }
}
