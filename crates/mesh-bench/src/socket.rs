//! A WebSocket to the server, and the stream beneath it.

use std::future::poll_fn;
use std::task::Poll;

use anyhow::bail;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Bytes of a socket's read buffer. It is allocated with the socket, so a run with many idle
/// subscribers pays for each; sixteen messages of the default size fit into it.
const READ_BUFFER: usize = 8 * 1024;
/// The longest message accepted, in bytes: no server sends longer ones.
const MESSAGE_MAX: usize = 4 * 1024 * 1024;
/// Messages taken at once at most, so that one busy socket does not starve the others.
const BATCH_MAX: usize = 64;

/// An open WebSocket.
pub struct Socket(WebSocketStream<Box<dyn Stream>>);

impl Socket {
    /// Upgrades the stream.
    pub async fn open(request: Request, stream: Box<dyn Stream>) -> anyhow::Result<Self> {
        let opened =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config())).await;
        match opened {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => {
                bail!("the server answers the upgrade with {}", response.status())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a JSON message.
    pub async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    /// Waits for a message and passes it on, along with those that have arrived behind it.
    /// An error says why no more will come.
    pub async fn receive(&mut self, mut on_message: impl FnMut(&[u8])) -> anyhow::Result<()> {
        poll_fn(|cx| {
            for passed in 0..BATCH_MAX {
                match self.0.poll_next_unpin(cx) {
                    Poll::Ready(next) => pass(next, &mut on_message)?,
                    Poll::Pending if passed > 0 => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

fn pass(
    message: Option<Result<Message, Error>>,
    on_message: &mut impl FnMut(&[u8]),
) -> anyhow::Result<()> {
    match message {
        Some(Ok(Message::Text(text))) => on_message(text.as_bytes()),
        Some(Ok(Message::Binary(bytes))) => on_message(&bytes),
        Some(Ok(Message::Close(close))) => {
            let code = close.map_or(1005, |close| close.code.into());
            bail!("the server closed the socket with code {code}");
        }
        // The library answers pings.
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(error.into()),
        None => bail!("the connection broke"),
    }
    Ok(())
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_tungstenite::tungstenite::protocol::Role;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

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

    /// What is received of bytes that arrive in pieces of `size`, why it ended, and what was
    /// sent back.
    async fn received(bytes: &[u8], size: usize) -> (Vec<String>, String, Vec<u8>) {
        let (mut server, client) = tokio::io::duplex(1024 * 1024);
        let client: Box<dyn Stream> = Box::new(client);
        let socket = WebSocketStream::from_raw_socket(client, Role::Client, Some(config())).await;
        let (mut socket, mut received) = (Socket(socket), Vec::new());
        let mut ended = String::new();
        for piece in bytes.chunks(size) {
            server.write_all(piece).await.expect("space in the pipe");
            let take = |text: &[u8]| received.push(String::from_utf8_lossy(text).into());
            if let Some(Err(error)) = socket.receive(take).now_or_never() {
                ended = error.to_string();
                break;
            }
        }
        drop(socket);
        let mut answered = Vec::new();
        server.read_to_end(&mut answered).await.expect("an end");
        (received, ended, answered)
    }

    #[tokio::test]
    async fn messages_are_received_however_the_bytes_are_cut() {
        let long = "é".repeat(40_000);
        let mut bytes = [text("one", true), text(&long, true)].concat();
        bytes.extend([text("in ", false)].concat());
        bytes.extend(frame(Frame::message(
            "parts",
            OpCode::Data(Data::Continue),
            true,
        )));
        for size in [1, 7, 125, 4096, bytes.len()] {
            let (received, ended, _) = received(&bytes, size).await;
            assert_eq!(received, ["one", &long, "in parts"], "in pieces of {size}");
            assert_eq!(ended, "");
        }
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_a_close_ends_it() {
        let close = [0x88, 2, 0x03, 0xf5].to_vec();
        let bytes = [frame(Frame::ping("hey")), close, text("late", true)].concat();
        let (received, ended, answered) = received(&bytes, bytes.len()).await;
        assert!(received.is_empty());
        assert_eq!(ended, "the server closed the socket with code 1013");
        assert_eq!(answered[..2], [0x8a, 0x83], "a masked pong of three bytes");
    }
}
