//! Placeholders in a command line: `{url}`, `{host}`, `{pin}`, `{ca}`, `{lab}`, and the files for detectors: `{roots}`, `{ct_logs}`,
//! `{blocklist}`, `{crl}`, `{pins}`, `{control}`, `{out}`.
//!
//! Only a word of letters in braces is a placeholder: `%{http_code}` and `{ a: 1 }` are left as they are.
//! `{{word}}` stands for `{word}`.

use std::path::PathBuf;

/// What the placeholders stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vars {
    /// `{url}`: the URL of the check.
    pub url: Option<String>,
    /// `{host}`: its host.
    pub host: Option<String>,
    /// `{pin}`: SHA-256 of the genuine leaf's SubjectPublicKeyInfo, base64.
    pub pin: Option<String>,
    /// `{ca}`: the PEM bundle of the leg.
    pub ca: Option<PathBuf>,
    /// `{lab}`: the folder of the lab's own clients and pages.
    pub lab: Option<PathBuf>,
    /// The folder of [`DETECTOR_FILES`].
    pub exports: Option<PathBuf>,
    /// `{control}`: the genuine chain of the host, as a control vantage sees it (PEM, leaf first).
    pub control: Option<PathBuf>,
    /// `{out}`: a file of the leg's own, to be written by the program.
    pub out: Option<PathBuf>,
}

/// Placeholders for files that detectors read, and the files' names.
pub const DETECTOR_FILES: [(&str, &str); 5] = [
    ("roots", "roots.pem"),
    ("ct_logs", "ct-log-list.json"),
    ("blocklist", "blocklist.txt"),
    ("crl", "crl.pem"),
    ("pins", "pins.json"),
];

/// Why a command line could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// No such placeholder.
    #[error(
        "unknown placeholder `{{{name}}}` in `{argument}`: one of {{url}}, {{host}}, {{pin}}, {{ca}}, {{lab}}, {{roots}}, {{ct_logs}}, {{blocklist}}, {{crl}}, {{pins}}, {{control}}, {{out}}\n\
         hint: write `{{{{{name}}}}}` if the braces are meant"
    )]
    Unknown {
        /// What stands between the braces.
        name: String,
        /// Where.
        argument: String,
    },
    /// It is known but nothing was given for it.
    #[error("`{argument}` asks for `{{{name}}}`, but this run has none")]
    Missing {
        /// Which.
        name: String,
        /// Where.
        argument: String,
    },
}

/// Fills in every argument.
///
/// # Errors
/// [`FillError`] at the first argument that cannot be filled in.
pub fn fill(argv: &[String], vars: &Vars) -> Result<Vec<String>, FillError> {
    argv.iter().map(|argument| fill_one(argument, vars)).collect()
}

fn fill_one(argument: &str, vars: &Vars) -> Result<String, FillError> {
    let mut out = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let inner = rest.strip_prefix("{{").and_then(word).filter(|(_, after)| after.starts_with('}'));
        if let Some((name, after)) = inner {
            out.extend(["{", name, "}"]);
            rest = &after[1..];
        } else if let Some((name, after)) = word(&rest[1..]) {
            out.push_str(&value(name, argument, vars)?);
            rest = after;
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A word of letters, or one of ours; `%{http_code}` is curl's.
fn is_placeholder(word: &str) -> bool {
    let letters = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    letters || DETECTOR_FILES.iter().any(|(name, _)| *name == word)
}

/// `word}after` as its two parts.
fn word(text: &str) -> Option<(&str, &str)> {
    text.split_once('}').filter(|(word, _)| is_placeholder(word))
}

fn value(name: &str, argument: &str, vars: &Vars) -> Result<String, FillError> {
    let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.to_string_lossy().into_owned());
    let value = match name {
        "url" => vars.url.clone(),
        "host" => vars.host.clone(),
        "pin" => vars.pin.clone(),
        "ca" => path(&vars.ca),
        "lab" => path(&vars.lab),
        "control" => path(&vars.control),
        "out" => path(&vars.out),
        _ if DETECTOR_FILES.iter().any(|(known, _)| *known == name) => {
            let file = DETECTOR_FILES.iter().find(|(known, _)| *known == name).map_or("", |(_, file)| file);
            path(&vars.exports.as_ref().map(|folder| folder.join(file)))
        }
        _ => return Err(FillError::Unknown { name: name.to_owned(), argument: argument.to_owned() }),
    };
    value.ok_or_else(|| FillError::Missing { name: name.to_owned(), argument: argument.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(argument: &str) -> Result<String, FillError> {
        let vars = Vars { url: Some("https://a.test/{x}".into()), pin: Some("AAA=".into()), ..Vars::default() };
        fill_one(argument, &vars)
    }

    #[test]
    fn placeholders_are_filled_in_once() {
        assert_eq!(filled("sha256//{pin} {url}").unwrap(), "sha256//AAA= https://a.test/{x}");
    }

    #[test]
    fn other_braces_are_left_alone() {
        for same in ["%{http_code}", "f({ a: 1 })", "{}", "{", "a}b", "{url", "{1}"] {
            assert_eq!(filled(same).unwrap(), same);
        }
        assert_eq!(filled("${{HOME}}").unwrap(), "${HOME}");
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        assert!(matches!(filled("{uri}"), Err(FillError::Unknown { .. })));
        assert!(matches!(filled("{ca}"), Err(FillError::Missing { .. })));
    }
}
