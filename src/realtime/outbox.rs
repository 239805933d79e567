//! What waits to be written to one socket: frames in order, a limited number of bytes
//! (decisions D20, D25), written in as few calls as possible.
//!
//! Frames are added whole, under a lock. What the hub delivers is written at once to a plain
//! socket that accepts it: one thread writes to many sockets and wakes none of their tasks.
//! A socket's own task writes everything else: its own texts, its pongs, and what the socket
//! did not accept at once. Messages of subscriptions that render by themselves wait here
//! unrendered, shared with all others that wait for them, until everything before is written.

mod delivery;
mod pieces;
mod render_queue;
mod state;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

pub use self::delivery::Envelope;
use crate::hub::leased_bytes;
use crate::memory::{Memory, Purpose, Work};
use crate::realtime::close::Close;
use crate::realtime::frame::{FrameHeader, Framing, PING};
use crate::realtime::frame_queue::{Kind, Part};
use crate::realtime::outbox::state::State;
use crate::realtime::session::OperationKey;

/// What may wait while the process runs out of memory (decision D26).
const LOW_MEMORY_BYTES: usize = 64 * 1024;

/// A socket's or an event stream's queue of bytes.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    framing: Framing,
    /// The socket, if deliveries may be written to it at once.
    tcp: Option<Arc<TcpStream>>,
    memory: Memory,
    state: Mutex<State>,
}

impl Outbox {
    /// A queue of up to `limit` bytes that is written by its socket's own task.
    pub fn new(limit: usize, memory: Memory) -> Arc<Self> {
        Self::create(Framing::WebSocket, None, limit, memory)
    }

    /// A queue for an event stream, whose HTTP connection takes the bytes ([`Outbox::poll_piece`]).
    pub fn of_events(limit: usize, memory: Memory) -> Arc<Self> {
        Self::create(Framing::EventStream, None, limit, memory)
    }

    /// A queue for the plain socket `tcp`, to which deliveries are written at once.
    pub fn with_socket(limit: usize, memory: Memory, tcp: Arc<TcpStream>) -> Arc<Self> {
        Self::create(Framing::WebSocket, Some(tcp), limit, memory)
    }

    fn create(
        framing: Framing,
        tcp: Option<Arc<TcpStream>>,
        limit: usize,
        memory: Memory,
    ) -> Arc<Self> {
        Arc::new(Self {
            limit,
            framing,
            tcp,
            memory,
            state: Mutex::default(),
        })
    }

    /// Adds a text message.
    pub fn send(&self, text: &str) {
        let mut state = self.lock();
        self.push_text(&mut state, text);
        self.commit(&mut state);
    }

    /// Adds a ping before all frames that are not started: a slow reader is to answer it in
    /// time as well.
    pub fn ping(&self) {
        let mut state = self.lock();
        let header = FrameHeader::new(PING, 0);
        if self.admits(&mut state, header.bytes().len(), false) {
            state.frames.push_control(header.bytes());
        }
        self.commit(&mut state);
    }

    /// Adds the last text of a subscription and reports its end to the socket's task, unless
    /// `end`, which ends it, returns that it had ended before.
    pub fn end_subscription(
        &self,
        operation: &OperationKey,
        text: &str,
        end: impl FnOnce() -> bool,
    ) {
        let mut state = self.lock();
        if state.is_closed() || end() {
            return;
        }
        self.push_text(&mut state, text);
        state.ended.push(operation.clone());
        self.commit(&mut state);
    }

    /// Adds the response to a query or mutation. It may exceed the limit: no other response
    /// is made before [`Outbox::has_response`] returns that this one is written.
    pub fn respond(&self, text: Vec<u8>) {
        let lease = self.memory.lease(Purpose::Responses, text.len());
        let text = leased_bytes(text, lease);
        let mut state = self.lock();
        if state.is_closed() {
            return;
        }
        state.frames.push_response(&text);
        self.commit(&mut state);
    }

    /// Whether a response is yet to be written.
    pub fn has_response(&self) -> bool {
        self.lock().frames.has_response()
    }

    /// Adds the last frame; nothing is accepted after it.
    pub fn close(&self, close: Close) {
        let mut state = self.lock();
        if !state.closed {
            // The limit does not apply to the last frame.
            let last = self.framing.close(close);
            let part = Part::Copied(&last);
            state.frames.push([part], 0, Kind::Limited);
            state.closed = true;
            // From here on what waits is written, also after an overflow.
            state.full = false;
            // No caller asks for ended subscriptions any more.
            state.ended = Vec::new();
            state.unrendered.clear();
            self.commit(&mut state);
        }
    }

    /// Adds bytes that are frames already.
    pub fn send_frames(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if self.admits(&mut state, bytes.len(), false) {
            let part = Part::Copied(bytes);
            state.frames.push([part], 0, Kind::Limited);
        }
        self.commit(&mut state);
    }

    /// Whether something did not fit: the socket must be closed.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// The subscriptions that were ended here since the last call.
    pub fn take_ended(&self) -> Vec<OperationKey> {
        std::mem::take(&mut self.lock().ended)
    }

    /// Whether the socket, which had accepted nothing, accepted more since the last call:
    /// its peer reads, however slowly.
    pub fn take_resumed(&self) -> bool {
        self.lock().progress.take_resumed()
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.lock().frames.len() == 0
    }

    /// Writes what waits. Ready after something was written, or when the socket's task has
    /// something else to do: to close a full socket though its peer reads nothing, to remove
    /// ended subscriptions, to render. Pending while there is nothing to do.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<std::io::Result<()>> {
        let mut state = self.lock();
        if state.has_work() {
            return Poll::Ready(Ok(()));
        }
        let writer = state.writer.as_ref();
        if !writer.is_some_and(|writer| writer.will_wake(cx.waker())) {
            state.writer = Some(cx.waker().clone());
        }
        if state.frames.len() == 0 {
            return Poll::Pending;
        }
        let written = to.poll_write(cx, state.frames.next());
        state.progress.record(written.is_ready());
        match ready!(written)? {
            0 => Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            written => {
                state.frames.advance(written);
                state.account(&self.memory);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn push_text(&self, state: &mut State, text: &str) {
        let header = self.framing.header(text.len());
        if self.admits(state, header.bytes().len() + text.len(), false) {
            let parts = [header.bytes(), text.as_bytes()].map(Part::Copied);
            state.frames.push(parts, 0, Kind::Limited);
        }
    }

    /// Whether this many bytes fit; an empty queue has the same limit as any other. The rest
    /// of a `started` frame always fits. What does not fit ends the connection: frames that
    /// are not started are dropped, so that the peer soon reads the close.
    fn admits(&self, state: &mut State, bytes: usize, started: bool) -> bool {
        if state.is_closed() {
            return false;
        }
        let after = state.frames.limited_len() + state.unrendered.bytes() + bytes;
        let low_memory = after > LOW_MEMORY_BYTES && self.memory.admit(Work::Data, bytes).is_err();
        if !started && (after > self.limit || low_memory) {
            state.full = true;
            state.frames.drop_unstarted();
            state.unrendered.clear();
        }
        !state.full
    }

    /// Accounts for a change and wakes the socket's task.
    fn commit(&self, state: &mut State) {
        state.account(&self.memory);
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
