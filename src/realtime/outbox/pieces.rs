//! From the outbox to a library that writes by itself: an event stream's HTTP connection takes the
//! bytes in pieces, and the stream's own task does the rest.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::memory::Purpose;
use crate::realtime::frame_queue::{Kind, Part};
use crate::realtime::liveness::WriteProgress;
use crate::realtime::outbox::{Outbox, leased_bytes};

/// Bytes of one piece.
const PIECE_BYTES: usize = 16 * 1024;

impl Outbox {
    /// The next piece; `None` after the last one.
    pub fn poll_piece(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        if state.frames.len() == 0 {
            if state.closed {
                return Poll::Ready(None);
            }
            let writer = state.writer.as_ref();
            if !writer.is_some_and(|writer| writer.will_wake(cx.waker())) {
                state.writer = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let next = state.frames.next();
        let piece = Bytes::copy_from_slice(&next[..next.len().min(PIECE_BYTES)]);
        state.frames.advance(piece.len());
        state.progress.record(true);
        state.account(&self.memory);
        state.wake_worker();
        Poll::Ready(Some(piece))
    }

    /// Ready when the stream's task has something to do.
    pub fn poll_work(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.has_work() {
            return Poll::Ready(());
        }
        state.worker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Adds the result of an operation if it fits; returns whether it does.
    pub fn offer(&self, text: Vec<u8>) -> bool {
        let lease = self.memory.lease(Purpose::Responses, text.len());
        let text = leased_bytes(text, lease);
        let mut state = self.lock();
        let waits = state.frames.limited_len() + state.unrendered.bytes();
        let fits = !state.is_closed() && waits + text.len() <= self.limit;
        if fits {
            state.frames.push([Part::Shared(&text)], 0, Kind::Limited);
            self.commit(&mut state);
        }
        fits
    }

    /// Ends it without a last frame, for a stream whose last event is queued.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = Vec::new();
        state.unrendered.clear();
        self.commit(&mut state);
    }

    /// Whether nothing is accepted any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether bytes wait and the peer has taken none since the last call.
    pub fn has_stalled(&self) -> bool {
        let mut state = self.lock();
        let waits = state.frames.len() > 0;
        let stalled = waits && state.progress == WriteProgress::Stalled;
        state.progress.record(!waits);
        stalled
    }
}
