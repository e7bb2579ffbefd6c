//! Listening on the box's two links: copies of all frames, in and out, for a capture. Nothing here acts, and without it nothing is slower.
//!
//! Frames are as the links carried them, except for a checksum that the kernel had left to be computed: it is filled in, because the
//! hardware that would have done it is not there. A segment that was not cut yet (GSO) is one frame.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use super::craft::checksum;
use super::sys::{self, Receive};
use crate::record::Capture;
use crate::record::pcapng::Link;

/// The running listener. Dropping it takes what the kernel still holds and ends it.
#[derive(Debug)]
pub struct Watch {
    ends: Arc<Ends>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Ends {
    event: OwnedFd,
    stop: AtomicBool,
}

impl Watch {
    /// Listens on these links (index in the box's namespace, name for the capture). Call from a thread in that namespace.
    ///
    /// # Errors
    /// The kernel's, if a packet socket cannot be made.
    pub fn start(links: &[(u32, &'static str)], capture: Capture) -> io::Result<Self> {
        let ends =
            Arc::new(Ends { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, stop: AtomicBool::new(false) });
        let open = |&(index, name): &(u32, &'static str)| {
            let socket = sys::packet_socket(index, Receive::Both)?;
            sys::receive_buffer(&socket, RECEIVE_BUFFER)?;
            Ok::<_, io::Error>((socket, name))
        };
        let sockets = links.iter().map(open).collect::<io::Result<Vec<_>>>()?;
        let listener = Listener { sockets, capture, ends: Arc::clone(&ends), buffer: vec![0; FRAME] };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || listener.run())?;
        Ok(Self { ends, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ends.stop.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.ends.event, &1_u64.to_ne_bytes()); // fails only if the counter is full: it is awake then
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it panicked: its own message has said so
        }
    }
}

struct Listener {
    sockets: Vec<(OwnedFd, &'static str)>,
    capture: Capture,
    ends: Arc<Ends>,
    buffer: Vec<u8>,
}

impl Listener {
    fn run(mut self) {
        while !self.ends.stop.load(Ordering::Acquire) {
            let mut on: Vec<PollFd<'_>> = self.sockets.iter().map(|(socket, _)| PollFd::new(socket, PollFlags::IN)).collect();
            on.push(PollFd::from_borrowed_fd(self.ends.event.as_fd(), PollFlags::IN));
            let _ = poll(&mut on, None); // interrupted, or an error of the link: either way it looks again
            self.take();
        }
        self.take();
    }

    /// Takes all that is there.
    fn take(&mut self) {
        let began_us = u64::try_from(self.capture.began().wall().unix_timestamp_nanos() / 1000).unwrap_or(0);
        for (socket, name) in &self.sockets {
            while let Ok((length, stamp)) = sys::receive_stamped(socket, &mut self.buffer) {
                let at_us = stamp.map_or_else(|| self.capture.began().elapsed_us(), |ns| (ns / 1000).saturating_sub(began_us));
                match completed(&mut self.buffer[..length]) {
                    Some(frame) => self.capture.packet(at_us, name, Link::Ethernet, frame),
                    None => self.capture.lost(1),
                }
            }
            self.capture.lost(sys::lost_frames(socket).map_or(0, u64::from));
        }
    }
}

/// The frame behind the virtio header, with the checksum that was left to be computed (virtio 1.2 section 5.1.6.2). None if it was not
/// read whole.
fn completed(buffer: &mut [u8]) -> Option<&[u8]> {
    let (head, frame) = buffer.split_at_mut_checked(VIRTIO)?;
    if head[0] & NEEDS_CSUM != 0 {
        let start = usize::from(u16::from_ne_bytes([head[6], head[7]]));
        let at = start + usize::from(u16::from_ne_bytes([head[8], head[9]]));
        let sum = checksum(frame.get(start..)?, 0);
        let sum = if sum == 0 { u16::MAX } else { sum }; // RFC 768: zero means none; for TCP both mean the same
        frame.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(frame)
}

/// Length of the virtio header.
const VIRTIO: usize = 10;
/// VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CSUM: u8 = 1;
/// The largest frame: virtio header, Ethernet, 64 KiB of IP.
const FRAME: usize = VIRTIO + 14 + 65_536;
/// Wished for; the kernel grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: i32 = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_that_was_left_out_is_filled_in() {
        // virtio header, then six bytes of which the last two are the checksum of all, seeded with a pseudo header's sum
        let mut buffer = vec![NEEDS_CSUM, 0, 0, 0, 0, 0];
        buffer.extend(2_u16.to_ne_bytes());
        buffer.extend(4_u16.to_ne_bytes());
        buffer.extend([9, 9, 0x12, 0x34, 0x56, 0x78, 0x00, 0x10]);
        let frame = completed(&mut buffer).expect("whole").to_vec();
        assert_eq!(frame[..6], [9, 9, 0x12, 0x34, 0x56, 0x78]);
        let sum = !(0x1234_u16 + 0x5678 + 0x0010);
        assert_eq!(frame[6..8], sum.to_be_bytes());
        assert!(completed(&mut []).is_none() && completed(&mut [0; 9]).is_none());
        assert_eq!(completed(&mut [0; 12]), Some(&[0, 0][..]));
    }
}
