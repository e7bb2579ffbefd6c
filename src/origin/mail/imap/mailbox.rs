//! Commands on an open mailbox: FETCH, STORE, SEARCH, EXPUNGE, CLOSE and their UID forms. RFC 3501 sections 6.4.2 to 6.4.8.

use super::fetch;
use super::parse::{Word, in_set};
use super::{Done, PROTOCOL, plain};
use crate::origin::mail::accounts::{Account, Message, PostOffice};
use crate::record::mail as told;

/// The open mailbox, as this client knows it.
pub(super) struct Selected {
    pub(super) messages: Vec<Message>,
    pub(super) writable: bool,
}

/// Where the mailbox lies, and whose it is.
type Owner<'a> = (&'a PostOffice, Account);

impl Selected {
    /// A command on the open mailbox, and whether it stays open.
    pub(super) fn command(&mut self, office: &PostOffice, account: Account, verb: &str, rest: &[Word]) -> (Done, bool) {
        let done = match (verb, rest) {
            ("FETCH", [set, items]) => self.fetch((office, account), set, items, false),
            ("STORE", [set, how, flags]) => self.store((office, account), set, (how, flags), false),
            ("SEARCH", keys) => self.search(keys, false),
            ("EXPUNGE", []) => self.expunge((office, account), Said::Each),
            ("CLOSE", []) => return (self.expunge((office, account), Said::Nothing), false),
            ("UNSELECT", []) => return (plain("OK done"), false),
            ("UID", [command, set, items]) if command.upper() == "FETCH" => self.fetch((office, account), set, items, true),
            ("UID", [command, set, how, flags]) if command.upper() == "STORE" => {
                self.store((office, account), set, (how, flags), true)
            }
            ("UID", [command, keys @ ..]) if command.upper() == "SEARCH" => self.search(keys, true),
            _ => plain("BAD no such command"),
        };
        (done, true)
    }

    fn fetch(&mut self, (office, account): Owner<'_>, set: &Word, items: &Word, by_uid: bool) -> Done {
        let (Some(chosen), Some(mut names)) = (self.chosen(set, by_uid), fetch::items(items)) else {
            return plain("BAD no such messages or items");
        };
        if by_uid && !names.iter().any(|name| name == "UID") {
            names.insert(0, "UID".to_owned());
        }
        let reads = self.writable && names.iter().any(|name| fetch::reads(name));
        let mut done = plain("OK done");
        for at in chosen {
            let message = &mut self.messages[at];
            let newly = reads && !message.seen;
            if newly {
                message.seen = true;
                office.flag(account, message.uid, |message| message.seen = true);
            }
            let mut values: Vec<_> = names.iter().filter_map(|name| fetch::item(message, name)).collect();
            if newly && !names.iter().any(|name| name == "FLAGS") {
                values.extend(fetch::item(message, "FLAGS"));
            }
            let line = [format!("* {} FETCH (", at + 1).into_bytes(), values.join(&b' '), b")\r\n".to_vec()].concat();
            done.untagged.extend(line);
            if names.iter().any(|name| fetch::brings_text(name)) {
                done.told.push(told::message(PROTOCOL, "FETCH", message.bytes.len()));
            }
        }
        done
    }

    fn store(&mut self, (office, account): Owner<'_>, set: &Word, (how, flags): (&Word, &Word), by_uid: bool) -> Done {
        let how = how.upper();
        let flags = match flags {
            Word::List(flags) => flags.iter().map(Word::upper).collect(),
            one => vec![one.upper()],
        };
        let (sign, silent) = match how.strip_suffix(".SILENT") {
            Some(sign) => (sign, true),
            None => (how.as_str(), false),
        };
        let Some(chosen) = self.chosen(set, by_uid).filter(|_| ["FLAGS", "+FLAGS", "-FLAGS"].contains(&sign)) else {
            return plain("BAD no such messages or flags");
        };
        if !self.writable {
            return plain("NO [READ-ONLY] it was opened with EXAMINE");
        }
        let change = |message: &mut Message| {
            for (flag, name) in [(&mut message.seen, r"\SEEN"), (&mut message.deleted, r"\DELETED")] {
                let named = flags.iter().any(|f| f == name);
                *flag = match sign {
                    "+FLAGS" => *flag || named,
                    "-FLAGS" => *flag && !named,
                    _ => named,
                };
            }
        };
        let mut done = plain("OK done");
        for at in chosen {
            let message = &mut self.messages[at];
            change(message);
            office.flag(account, message.uid, change);
            if !silent {
                let uid = if by_uid { format!("UID {} ", message.uid) } else { String::new() };
                done.untagged.extend(format!("* {} FETCH ({uid}FLAGS ({}))\r\n", at + 1, fetch::flags(message)).into_bytes());
            }
        }
        done
    }

    fn expunge(&mut self, (office, account): Owner<'_>, said: Said) -> Done {
        let mut done = plain("OK done");
        if !self.writable {
            return done;
        }
        let gone: Vec<u32> = self.messages.iter().filter(|m| m.deleted).map(|m| m.uid).collect();
        office.remove(account, &gone);
        for uid in gone {
            let Some(at) = self.messages.iter().position(|m| m.uid == uid) else { continue };
            self.messages.remove(at);
            if said == Said::Each {
                done.untagged.extend(format!("* {} EXPUNGE\r\n", at + 1).into_bytes());
            }
        }
        done
    }

    fn search(&self, keys: &[Word], by_uid: bool) -> Done {
        let last = (self.count(), self.messages.last().map_or(0, |m| m.uid));
        let mut found = String::new();
        for (number, message) in (1..).zip(&self.messages) {
            match fetch::fits(message, number, last, keys) {
                Some(true) => found.push_str(&format!(" {}", if by_uid { message.uid } else { number })),
                Some(false) => {}
                None => return plain("BAD no such key"),
            }
        }
        if keys.is_empty() { plain("BAD SEARCH keys") } else { plain("OK done").with(format!("* SEARCH{found}\r\n")) }
    }

    /// Places in the list of the messages that a set names. None if it is no set.
    fn chosen(&self, set: &Word, by_uid: bool) -> Option<Vec<usize>> {
        let Word::Atom(set) = set else { return None };
        let last = if by_uid { self.messages.last().map_or(0, |m| m.uid) } else { self.count() };
        let mut all = Vec::new();
        in_set(set, 1, 1)?;
        for (at, (number, message)) in (1..).zip(&self.messages).enumerate() {
            if in_set(set, if by_uid { message.uid } else { number }, last)? {
                all.push(at);
            }
        }
        Some(all)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }
}

/// Whether each message that goes is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Each,
    Nothing,
}
