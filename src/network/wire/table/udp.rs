//! UDP: each datagram is shown to the handler, and its answer carried out. Silenced flows are known here alone.

use std::time::{Duration, Instant};

use super::super::craft::datagram;
use super::super::flow::{Fate, Port};
use super::super::frame::Udp;
use super::super::handler::OnDatagram;
use super::{Key, Table, key};

impl Table {
    /// Of several datagrams in one frame each is shown. Where they do not all pass, those that do are sent on one by one.
    pub(super) fn udp(&mut self, now: Instant, udp: &Udp, buffer: &[u8], out: &mut Vec<(Port, Vec<u8>)>) -> Fate {
        let payload = &buffer[udp.payload..udp.end];
        if udp.gso == 0 {
            return if self.one_datagram(now, udp, payload, out) { Fate::Forward(Port::Divert) } else { Fate::Consumed };
        }
        let passed: Vec<bool> = payload.chunks(udp.gso).map(|one| self.one_datagram(now, udp, one, out)).collect();
        if passed.iter().all(|passed| *passed) {
            return Fate::Forward(Port::Divert);
        }
        for (one, _) in payload.chunks(udp.gso).zip(passed).filter(|(_, passed)| *passed) {
            out.push((Port::Divert, datagram(udp.src, udp.dst, one)));
        }
        Fate::Consumed
    }

    /// True if it passes.
    fn one_datagram(&mut self, now: Instant, udp: &Udp, payload: &[u8], out: &mut Vec<(Port, Vec<u8>)>) -> bool {
        let key = key(udp.src, udp.dst);
        if let Some(last) = self.silenced.get_mut(&key) {
            if now.duration_since(*last) < SILENCED {
                *last = now;
                return false;
            }
            self.silenced.remove(&key);
        }
        match self.handler.datagram(udp.src.address(), udp.dst.address(), payload) {
            OnDatagram::Pass => return true,
            OnDatagram::Drop => {}
            OnDatagram::DropFlow => self.silence(now, key),
            OnDatagram::Reply(answer) => push_datagram(udp, &answer, out),
            OnDatagram::ReplyAndPass(answer) => {
                push_datagram(udp, &answer, out);
                return true;
            }
        }
        false
    }

    fn silence(&mut self, now: Instant, key: Key) {
        if self.silenced.len() >= self.options.max_flows {
            self.silenced.retain(|_, last| now.duration_since(*last) < SILENCED / 10);
        }
        if self.silenced.len() < self.options.max_flows {
            self.silenced.insert(key, now);
        }
    }
}

fn push_datagram(udp: &Udp, answer: &[u8], out: &mut Vec<(Port, Vec<u8>)>) {
    if answer.len() <= MAX_DATAGRAM {
        out.push((Port::Divert, datagram(udp.dst, udp.src, answer)));
    }
}

/// How long a silenced UDP flow must be quiet to be forgotten: what the throttler of 2021 kept its state (Xue et al.,
/// IMC 2021: about ten minutes).
const SILENCED: Duration = Duration::from_secs(600);
const MAX_DATAGRAM: usize = 1452;
