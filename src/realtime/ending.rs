//! How a connection ends: with a close that its peer can read.

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

use crate::realtime::frame::Close;
use crate::realtime::outbox::Outbox;
use crate::realtime::wire::Line;

/// Bytes that are read at once from a peer to which nobody listens any more.
const DISCARDED_BYTES: usize = 16 * 1024;
/// How long connections may still take to end when the server stops.
const STOPPING: Duration = Duration::from_secs(5);

/// Why a connection ends, and what its peer can still do.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// What the peer is told.
    pub close: Close,
    /// How it is waited for.
    pub peer: Peer,
}

/// What is still expected of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Frames, and at last its own close.
    Speaks,
    /// Bytes in which no frame can be found any more.
    Unreadable,
    /// Nothing: it has closed.
    Closed,
    /// Nothing: it is not there.
    Gone,
}

impl Ending {
    /// After an error of the WebSocket library.
    pub fn after(error: &WsError) -> Self {
        let close = match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => Close::TOO_BIG,
            WsError::Utf8(_) => Close::NOT_UTF8,
            WsError::Protocol(_) => Close::BAD_FRAME,
            // The socket is broken.
            _ => {
                return Ending {
                    close: Close::BAD_FRAME,
                    peer: Peer::Gone,
                };
            }
        };
        Ending {
            close,
            peer: Peer::Unreadable,
        }
    }

    /// The answer to a client's own close.
    pub fn answer(close: Option<&CloseFrame>) -> Self {
        // The library has put 1002 in the place of a code that no client may send.
        let invalid = close.is_some_and(|frame| frame.code == CloseCode::Protocol);
        Ending {
            close: if invalid {
                Close::BAD_CLOSE
            } else {
                Close::NORMAL
            },
            peer: Peer::Closed,
        }
    }
}

impl From<Close> for Ending {
    fn from(close: Close) -> Self {
        Self {
            close,
            peer: Peer::Speaks,
        }
    }
}

/// Writes the close, however slow its reader is, within a bound, and waits for the peer to
/// end the connection. Until then whatever it sends is taken in and thrown away: a socket
/// that is given up with unread bytes is reset, and its peer never reads the close.
pub async fn end(
    ending: Ending,
    frames: &mut WebSocketStream<Line<impl AsyncRead + Unpin>>,
    writer: &mut (impl AsyncWrite + Unpin),
    outbox: &Outbox,
    limit: Duration,
    stop: &CancellationToken,
) {
    outbox.close(ending.close);
    let write = async {
        while !outbox.is_empty() {
            poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer))).await?;
        }
        writer.shutdown().await
    };
    let handshake = async {
        match ending.peer {
            Peer::Closed => write.await,
            _ => tokio::try_join!(write, read_on(frames, ending.peer)).map(|_| ()),
        }
    };
    let stopped = async {
        stop.cancelled().await;
        sleep(STOPPING).await;
    };
    let limit = match ending.peer {
        // What can be written at once is; nobody is there to wait for.
        Peer::Gone => Duration::ZERO,
        _ => limit,
    };
    tokio::select! {
        // Past the bound the connection is dropped as it is.
        _ = timeout(limit, handshake) => {}
        () = stopped => {}
    }
}

/// Reads until the peer's close, or until its end of the connection.
async fn read_on(
    frames: &mut WebSocketStream<Line<impl AsyncRead + Unpin>>,
    peer: Peer,
) -> io::Result<()> {
    if peer == Peer::Speaks {
        while let Some(Ok(message)) = frames.next().await {
            if message.is_close() {
                return Ok(());
            }
        }
    }
    let mut discarded = vec![0; DISCARDED_BYTES];
    while frames.get_mut().reader.read(&mut discarded).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
