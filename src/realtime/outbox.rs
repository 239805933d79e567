//! What waits to be written to one socket: frames one after the other, a bounded number
//! of bytes (decision D20), written in as few calls as possible.
//!
//! Whoever speaks puts whole frames in, under a lock held for a copy. What a group hears
//! is written by a flusher, many sockets in one pass and without waking their tasks; a
//! socket's own task writes what it says itself, and what a flusher could not write
//! because the peer did not take it. The socket's reader puts its pongs in by the same door.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::hub::Listener;
use crate::realtime::flusher::Flusher;
use crate::realtime::frame::{Close, Dialect, start_ack};

/// A buffer that grew past this is given back when it is empty.
const KEPT_BYTES: usize = 2048;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A socket's queue of bytes.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    /// The socket and who writes to it for others, where that can be done without waiting.
    pass: Option<(Arc<TcpStream>, Flusher)>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    written: usize,
    writer: Option<Waker>,
    /// A flusher will come by.
    expected: bool,
    full: bool,
    closed: bool,
}

impl Outbox {
    /// A queue that holds up to `limit` bytes and is written by its socket's own task.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            pass: None,
            waiting: Mutex::default(),
        })
    }

    /// A queue that `flusher` may write to the plain socket `tcp`.
    pub fn flushed(limit: usize, tcp: Arc<TcpStream>, flusher: Flusher) -> Arc<Self> {
        Arc::new(Self {
            limit,
            pass: Some((tcp, flusher)),
            waiting: Mutex::default(),
        })
    }

    /// Puts a delivered message in, for the next pass of the flusher.
    fn deliver(self: &Arc<Self>, parts: &[&[u8]]) {
        let mut waiting = self.lock();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if !waiting.admits(length, self.limit) {
            return waiting.wake();
        }
        waiting.frame(TEXT, parts);
        match &self.pass {
            Some((_, flusher)) if !waiting.expected => {
                waiting.expected = true;
                flusher.expect(Arc::clone(self));
            }
            Some(_) => {}
            None => waiting.wake(),
        }
    }

    /// Writes what the socket takes at once; its own task is left to write the rest.
    pub(super) fn flush(&self) {
        let Some((tcp, _)) = &self.pass else { return };
        let mut waiting = self.lock();
        waiting.expected = false;
        while waiting.len() > 0 {
            match tcp.try_write(&waiting.bytes[waiting.written..]) {
                Ok(written) if written > 0 => waiting.advance(written),
                // The task waits for the socket, or learns that it is gone.
                _ => return waiting.wake(),
            }
        }
    }

    /// Puts a text in.
    pub fn say(&self, text: &str) {
        self.put(TEXT, &[text.as_bytes()]);
    }

    /// Puts a ping in.
    pub fn ping(&self) {
        self.put(PING, &[]);
    }

    /// Puts the last frame in; nothing goes in after it.
    pub fn close(&self, close: Close) {
        let mut waiting = self.lock();
        if !waiting.closed {
            // The bound does not keep a goodbye out.
            waiting.frame(CLOSE, &[&close.code.to_be_bytes(), close.reason.as_bytes()]);
            waiting.closed = true;
            // The overflow has been noticed; what waits may be written again.
            waiting.full = false;
            waiting.wake();
        }
    }

    /// Puts bytes in that are frames already.
    pub fn raw(&self, bytes: &[u8]) {
        let mut waiting = self.lock();
        if waiting.admits(bytes.len(), self.limit) {
            waiting.bytes.extend_from_slice(bytes);
        }
        waiting.wake();
    }

    /// Whether something did not fit: the socket must be closed.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives an unused buffer back.
    pub fn rest(&self) {
        let mut waiting = self.lock();
        if waiting.len() == 0 {
            waiting.bytes = Vec::new();
            waiting.written = 0;
        }
    }

    /// Writes what waits; ready after some was written, and pending while nothing waits.
    /// Ready at once when something did not fit, though the peer may take nothing: the
    /// socket must be closed.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<std::io::Result<()>> {
        let mut waiting = self.lock();
        if waiting.full {
            return Poll::Ready(Ok(()));
        }
        if !waiting
            .writer
            .as_ref()
            .is_some_and(|w| w.will_wake(cx.waker()))
        {
            waiting.writer = Some(cx.waker().clone());
        }
        if waiting.len() == 0 {
            return Poll::Pending;
        }
        match ready!(to.poll_write(cx, &waiting.bytes[waiting.written..]))? {
            0 => Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            written => {
                waiting.advance(written);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn put(&self, kind: u8, parts: &[&[u8]]) {
        let mut waiting = self.lock();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if waiting.admits(length, self.limit) {
            waiting.frame(kind, parts);
        }
        waiting.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    fn admits(&mut self, length: usize, limit: usize) -> bool {
        // One message alone always fits: a large one is nobody's slowness.
        self.full |= !self.closed && self.len() > 0 && self.len() + length > limit;
        !self.full && !self.closed
    }

    /// An unmasked, unfragmented frame (RFC 6455 section 5.2).
    fn frame(&mut self, kind: u8, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.reserve(length + 10);
        self.bytes.push(kind);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..126), _) => self.bytes.push(short),
            (_, Ok(medium)) => {
                self.bytes.push(126);
                self.bytes.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                self.bytes.push(127);
                self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    fn advance(&mut self, written: usize) {
        self.written += written;
        if self.written == self.bytes.len() {
            self.written = 0;
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            } else {
                self.bytes.clear();
            }
        }
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// One subscription on a socket.
#[derive(Debug)]
pub struct Subscriber {
    outbox: Arc<Outbox>,
    id: String,
    dialect: Dialect,
    head: String,
    tail: &'static [u8],
}

impl Subscriber {
    /// The subscription `id` of the socket behind `outbox`.
    pub fn new(outbox: Arc<Outbox>, id: String, dialect: Dialect) -> Self {
        let (head, tail) = dialect.around_data(&id);
        Self {
            outbox,
            id,
            dialect,
            head,
            tail,
        }
    }
}

impl Listener for Subscriber {
    fn welcome(&self) {
        if self.dialect == Dialect::AppSync {
            self.outbox.say(&start_ack(&self.id));
        }
    }

    fn hear(&self, data: &Bytes) {
        self.outbox
            .deliver(&[self.head.as_bytes(), data, self.tail]);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::StreamExt as _;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    async fn write_all(outbox: &Outbox, to: &mut tokio::io::DuplexStream) {
        while !outbox.is_empty() {
            poll_fn(|cx| outbox.poll_write(cx, Pin::new(to)))
                .await
                .unwrap();
        }
    }

    #[test]
    fn every_length_of_text_reads_back_as_it_was_said() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        proptest!(ProptestConfig::with_cases(40), |(lengths in prop::collection::vec(
            prop_oneof![0usize..300, 65_400usize..65_700], 1..6))| {
            runtime.block_on(async {
                let outbox = Outbox::new(1 << 20);
                let (mut near, far) = tokio::io::duplex(1 << 20);
                for n in &lengths { outbox.say(&"a".repeat(*n)); }
                outbox.close(Close::NORMAL);
                write_all(&outbox, &mut near).await;
                let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
                for n in &lengths {
                    let text = client.next().await.unwrap().unwrap();
                    assert_eq!(text.to_text().unwrap().len(), *n);
                }
                match client.next().await.unwrap().unwrap() {
                    Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1000),
                    other => panic!("{other:?}"),
                }
            });
        });
    }

    #[tokio::test]
    async fn a_full_box_is_noticed_while_the_peer_takes_nothing() {
        let outbox = Outbox::new(100);
        outbox.say(&"a".repeat(90));
        let (mut near, _far) = tokio::io::duplex(1);
        poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near)))
            .await
            .unwrap();
        let mut writing = Box::pin(poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near))));
        assert!(futures_util::poll!(&mut writing).is_pending());
        outbox.say(&"a".repeat(90));
        assert!(futures_util::poll!(&mut writing).is_ready());
        assert!(outbox.is_full());
    }

    #[tokio::test]
    async fn what_does_not_fit_marks_the_box_full_and_only_a_goodbye_still_goes_in() {
        let outbox = Outbox::new(10);
        outbox.say("12345678");
        assert!(!outbox.is_full());
        outbox.say("9");
        assert!(outbox.is_full());
        outbox.close(Close::TOO_SLOW);
        outbox.say("late");
        let (mut near, mut far) = tokio::io::duplex(1024);
        write_all(&outbox, &mut near).await;
        drop(near);
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..10], b"\x81\x0812345678");
        assert_eq!(bytes[10], CLOSE);
        assert!(bytes.ends_with(Close::TOO_SLOW.reason.as_bytes()));
    }

    #[tokio::test]
    async fn a_big_buffer_is_given_back_when_it_is_empty() {
        let outbox = Outbox::new(1 << 20);
        outbox.say(&"a".repeat(10_000));
        let (mut near, _far) = tokio::io::duplex(1 << 20);
        write_all(&outbox, &mut near).await;
        assert_eq!(outbox.lock().bytes.capacity(), 0);
    }
}
