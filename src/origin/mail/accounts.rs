//! Two accounts and their mailboxes, in memory. What is delivered stays until the lab ends; nothing is sent anywhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

/// An account, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account(usize);

/// The mailboxes of every server of a lab: a message that one takes in, another hands out.
#[derive(Debug)]
pub(in crate::origin) struct PostOffice {
    boxes: [Mutex<Mailbox>; 2],
}

#[derive(Debug, Default)]
struct Mailbox {
    messages: Vec<Message>,
    last: u32,
}

/// A message in a mailbox.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Ascending, never used twice (RFC 9051 section 2.3.1.1).
    pub(super) uid: u32,
    pub(super) bytes: Arc<[u8]>,
    pub(super) received: OffsetDateTime,
    pub(super) seen: bool,
    pub(super) deleted: bool,
}

/// The mailbox takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Default for PostOffice {
    /// Each mailbox holds a letter of welcome.
    fn default() -> Self {
        let office = Self { boxes: Default::default() };
        for (at, (user, _)) in ACCOUNTS.iter().enumerate() {
            let _ = office.deliver(Account(at), welcome(user).into_bytes()); // an empty mailbox has room
        }
        office
    }
}

impl PostOffice {
    /// Who has this name (`alice` or `alice@...`) and password.
    pub(super) fn log_in(&self, user: &[u8], password: &[u8]) -> Option<Account> {
        let user = std::str::from_utf8(user).ok()?;
        let account = self.named(user)?;
        (ACCOUNTS[account.0].1.as_bytes() == password).then_some(account)
    }

    /// Whose name or address it is.
    pub(super) fn named(&self, name: &str) -> Option<Account> {
        let local = name.split_once('@').map_or(name, |(local, _)| local);
        ACCOUNTS.iter().position(|(user, _)| user.eq_ignore_ascii_case(local)).map(Account)
    }

    /// Puts a message into a mailbox; gives its UID.
    pub(super) fn deliver(&self, account: Account, bytes: Vec<u8>) -> Result<u32, Full> {
        let mut mailbox = self.mailbox(account);
        if mailbox.messages.len() >= MOST_MESSAGES || bytes.len() > MOST_BYTES + HEADERS_ADDED {
            return Err(Full);
        }
        mailbox.last += 1;
        let uid = mailbox.last;
        let received = OffsetDateTime::now_utc();
        mailbox.messages.push(Message { uid, bytes: bytes.into(), received, seen: false, deleted: false });
        Ok(uid)
    }

    /// All messages, in order.
    pub(super) fn messages(&self, account: Account) -> Vec<Message> {
        self.mailbox(account).messages.clone()
    }

    /// What the next message's UID will be.
    pub(super) fn next_uid(&self, account: Account) -> u32 {
        self.mailbox(account).last + 1
    }

    /// Changes a message's flags, if it is still there.
    pub(super) fn flag(&self, account: Account, uid: u32, change: impl FnOnce(&mut Message)) {
        if let Some(message) = self.mailbox(account).messages.iter_mut().find(|m| m.uid == uid) {
            change(message);
        }
    }

    /// Takes messages out of a mailbox.
    pub(super) fn remove(&self, account: Account, uids: &[u32]) {
        self.mailbox(account).messages.retain(|message| !uids.contains(&message.uid));
    }

    fn mailbox(&self, account: Account) -> MutexGuard<'_, Mailbox> {
        self.boxes[account.0].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn welcome(user: &str) -> String {
    format!(
        "From: The post office <post@mail.test>\r\nTo: {user}@mail.test\r\nSubject: Welcome\r\n\
         Date: Wed, 17 Jul 2019 09:00:00 +0600\r\nMessage-ID: <welcome-{user}@mail.test>\r\n\r\n\
         This mailbox is part of a simulation. It is kept in memory and ends with it.\r\n"
    )
}

/// Name and password. Not secrets: they open nothing but this.
const ACCOUNTS: [(&str, &str); 2] = [("alice", "wonderland"), ("bob", "hatstand")];
/// Messages in a mailbox.
const MOST_MESSAGES: usize = 200;
/// Bytes of a message.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// What a server writes above a message that it takes in.
const HEADERS_ADDED: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_accounts_and_a_limit() {
        let office = PostOffice::default();
        let alice = office.log_in(b"Alice@mail.test", b"wonderland").unwrap();
        assert_eq!(office.log_in(b"bob", b"wonderland"), None);
        assert_eq!(office.log_in(b"\xff", b"wonderland"), None);
        assert_eq!(office.messages(alice).len(), 1);
        for _ in 1..MOST_MESSAGES {
            office.deliver(alice, b"x".to_vec()).unwrap();
        }
        assert_eq!(office.deliver(alice, Vec::new()), Err(Full));
        office.remove(alice, &[2, 3]);
        assert_eq!(office.deliver(alice, Vec::new()), Ok(u32::try_from(MOST_MESSAGES).unwrap() + 1), "no UID twice");
    }
}
