//! The two SASL mechanisms that mail clients use with a password: PLAIN (RFC 4616) and LOGIN (never standardised; two questions).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::accounts::{Account, PostOffice};

/// A login under way.
#[derive(Debug, Default)]
pub(super) enum Sasl {
    /// None is.
    #[default]
    Idle,
    /// PLAIN: the one response is awaited.
    Plain,
    /// LOGIN: the name is awaited.
    LoginName,
    /// LOGIN: the password is awaited.
    LoginPassword(Vec<u8>),
}

/// How a step of a login went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The client is asked for more, with this challenge in base64.
    More(&'static str),
    /// This is who it is.
    Known(Account),
    /// Wrong name or password.
    Unknown,
    /// No base64, or not the mechanism's form.
    Malformed,
    /// The client gave up (RFC 4954 section 4: a single `*`).
    Cancelled,
    /// No such mechanism here.
    NoMechanism,
}

impl Sasl {
    /// True if the next line is a response, not a command.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self, Self::Idle)
    }

    /// A login begins, perhaps with its first response.
    pub(super) fn begin(&mut self, office: &PostOffice, mechanism: &str, initial: Option<&str>) -> Outcome {
        let challenge = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                *self = Self::Plain;
                ""
            }
            "LOGIN" => {
                *self = Self::LoginName;
                USER_NAME
            }
            _ => return Outcome::NoMechanism,
        };
        match initial {
            Some(initial) => self.response(office, initial.as_bytes()),
            None => Outcome::More(challenge),
        }
    }

    /// The client's next response, in base64.
    pub(super) fn response(&mut self, office: &PostOffice, line: &[u8]) -> Outcome {
        let state = std::mem::take(self);
        if line == b"*" {
            return Outcome::Cancelled;
        }
        // A lone `=` stands for an empty response (RFC 4954 section 4).
        let decoded = if line == b"=" { Ok(Vec::new()) } else { STANDARD.decode(line) };
        let Ok(bytes) = decoded else { return Outcome::Malformed };
        match state {
            Self::Idle => Outcome::Malformed,
            Self::Plain => match bytes.split(|&byte| byte == 0).collect::<Vec<_>>()[..] {
                [_, user, password] => known(office, user, password),
                _ => Outcome::Malformed,
            },
            Self::LoginName => {
                *self = Self::LoginPassword(bytes);
                Outcome::More(PASSWORD)
            }
            Self::LoginPassword(user) => known(office, &user, &bytes),
        }
    }
}

fn known(office: &PostOffice, user: &[u8], password: &[u8]) -> Outcome {
    office.log_in(user, password).map_or(Outcome::Unknown, Outcome::Known)
}

/// `Username:` and `Password:`.
const USER_NAME: &str = "VXNlcm5hbWU6";
const PASSWORD: &str = "UGFzc3dvcmQ6";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_mechanisms_and_their_faults() {
        let office = PostOffice::default();
        let alice = office.named("alice").unwrap();
        let plain = STANDARD.encode("\0alice\0wonderland");
        let mut sasl = Sasl::default();
        assert_eq!(sasl.begin(&office, "plain", Some(&plain)), Outcome::Known(alice));
        assert_eq!(sasl.begin(&office, "PLAIN", None), Outcome::More(""));
        assert_eq!(sasl.response(&office, b"*"), Outcome::Cancelled);
        assert!(!sasl.is_under_way());
        assert_eq!(sasl.begin(&office, "LOGIN", None), Outcome::More(USER_NAME));
        assert_eq!(sasl.response(&office, STANDARD.encode("alice").as_bytes()), Outcome::More(PASSWORD));
        assert_eq!(sasl.response(&office, STANDARD.encode("wonderland").as_bytes()), Outcome::Known(alice));
        assert_eq!(sasl.begin(&office, "PLAIN", Some("!")), Outcome::Malformed);
        assert_eq!(sasl.begin(&office, "PLAIN", Some(&STANDARD.encode("\0alice"))), Outcome::Malformed);
        assert_eq!(sasl.begin(&office, "PLAIN", Some(&STANDARD.encode("\0alice\0no"))), Outcome::Unknown);
        assert_eq!(sasl.begin(&office, "CRAM-MD5", None), Outcome::NoMechanism);
        assert_eq!(sasl.response(&office, b"="), Outcome::Malformed);
    }
}
