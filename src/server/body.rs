//! The body of an answer: it goes out in pieces, so that what a peer does not read waits
//! here, where it is counted, and not in the buffers of a library.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::memory::Lease;
use crate::resolvers::run::GraphQlResponse;

/// Bytes of one piece.
const PIECE: usize = 16 * 1024;

/// What is still to be sent of an answer.
pub struct AnswerBody(Bytes);

/// An answer's bytes, and where they are counted as long as any of them is held.
struct Counted {
    answered: GraphQlResponse,
    _unread: Lease,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.answered.text
    }
}

impl AnswerBody {
    /// An answer and its place among those that its connection has not read.
    pub fn new(answered: GraphQlResponse, unread: Lease) -> Self {
        Self(Bytes::from_owner(Counted {
            answered,
            _unread: unread,
        }))
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.0.len());
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

impl From<AnswerBody> for Body {
    fn from(body: AnswerBody) -> Self {
        Self::new(body)
    }
}
