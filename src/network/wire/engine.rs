//! The thread that moves frames: reads many, decides each, writes many, and sleeps until a frame, a command or a timer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::flow::{Fate, Port};
use super::frame::readdress;
use super::sys::{self, BATCH, Receive};
use super::table::Table;
use super::{Command, Links, Shared};

/// Sockets and buffers of the thread.
pub(super) struct Engine {
    divert: OwnedFd,
    hijack: OwnedFd,
    links: Links,
    shared: Arc<Shared>,
    table: Table,
    buffers: Vec<Box<[u8]>>,
    lengths: [usize; BATCH],
    out: Vec<Out>,
    crafted: Vec<(Port, Vec<u8>)>,
    commands: Vec<Command>,
}

/// A frame to send.
enum Out {
    /// One that was read in this batch, by its buffer.
    Read(Port, usize),
    /// One that was kept or made.
    Made(Port, Vec<u8>),
}

impl Engine {
    pub(super) fn new(links: Links, shared: Arc<Shared>, table: Table) -> io::Result<Self> {
        let divert = sys::packet_socket(links.d1.index, Receive::All)?;
        // Nothing comes in on the hijack link: what our sockets send is routed straight to the client.
        let hijack = sys::packet_socket(links.h1.index, Receive::Nothing)?;
        sys::receive_buffer(&divert, RECEIVE_BUFFER)?;
        Ok(Self {
            divert,
            hijack,
            links,
            shared,
            table,
            buffers: (0..BATCH).map(|_| vec![0; FRAME].into_boxed_slice()).collect(),
            lengths: [0; BATCH],
            out: Vec::with_capacity(2 * BATCH),
            crafted: Vec::new(),
            commands: Vec::new(),
        })
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        loop {
            self.sleep();
            self.shared.clear();
            loop {
                let got = sys::receive_batch(&self.divert, &mut self.buffers, &mut self.lengths).unwrap_or(0);
                // Commands first: one that was given before a packet was sent must be known when the packet is looked at.
                let now = Instant::now();
                if self.obey(now) {
                    return;
                }
                for index in 0..got {
                    self.frame(now, index);
                }
                self.table.tick(now, &mut self.crafted);
                self.flush();
                if got < BATCH {
                    break;
                }
            }
            self.shared.live.store(self.table.live(), Ordering::Relaxed);
        }
    }

    fn sleep(&self) {
        let wait = self.table.due().map(|due| due.saturating_duration_since(Instant::now()).min(LONGEST));
        let wait = wait.map(|wait| Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) });
        let mut on =
            [PollFd::new(&self.divert, PollFlags::IN), PollFd::from_borrowed_fd(self.shared.event.as_fd(), PollFlags::IN)];
        // Interrupted, or an error of the link: either way the loop looks again.
        let _ = poll(&mut on, wait.as_ref());
    }

    fn frame(&mut self, now: Instant, index: usize) {
        let length = self.lengths[index];
        let fate = self.table.frame(now, &mut self.buffers[index][..length], &mut self.crafted);
        self.out.extend(self.crafted.drain(..).map(|(port, frame)| Out::Made(port, frame)));
        if let Fate::Forward(port) = fate {
            self.out.push(Out::Read(port, index));
        }
        if self.table.has_taken() {
            self.flush();
        }
    }

    /// Carries out commands; true to stop.
    fn obey(&mut self, now: Instant) -> bool {
        if !self.shared.take(&mut self.commands) {
            return false;
        }
        let commands = std::mem::take(&mut self.commands);
        for command in commands {
            match command {
                Command::Act { id, act, only_held } => self.table.act(now, id, act, only_held, &mut self.crafted),
                Command::Own { local, remote } => self.table.own(now, local.into(), remote.into(), &mut self.crafted),
                Command::Release(release) => self.table.release(now, release),
                Command::Stop => {
                    self.table.shutdown(now, &mut self.crafted);
                    self.flush();
                    self.shared.live.store(0, Ordering::Relaxed);
                    return true;
                }
            }
        }
        self.flush();
        false
    }

    fn flush(&mut self) {
        let Self { out, crafted, buffers, lengths, links, divert, hijack, .. } = self;
        out.extend(crafted.drain(..).map(|(port, frame)| Out::Made(port, frame)));
        for one in out.iter_mut() {
            let (port, frame) = match one {
                Out::Read(port, index) => (*port, &mut buffers[*index][..lengths[*index]]),
                Out::Made(port, frame) => (*port, &mut frame[..]),
            };
            match port {
                Port::Divert => readdress(frame, links.d0_mac, links.d1.mac),
                Port::Hijack => readdress(frame, links.h0_mac, links.h1.mac),
            }
        }
        let mut rest = &out[..];
        while let Some(first) = rest.first() {
            let port = first.port();
            let mut batch: [&[u8]; BATCH] = [&[]; BATCH];
            let mut count = 0;
            for one in rest.iter().take(BATCH).take_while(|one| one.port() == port) {
                batch[count] = match one {
                    Out::Read(_, index) => &buffers[*index][..lengths[*index]],
                    Out::Made(_, frame) => frame,
                };
                count += 1;
            }
            let socket = if port == Port::Divert { &*divert } else { &*hijack };
            send_all(socket, &batch[..count]);
            rest = &rest[count..];
        }
        out.clear();
        self.table.deliver();
    }
}

impl Out {
    fn port(&self) -> Port {
        match self {
            Self::Read(port, _) | Self::Made(port, _) => *port,
        }
    }
}

/// Sends frames in order; one that the link refuses is lost, as on any router with a full queue.
fn send_all(socket: &OwnedFd, mut frames: &[&[u8]]) {
    while !frames.is_empty() {
        let sent = sys::send_batch(socket, frames).unwrap_or(1).clamp(1, frames.len());
        frames = &frames[sent..];
    }
}

/// The largest frame: virtio header, Ethernet, 64 KiB of IP.
const FRAME: usize = 10 + 14 + 65_536;
/// Wished for; the kernel grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: i32 = 16 * 1024 * 1024;
/// Timers are looked at this often at least.
const LONGEST: Duration = Duration::from_secs(60);
