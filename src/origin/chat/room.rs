//! Rooms: who is in them, and what waits for whom. Everything is bounded, nothing outlives the lab.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::Message;

/// The rooms of all chats, by site and name.
#[derive(Debug, Default)]
pub(in crate::origin) struct Rooms(Mutex<HashMap<Key, Room>>);

/// Site and name.
pub(super) type Key = (String, String);

#[derive(Debug, Default)]
struct Room {
    next: u64,
    members: Vec<(u64, mpsc::Sender<Message>)>,
    /// Said before: all of it for newcomers, or what the other member is to hear once it comes.
    kept: VecDeque<Message>,
}

/// Why nobody can enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// Too many rooms.
    #[error("there are {MOST_ROOMS} rooms already")]
    House,
    /// Too many members.
    #[error("the room has {0} members already")]
    Room(usize),
}

/// What waits for the other member is as much as is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// A member. Dropping it leaves the room; the last one takes the room along.
#[derive(Debug)]
pub(super) struct Member {
    rooms: Arc<Rooms>,
    key: Key,
    id: u64,
    end_to_end: bool,
    inbox: mpsc::Receiver<Message>,
}

impl Rooms {
    /// Enters a room, which is made for the first member.
    pub(super) fn enter(self: &Arc<Self>, key: Key, end_to_end: bool) -> Result<Member, Full> {
        let most = if end_to_end { 2 } else { MOST_MEMBERS };
        let mut rooms = self.lock();
        if !rooms.contains_key(&key) && rooms.len() == MOST_ROOMS {
            return Err(Full::House);
        }
        let room = rooms.entry(key.clone()).or_default();
        if room.members.len() >= most {
            return Err(Full::Room(most));
        }
        let (sender, inbox) = mpsc::channel(INBOX);
        for message in &room.kept {
            let _ = sender.try_send(message.clone()); // an inbox is larger than what is kept
        }
        if end_to_end {
            room.kept.clear();
        }
        let id = room.next;
        room.next += 1;
        room.members.push((id, sender));
        Ok(Member { rooms: Arc::clone(self), key, id, end_to_end, inbox })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Says something: to all, or to the other one. A member that does not keep up is put out of the room.
    pub(super) fn tell(&self, message: Message) -> Result<(), TooMuch> {
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get_mut(&self.key) else { return Ok(()) };
        if self.end_to_end && !room.members.iter().any(|(id, _)| *id != self.id) {
            if room.kept.len() == KEPT {
                return Err(TooMuch);
            }
            room.kept.push_back(message);
            return Ok(());
        }
        let to_all = !self.end_to_end;
        room.members.retain(|(id, inbox)| (*id == self.id && !to_all) || inbox.try_send(message.clone()).is_ok());
        if to_all {
            room.kept.push_back(message);
            while room.kept.len() > KEPT {
                room.kept.pop_front();
            }
        }
        Ok(())
    }

    /// The next message for this member; none if it was put out.
    pub(super) async fn hear(&mut self) -> Option<Message> {
        self.inbox.recv().await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        let Some(room) = rooms.get_mut(&self.key) else { return };
        room.members.retain(|(id, _)| *id != self.id);
        if room.members.is_empty() {
            rooms.remove(&self.key);
        }
    }
}

/// Rooms of all chats together.
const MOST_ROOMS: usize = 256;
/// Members of an open room.
const MOST_MEMBERS: usize = 32;
/// Messages that a room keeps.
const KEPT: usize = 16;
/// Messages that wait for one member.
const INBOX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(room: &str) -> Key {
        ("chat.test".to_owned(), room.to_owned())
    }

    fn heard(member: &mut Member) -> Vec<Message> {
        std::iter::from_fn(|| member.inbox.try_recv().ok()).collect()
    }

    #[test]
    fn an_open_room_tells_everybody_and_newcomers() {
        let rooms = Arc::new(Rooms::default());
        let mut alice = rooms.enter(key("a"), false).unwrap();
        alice.tell(Message::text("one")).unwrap();
        let mut bob = rooms.enter(key("a"), false).unwrap();
        let mut other = rooms.enter(key("b"), false).unwrap();
        bob.tell(Message::text("two")).unwrap();
        let both = [Message::text("one"), Message::text("two")];
        assert_eq!((heard(&mut alice), heard(&mut bob), heard(&mut other)), (both.to_vec(), both.to_vec(), vec![]));
    }

    #[test]
    fn an_end_to_end_room_has_two_members_and_keeps_for_the_other_one_only() {
        let rooms = Arc::new(Rooms::default());
        let mut alice = rooms.enter(key("a"), true).unwrap();
        for _ in 0..KEPT {
            alice.tell(Message::binary(vec![1])).unwrap();
        }
        assert_eq!(alice.tell(Message::binary(vec![1])), Err(TooMuch));
        let mut bob = rooms.enter(key("a"), true).unwrap();
        assert_eq!(rooms.enter(key("a"), true).unwrap_err(), Full::Room(2));
        bob.tell(Message::binary(vec![2])).unwrap();
        assert_eq!((heard(&mut bob).len(), heard(&mut alice)), (KEPT, vec![Message::binary(vec![2])]));
        drop(bob);
        assert!(heard(&mut rooms.enter(key("a"), true).unwrap()).is_empty(), "what was heard is forgotten");
    }

    #[test]
    fn rooms_go_with_their_last_member_and_a_slow_one_is_put_out() {
        let rooms = Arc::new(Rooms::default());
        let all: Vec<_> = (0..MOST_ROOMS).map(|n| rooms.enter(key(&n.to_string()), false).unwrap()).collect();
        assert_eq!(rooms.enter(key("more"), false).unwrap_err(), Full::House);
        drop(all);
        let (mut slow, quick) = (rooms.enter(key("a"), false).unwrap(), rooms.enter(key("a"), false).unwrap());
        for _ in 0..=INBOX {
            quick.tell(Message::text("x")).unwrap();
        }
        assert_eq!(heard(&mut slow).len(), INBOX);
        assert_eq!(slow.inbox.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
