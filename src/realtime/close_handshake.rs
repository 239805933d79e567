//! The close handshake: the last frame is written so that the peer can read it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use crate::realtime::close::Close;
use crate::realtime::io::OutboxIo;
use crate::realtime::outbox::Outbox;

/// Bytes that are read and discarded at once.
const DISCARD_BUFFER_BYTES: usize = 16 * 1024;
/// The reason that the library gives a close whose code no client may send, with the code 1002.
const REPLACED: &str = "Protocol violation";
/// How long a handshake may still take when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Why a connection ends, and what is still expected of its peer.
#[derive(Clone, Copy, Debug)]
pub struct CloseHandshake {
    /// The close that is sent.
    pub close: Close,
    /// What the peer may still send.
    pub peer: PeerState,
}

/// What a peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Frames, and at last its own close.
    Open,
    /// Bytes that cannot be parsed as frames any more.
    Unreadable,
    /// Nothing: it has sent its close.
    Closed,
    /// Nothing: the connection is lost.
    Lost,
}

impl CloseHandshake {
    /// After an error of the WebSocket library.
    pub fn after_error(error: &WsError) -> Self {
        let (close, peer) = match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
                (Close::TOO_BIG, PeerState::Unreadable)
            }
            WsError::Utf8(_) => (Close::NOT_UTF8, PeerState::Unreadable),
            WsError::Protocol(_) => (Close::BAD_FRAME, PeerState::Unreadable),
            // The socket failed.
            _ => (Close::BAD_FRAME, PeerState::Lost),
        };
        Self { close, peer }
    }

    /// After the peer's own close.
    pub fn after_close(close: Option<&CloseFrame>) -> Self {
        // A client may send 1002 by itself.
        let replaced =
            |frame: &CloseFrame| frame.code == CloseCode::Protocol && frame.reason == REPLACED;
        let invalid = close.is_some_and(replaced);
        Self {
            close: if invalid {
                Close::BAD_CLOSE
            } else {
                Close::NORMAL
            },
            peer: PeerState::Closed,
        }
    }

    /// Writes the close and waits, up to `limit`, for the peer to end the connection. Until
    /// then everything it sends is read and discarded: a socket that is dropped with unread
    /// bytes is reset, and its peer never reads the close.
    pub async fn run(
        self,
        frames: &mut WebSocketStream<OutboxIo<impl AsyncRead + Unpin>>,
        writer: &mut (impl AsyncWrite + Unpin),
        outbox: &Outbox,
        limit: Duration,
        stop: &CancellationToken,
    ) {
        outbox.close(self.close);
        let write = async {
            while !outbox.is_empty() {
                poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer))).await?;
            }
            writer.shutdown().await
        };
        let handshake = async {
            match self.peer {
                PeerState::Closed => write.await,
                _ => tokio::try_join!(write, discard(frames, self.peer)).map(|_| ()),
            }
        };
        let stopped = async {
            stop.cancelled().await;
            sleep(STOP_GRACE).await;
        };
        let limit = match self.peer {
            // What the socket accepts at once is written; there is no peer to wait for.
            PeerState::Lost => Duration::ZERO,
            _ => limit,
        };
        tokio::select! {
            // After the timeout the connection is dropped as it is.
            _ = timeout(limit, handshake) => {}
            () = stopped => {}
        }
    }
}

impl From<Close> for CloseHandshake {
    fn from(close: Close) -> Self {
        Self {
            close,
            peer: PeerState::Open,
        }
    }
}

/// Reads up to the peer's close, or up to the end of the connection.
async fn discard(
    frames: &mut WebSocketStream<OutboxIo<impl AsyncRead + Unpin>>,
    peer: PeerState,
) -> io::Result<()> {
    if peer == PeerState::Open {
        while let Some(Ok(message)) = frames.next().await {
            if message.is_close() {
                return Ok(());
            }
        }
    }
    let mut discarded = vec![0; DISCARD_BUFFER_BYTES];
    while frames.get_mut().reader.read(&mut discarded).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
