//! What waits to be written to one socket: frames one after the other, a bounded number
//! of bytes (decision D20), written in as few calls as possible.
//!
//! Whoever speaks puts whole frames in, under a lock. What a group hears goes straight to
//! a plain socket that takes it, many sockets in one pass and without waking their tasks;
//! a socket's own task writes what it says itself, and what the peer did not take at
//! once. The socket's reader puts its pongs in by the same door.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use rustix::net::{SendFlags, send};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::realtime::frame::Close;

/// A buffer that grew past this is given back when it is empty.
const KEPT_BYTES: usize = 2048;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A socket's queue of bytes.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    /// The socket, where anybody may write to it.
    tcp: Option<Arc<TcpStream>>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    written: usize,
    writer: Option<Waker>,
    full: bool,
    closed: bool,
}

impl Outbox {
    /// A queue that holds up to `limit` bytes and is written by its socket's own task.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            tcp: None,
            waiting: Mutex::default(),
        })
    }

    /// A queue to the plain socket `tcp`, to which deliveries are written at once.
    pub fn direct(limit: usize, tcp: Arc<TcpStream>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            tcp: Some(tcp),
            waiting: Mutex::default(),
        })
    }

    /// Delivers texts, unless `gone` says under the lock that nobody wants them any more:
    /// whoever set it before saying something else is never contradicted. Each text's
    /// parts are put together in `scratch`.
    pub fn deliver<'a, const PARTS: usize>(
        &self,
        texts: impl Iterator<Item = [&'a [u8]; PARTS]>,
        scratch: &mut Vec<u8>,
        gone: impl FnOnce() -> bool,
    ) {
        scratch.clear();
        let mut waiting = self.lock();
        if waiting.full || waiting.closed || gone() {
            return;
        }
        for parts in texts {
            frame(scratch, TEXT, &parts);
        }
        let mut rest = &scratch[..];
        if let Some(tcp) = self.tcp.as_ref().filter(|_| waiting.len() == 0) {
            while !rest.is_empty() {
                // The flag keeps a peer that left from raising a signal.
                match send(tcp, rest, SendFlags::NOSIGNAL) {
                    Ok(written) if written > 0 => rest = &rest[written..],
                    // The task waits for the socket, or learns that it is gone.
                    _ => break,
                }
            }
        }
        if rest.is_empty() {
            return;
        }
        if waiting.admits(rest.len(), self.limit) {
            waiting.bytes.extend_from_slice(rest);
        }
        waiting.wake();
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
            let parts: [&[u8]; 2] = [&close.code.to_be_bytes(), close.reason.as_bytes()];
            frame(&mut waiting.bytes, CLOSE, &parts);
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
            frame(&mut waiting.bytes, kind, parts);
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
        // Into an empty box fits whatever is said at once: a large message is nobody's
        // slowness, and a frame of which some was written must be finished.
        self.full |= !self.closed && self.len() > 0 && self.len() + length > limit;
        !self.full && !self.closed
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

/// An unmasked, unfragmented frame (RFC 6455 section 5.2).
fn frame(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + 10);
    out.push(kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part);
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
    use crate::realtime::socket::Shared;

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

    #[tokio::test]
    async fn what_a_slow_peer_does_not_take_at_once_follows_whole_and_in_order() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let near = Arc::new(near.unwrap().0);
        let outbox = Outbox::direct(1 << 30, Arc::clone(&near));
        let (mut scratch, mut said) = (Vec::new(), 0);
        // On and on, until the peer's buffers are full.
        while outbox.is_empty() {
            let numbers = [said, said + 1].map(|n| format!("{n:0>5000}"));
            let texts = numbers.iter().map(|text| [text.as_bytes(), b"!"]);
            outbox.deliver(texts, &mut scratch, || false);
            said += 2;
        }
        outbox.say("and this");
        outbox.deliver([[&b"last"[..]]].into_iter(), &mut scratch, || false);
        outbox.deliver([[&b"unwanted"[..]]].into_iter(), &mut scratch, || true);
        outbox.close(Close::NORMAL);
        let mut writer = Shared(near);
        let write = async {
            while !outbox.is_empty() {
                let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut writer)));
                written.await.unwrap();
            }
        };
        let read = async {
            let far = far.unwrap();
            let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            let mut heard = Vec::new();
            while let Some(Ok(Message::Text(text))) = client.next().await {
                heard.push(text);
            }
            heard
        };
        let ((), heard) = tokio::join!(write, read);
        let numbers = (0..said).map(|n| format!("{n:0>5000}!"));
        let texts: Vec<_> = numbers.chain(["and this".into(), "last".into()]).collect();
        assert_eq!(heard.len(), texts.len());
        assert!(
            heard
                .iter()
                .zip(&texts)
                .all(|(heard, said)| heard.as_str() == said)
        );
    }
}
