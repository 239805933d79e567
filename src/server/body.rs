//! The body of a response: it goes out in pieces, so that what a peer does not read waits
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

/// What is still to be sent of a response.
pub struct ResponseBody(Bytes);

/// A response's bytes, and the lease that counts them until all are sent.
struct Counted {
    response: GraphQlResponse,
    _unread: Lease,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.response.text
    }
}

impl ResponseBody {
    /// A response and the lease of its bytes that the connection has not read.
    pub fn new(response: GraphQlResponse, unread: Lease) -> Self {
        Self(Bytes::from_owner(Counted {
            response,
            _unread: unread,
        }))
    }
}

impl hyper::body::Body for ResponseBody {
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

impl From<ResponseBody> for Body {
    fn from(body: ResponseBody) -> Self {
        Self::new(body)
    }
}
