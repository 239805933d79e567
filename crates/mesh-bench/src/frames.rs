//! A WebSocket as a cheap reader sees it: many frames of one read, told from one shared
//! buffer, nothing allocated per message. The library shakes hands and knows the frames.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Bytes of one read.
const READ: usize = 64 * 1024;
/// The longest message taken, in bytes: no stage tells longer ones.
const LONGEST: u64 = 4 * 1024 * 1024;

thread_local! {
    /// What was read and not yet told: idle sockets own no buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An open WebSocket.
pub struct Frames {
    stream: Box<dyn Stream>,
    /// The beginning of a frame whose rest has not come yet.
    begun: Vec<u8>,
    /// The first parts of a message in several frames.
    parts: Vec<u8>,
    /// Pings to be answered.
    pongs: Vec<Bytes>,
    /// The code with which the peer closed; 1005 without one.
    pub closed: Option<u16>,
}

impl Frames {
    /// Goes on after the handshake.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            begun: Vec::new(),
            parts: Vec::new(),
            pongs: Vec::new(),
            closed: None,
        }
    }

    /// Says a text.
    pub async fn say(&mut self, text: String) -> io::Result<()> {
        self.send(Frame::message(text, OpCode::Data(Data::Text), true))
            .await
    }

    async fn send(&mut self, mut frame: Frame) -> io::Result<()> {
        // Clients mask; any mask is as good as another here.
        frame.header_mut().mask = Some([0x2c, 0x51, 0x1d, 0x7e]);
        let mut bytes = Vec::with_capacity(frame.len());
        frame.format(&mut bytes).map_err(io::Error::other)?;
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Waits for more and tells each message that is complete. False at the end.
    pub async fn read(&mut self, mut told: impl FnMut(&[u8]) + Send) -> io::Result<bool> {
        let more = poll_fn(|cx| self.poll_read(cx, &mut told)).await?;
        for ping in std::mem::take(&mut self.pongs) {
            self.send(Frame::pong(ping)).await?;
        }
        Ok(more && self.closed.is_none())
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        told: &mut impl FnMut(&[u8]),
    ) -> Poll<io::Result<bool>> {
        BUFFER.with_borrow_mut(|buffer| {
            let begun = self.begun.len();
            if buffer.len() < begun + READ {
                buffer.resize(begun + READ, 0);
            }
            let mut free = ReadBuf::new(&mut buffer[begun..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut free))?;
            let end = begun + free.filled().len();
            buffer[..begun].copy_from_slice(&self.begun);
            let rest = self.tell(&buffer[..end], told)?;
            self.begun.clear();
            self.begun.extend_from_slice(&buffer[end - rest..end]);
            Poll::Ready(Ok(end > begun))
        })
    }

    /// Tells the complete frames; answers how many bytes are the beginning of another.
    fn tell(&mut self, mut bytes: &[u8], told: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        while self.closed.is_none() {
            let mut cursor = Cursor::new(bytes);
            let header = FrameHeader::parse(&mut cursor).map_err(io::Error::other)?;
            let Some((header, length)) = header else {
                break;
            };
            let start = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            let length = usize::try_from(length.min(LONGEST + 1)).unwrap_or(usize::MAX);
            if length as u64 > LONGEST || self.parts.len() as u64 > LONGEST {
                return Err(io::Error::other("the server tells an endless message"));
            }
            let Some(payload) = bytes.get(start..start + length) else {
                break;
            };
            match header.opcode {
                OpCode::Control(Control::Close) => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |code| u16::from_be_bytes(*code));
                    self.closed = Some(code);
                }
                OpCode::Control(Control::Ping) => self.pongs.push(Bytes::copy_from_slice(payload)),
                OpCode::Control(_) => {}
                OpCode::Data(_) if header.is_final && self.parts.is_empty() => told(payload),
                OpCode::Data(_) => {
                    self.parts.extend_from_slice(payload);
                    if header.is_final {
                        told(&std::mem::take(&mut self.parts));
                    }
                }
            }
            bytes = &bytes[start + length..];
        }
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn text(text: &str, last: bool) -> Vec<u8> {
        frame(Frame::message(
            text.to_owned(),
            OpCode::Data(Data::Text),
            last,
        ))
    }

    fn frame(frame: Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("a frame");
        bytes
    }

    /// What is told of bytes that arrive in pieces of `size`.
    async fn told(bytes: &[u8], size: usize) -> (Vec<String>, Option<u16>, Vec<u8>) {
        let (mut server, client) = tokio::io::duplex(1024 * 1024);
        let mut frames = Frames::new(Box::new(client));
        let mut heard = Vec::new();
        for piece in bytes.chunks(size) {
            server.write_all(piece).await.expect("room");
            let read = frames.read(|text| heard.push(String::from_utf8_lossy(text).into()));
            if !read.await.expect("frames") {
                break;
            }
        }
        let closed = frames.closed;
        drop(frames);
        let mut answered = Vec::new();
        server.read_to_end(&mut answered).await.expect("an end");
        (heard, closed, answered)
    }

    #[tokio::test]
    async fn messages_are_told_however_the_bytes_are_cut() {
        let long = "é".repeat(40_000);
        let mut bytes = [text("one", true), text(&long, true)].concat();
        bytes.extend([text("in ", false)].concat());
        bytes.extend(frame(Frame::message(
            "parts",
            OpCode::Data(Data::Continue),
            true,
        )));
        for size in [1, 7, 125, 4096, bytes.len()] {
            let (heard, closed, _) = told(&bytes, size).await;
            assert_eq!(heard, ["one", &long, "in parts"], "in pieces of {size}");
            assert_eq!(closed, None);
        }
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_a_close_ends_it() {
        let close = [0x88, 2, 0x03, 0xf5].to_vec();
        let bytes = [frame(Frame::ping("hey")), close, text("late", true)].concat();
        let (heard, closed, answered) = told(&bytes, bytes.len()).await;
        assert_eq!((heard, closed), (vec![], Some(1013)));
        assert_eq!(answered[..2], [0x8a, 0x83], "a masked pong of three bytes");
    }
}
