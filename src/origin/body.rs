//! Bodies of answers: a text in memory, or so many bytes made as they are sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// The body of a request, over whatever version of HTTP it comes.
pub(super) trait Posted: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin {}

impl<B> Posted for B where B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin {}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Page {
    /// A text; taken when sent.
    Whole(Option<Bytes>),
    /// So many bytes still to come.
    Stream(u64),
}

impl Page {
    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::Whole(None)
    }

    /// The text, if it is one and not sent yet.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => bytes.as_deref(),
            Self::Stream(_) => None,
        }
    }

    /// A text.
    pub(super) fn whole(text: impl Into<Bytes>) -> Self {
        Self::Whole(Some(text.into()).filter(|bytes: &Bytes| !bytes.is_empty()))
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match &mut *self {
            Self::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Stream(0) => None,
            Self::Stream(left) => {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(PIECE.len());
                *left -= piece as u64;
                Some(Ok(Frame::data(Bytes::from_static(&PIECE[..piece]))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Stream(0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |b| b.len() as u64),
            Self::Stream(left) => *left,
        })
    }
}

/// 64 KiB of `mitmlab.`, so that a capture shows at once what it is.
static PIECE: [u8; 1 << 16] = {
    let mut piece = [0; 1 << 16];
    let mut at = 0;
    while at < piece.len() {
        piece[at] = b"mitmlab\n"[at % 8];
        at += 1;
    }
    piece
};
