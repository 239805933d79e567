//! Adapters between a socket, the WebSocket library and the outbox.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::realtime::outbox::Outbox;

/// Bytes read at once, allocated per connection: clients send little after the beginning.
const READ_BUFFER_BYTES: usize = 512;

/// The WebSocket library's side of a socket: it reads the socket, and what it writes
/// (pongs, the echo of a close) is queued in the outbox.
#[derive(Debug)]
pub struct OutboxIo<R> {
    /// The socket's reading half.
    pub reader: R,
    /// Takes what the library writes.
    pub outbox: Arc<Outbox>,
}

impl<R: AsyncRead + Unpin> OutboxIo<R> {
    /// The client's messages, of up to this many bytes each.
    pub async fn frames(self, message_bytes: usize) -> WebSocketStream<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes))
            .max_frame_size(Some(message_bytes));
        WebSocketStream::from_raw_socket(self, Role::Server, Some(config)).await
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OutboxIo<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl<R: Unpin> AsyncWrite for OutboxIo<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outbox.send_frames(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A TCP socket that its reader, its writer and the hub's dispatchers share.
pub struct SharedTcp(pub Arc<TcpStream>);

impl AsyncRead for SharedTcp {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedTcp {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

/// Writes what the socket accepts without waiting and returns how many bytes that was.
/// Unlike `TcpStream::try_write` this does not check the runtime's readiness first.
pub fn write_now(tcp: &TcpStream, bytes: &[u8]) -> usize {
    let socket = SockRef::from(tcp);
    let mut rest = bytes;
    while !rest.is_empty() {
        match socket.send(rest) {
            Ok(written) if written > 0 => rest = &rest[written..],
            // The connection's task waits until the socket is writable, or gets the error.
            _ => break,
        }
    }
    bytes.len() - rest.len()
}
