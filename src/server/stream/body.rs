//! The body of an event stream: hyper takes what waits in the stream's outbox, as far as its peer
//! reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::DropGuard;

use crate::realtime::stream::EventStream;
use crate::server::listen::InFlight;

/// How long the last bytes of a stream that is cut have to be written: hyper does not say when they are.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What is still to be sent of an event stream.
pub struct StreamBody {
    stream: Arc<EventStream>,
    /// Set when everything before a cut was taken.
    cut: Option<Pin<Box<Sleep>>>,
    /// While its client reads, a connection is not idle.
    _in_flight: InFlight,
    _left: DropGuard,
}

/// Messages are missing: a response that ended as usual would look complete.
#[derive(Debug, thiserror::Error)]
#[error("the event stream was cut")]
pub struct StreamCut;

impl StreamBody {
    /// The events of a stream.
    pub fn new(stream: Arc<EventStream>, in_flight: InFlight) -> Self {
        Self {
            _left: stream.reader(),
            stream,
            cut: None,
            _in_flight: in_flight,
        }
    }
}

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = StreamCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamCut>>> {
        if let Some(piece) = ready!(self.stream.outbox().poll_piece(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if !self.stream.is_cut() {
            return Poll::Ready(None);
        }
        let cut = self.cut.get_or_insert_with(|| Box::pin(sleep(LAST_WRITE)));
        ready!(cut.as_mut().poll(cx));
        Poll::Ready(Some(Err(StreamCut)))
    }
}
