//! What waits to be written to one socket: frames one after the other, a bounded number
//! of bytes (decisions D20, D25), written in as few calls as possible.
//!
//! Frames go in whole, under a lock. What a group hears goes straight to a plain socket that
//! takes it, many sockets in one pass and without waking their tasks; a socket's own task
//! writes what it says itself, its pongs, and what the peer did not take at once. Messages of
//! subscriptions that render for themselves wait here unrendered, shared with all others
//! that wait for them, until the socket has taken everything before.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::hub::{COUNTED_BYTES, Publication, counted};
use crate::memory::{Lease, Memory, Purpose, Work};
use crate::realtime::frame::Close;
use crate::realtime::frame_head::{CLOSE, FINAL, FRAME_HEAD_BYTES, PING, TEXT, frame_head};
use crate::realtime::liveness::Flow;
use crate::realtime::queue::{Kind, Part, Queue};
use crate::realtime::session::Operation;
use crate::realtime::subscriber::SocketSubscriber;
use crate::realtime::wire::send_some;

/// What an unrendered message takes beside its shared bytes.
const ENTRY_BYTES: usize = size_of::<Unrendered>();
/// What may wait while the process's memory is short (decision D26).
const PRESSED_BYTES: usize = 64 * 1024;
/// A socket's queue of bytes.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    /// The socket, where anybody may write to it.
    tcp: Option<Arc<TcpStream>>,
    memory: Memory,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: Queue,
    unrendered: VecDeque<Unrendered>,
    unrendered_bytes: usize,
    /// Subscriptions that were ended here; the socket's task is to know.
    ended: Vec<Operation>,
    writer: Option<Waker>,
    flow: Flow,
    full: bool,
    closed: bool,
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Unrendered {
    subscriber: Arc<SocketSubscriber>,
    publication: Arc<Publication>,
    /// What it counts for: a message that waits for several subscriptions counts once.
    bytes: usize,
}

impl Outbox {
    /// A queue that holds up to `limit` bytes and is written by its socket's own task.
    pub fn new(limit: usize, memory: Memory) -> Arc<Self> {
        Self::to(None, limit, memory)
    }

    /// A queue to the plain socket `tcp`, to which deliveries are written at once.
    pub fn direct(limit: usize, memory: Memory, tcp: Arc<TcpStream>) -> Arc<Self> {
        Self::to(Some(tcp), limit, memory)
    }

    fn to(tcp: Option<Arc<TcpStream>>, limit: usize, memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            limit,
            tcp,
            memory,
            waiting: Mutex::default(),
        })
    }

    /// Delivers texts, each between `head` and `tail`, unless `gone` says under the lock
    /// that nobody wants them any more: what is said after it was set is never contradicted.
    /// They are put together in `scratch`.
    pub fn deliver(
        &self,
        (head, tail): (&[u8], &[u8]),
        texts: &[Bytes],
        scratch: &mut Vec<u8>,
        gone: impl FnOnce() -> bool,
    ) {
        let mut waiting = self.lock();
        if waiting.is_shut() || gone() {
            return;
        }
        let mut sent = 0;
        if let Some(tcp) = self.tcp.as_ref().filter(|_| waiting.queue.len() == 0) {
            scratch.clear();
            for text in texts {
                let length = head.len() + text.len() + tail.len();
                scratch.reserve(length + FRAME_HEAD_BYTES);
                scratch.extend_from_slice(frame_head(FINAL | TEXT, length).bytes());
                for part in [head, text, tail] {
                    scratch.extend_from_slice(part);
                }
            }
            sent = send_some(tcp, scratch);
            if sent == scratch.len() {
                return;
            }
        }
        for text in texts {
            let length = head.len() + text.len() + tail.len();
            let frame_head = frame_head(FINAL | TEXT, length);
            let whole = frame_head.bytes().len() + length;
            let of_this = sent.min(whole);
            sent -= of_this;
            if self.admits(&mut waiting, whole - of_this, of_this > 0) {
                let text = if text.len() < COUNTED_BYTES {
                    Part::Copied(text)
                } else {
                    Part::Shared(text)
                };
                let parts = [
                    Part::Copied(frame_head.bytes()),
                    Part::Copied(head),
                    text,
                    Part::Copied(tail),
                ];
                waiting.queue.push(parts, of_this, Kind::Bounded);
            }
        }
        self.settle(&mut waiting);
    }

    /// Leaves a message for a subscription that renders for itself, with `gone` as above.
    pub fn enqueue(
        &self,
        subscriber: &Arc<SocketSubscriber>,
        publication: &Arc<Publication>,
        gone: impl FnOnce() -> bool,
    ) {
        let mut waiting = self.lock();
        if waiting.is_shut() || gone() {
            return;
        }
        // A message comes to all subscriptions of a socket before the next one does.
        let last = waiting.unrendered.back();
        let again = last.is_some_and(|last| Arc::ptr_eq(&last.publication, publication));
        let bytes = ENTRY_BYTES + if again { 0 } else { publication.bytes() };
        if self.admits(&mut waiting, bytes, false) {
            waiting.unrendered_bytes += bytes;
            waiting.unrendered.push_back(Unrendered {
                subscriber: Arc::clone(subscriber),
                publication: Arc::clone(publication),
                bytes,
            });
        }
        self.settle(&mut waiting);
    }

    /// Renders the oldest message that waits for that, once everything before it is
    /// written; says whether there was one. Only the socket's own task calls this.
    pub fn render_next(&self) -> bool {
        let mut waiting = self.lock();
        if !waiting.is_to_render() {
            return false;
        }
        let next = waiting.unrendered.pop_front();
        waiting.unrendered_bytes -= next.as_ref().map_or(0, |next| next.bytes);
        if waiting.unrendered.is_empty() {
            waiting.unrendered = VecDeque::new();
        }
        self.settle(&mut waiting);
        drop(waiting);
        next.is_some_and(|next| {
            next.subscriber.render(&next.publication);
            true
        })
    }

    /// Whether something is to be rendered now.
    pub fn is_to_render(&self) -> bool {
        self.lock().is_to_render()
    }

    /// Puts a text in.
    pub fn say(&self, text: &str) {
        let mut waiting = self.lock();
        self.put_text(&mut waiting, text);
        self.settle(&mut waiting);
    }

    /// Puts a ping in, before all that was not begun: its answer is to come in time also
    /// from a peer that reads slowly.
    pub fn ping(&self) {
        let mut waiting = self.lock();
        let head = frame_head(PING, 0);
        if self.admits(&mut waiting, head.bytes().len(), false) {
            waiting.queue.push_next(head.bytes());
        }
        self.settle(&mut waiting);
    }

    /// Puts a subscription's last text in and tells the socket's task of its end, unless
    /// `gone`, which this sets, says that it has ended already.
    pub fn end(&self, of: &Operation, text: &str, gone: impl FnOnce() -> bool) {
        let mut waiting = self.lock();
        if waiting.is_shut() || gone() {
            return;
        }
        self.put_text(&mut waiting, text);
        waiting.ended.push(of.clone());
        self.settle(&mut waiting);
    }

    /// Puts the answer to a query or mutation in. It may be larger than the queue's bound:
    /// it counts as an answer, and until [`Outbox::has_answer`] says that it is written, no
    /// other is made.
    pub fn answer(&self, text: Vec<u8>) {
        let lease = self.memory.lease(Purpose::Answers, text.len());
        let text = counted(text, lease);
        let mut waiting = self.lock();
        if waiting.is_shut() {
            return;
        }
        waiting.queue.push_answer(&text);
        self.settle(&mut waiting);
    }

    /// Whether an answer is yet to be written.
    pub fn has_answer(&self) -> bool {
        self.lock().queue.has_answer()
    }

    /// Puts the last frame in; nothing goes in after it.
    pub fn close(&self, close: Close) {
        let mut waiting = self.lock();
        if !waiting.closed {
            // The bound does not keep the last frame out.
            let head = frame_head(CLOSE, 2 + close.reason.len());
            let code = close.code.to_be_bytes();
            let parts = [head.bytes(), &code, close.reason.as_bytes()].map(Part::Copied);
            waiting.queue.push(parts, 0, Kind::Bounded);
            waiting.closed = true;
            // The overflow has been noticed; what waits may be written again.
            waiting.full = false;
            // Nobody asks any more which subscriptions have ended.
            waiting.ended = Vec::new();
            waiting.forget_unrendered();
            self.settle(&mut waiting);
        }
    }

    /// Puts bytes in that are frames already.
    pub fn raw(&self, bytes: &[u8]) {
        let mut waiting = self.lock();
        if self.admits(&mut waiting, bytes.len(), false) {
            let part = Part::Copied(bytes);
            waiting.queue.push([part], 0, Kind::Bounded);
        }
        self.settle(&mut waiting);
    }

    /// Drops what waits to be rendered: its subscriptions have ended.
    pub fn forget_unrendered(&self) {
        let mut waiting = self.lock();
        waiting.forget_unrendered();
        self.settle(&mut waiting);
    }

    /// Whether something did not fit: the socket must be closed.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// The subscriptions that were ended here since this was asked last.
    pub fn take_ended(&self) -> Vec<Operation> {
        std::mem::take(&mut self.lock().ended)
    }

    /// Whether the peer, which had stopped taking what waits, took more since this was asked
    /// last: it reads, however slowly.
    pub fn take_taken(&self) -> bool {
        self.lock().flow.take_resumed()
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.lock().queue.len() == 0
    }

    /// Writes what waits; ready after some was written, or when the socket's task has
    /// something else to do: to close a socket that is full though its peer takes nothing,
    /// to forget ended subscriptions, to render. Pending while there is nothing.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<std::io::Result<()>> {
        let mut waiting = self.lock();
        let ended = !waiting.closed && !waiting.ended.is_empty();
        if waiting.full || ended || waiting.is_to_render() {
            return Poll::Ready(Ok(()));
        }
        if !waiting
            .writer
            .as_ref()
            .is_some_and(|w| w.will_wake(cx.waker()))
        {
            waiting.writer = Some(cx.waker().clone());
        }
        if waiting.queue.len() == 0 {
            return Poll::Pending;
        }
        let written = to.poll_write(cx, waiting.queue.next());
        waiting.flow.tried(written.is_ready());
        match ready!(written)? {
            0 => Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            written => {
                waiting.queue.advance(written);
                waiting.count(&self.memory);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn put_text(&self, waiting: &mut Waiting, text: &str) {
        let head = frame_head(FINAL | TEXT, text.len());
        if self.admits(waiting, head.bytes().len() + text.len(), false) {
            let parts = [head.bytes(), text.as_bytes()].map(Part::Copied);
            waiting.queue.push(parts, 0, Kind::Bounded);
        }
    }

    /// Whether so many bytes fit, into an empty queue as into any other. The rest of a
    /// frame that was `begun` must be finished. What does not fit ends the connection:
    /// frames that were not begun are dropped, for the peer is to read its close soon.
    fn admits(&self, waiting: &mut Waiting, bytes: usize, begun: bool) -> bool {
        if waiting.is_shut() {
            return false;
        }
        let after = waiting.queue.bounded() + waiting.unrendered_bytes + bytes;
        let pressed = after > PRESSED_BYTES && self.memory.admit(Work::Data, bytes).is_err();
        if !begun && (after > self.limit || pressed) {
            waiting.full = true;
            waiting.queue.keep_begun();
            waiting.forget_unrendered();
        }
        !waiting.full
    }

    fn settle(&self, waiting: &mut Waiting) {
        waiting.count(&self.memory);
        waiting.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether nothing more goes in.
    fn is_shut(&self) -> bool {
        self.full || self.closed
    }

    /// Whether everything before an unrendered message is written.
    fn is_to_render(&self) -> bool {
        self.queue.len() == 0 && !self.unrendered.is_empty()
    }

    fn forget_unrendered(&mut self) {
        self.unrendered = VecDeque::new();
        self.unrendered_bytes = 0;
    }

    /// Counts what is held here alone; shared bytes are counted where they are shared.
    fn count(&mut self, memory: &Memory) {
        let bytes = self.queue.owned() + self.unrendered.capacity() * ENTRY_BYTES;
        match &mut self.lease {
            _ if bytes == 0 => self.lease = None,
            Some(lease) => lease.resize(bytes),
            none => *none = Some(memory.lease(Purpose::Queues, bytes)),
        }
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests;
