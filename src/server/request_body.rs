//! Reads the body of a request: within its limits of bytes, of time, and of pieces.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::memory::{Lease, Purpose, Work};
use crate::server::AppState;
use crate::server::http_error::HttpError;

/// A body of up to this many bytes that has come with its head is not counted.
const SMALL_BODY: usize = 4096;
/// The most pieces: chunks, or what the peer sends at a time. Each costs about a microsecond, and a
/// body of single bytes would keep a core busy for a fifth of a second.
pub const MAX_PIECES: u16 = 1024;

/// Reads a body. One that is large or does not come with its head is counted until it was
/// answered. A small one is never refused: it may be a heartbeat.
pub(super) async fn read(
    state: &AppState,
    body: Incoming,
) -> Result<(Bytes, Option<Lease>), HttpError> {
    let limits = state.settings.http;
    let expected = body.size_hint().upper().and_then(|n| n.try_into().ok());
    let expected = limits.body_bytes.min(expected.unwrap_or(usize::MAX));
    let count = || {
        let memory = &state.runner.mesh().memory;
        // Once as it came, and once as values.
        let bytes = expected * 2;
        if expected > SMALL_BODY {
            memory
                .admit(Work::Data, bytes)
                .map_err(|_| HttpError::FULL)?;
        }
        Ok::<_, HttpError>(memory.lease(Purpose::Requests, bytes))
    };
    let mut held = None;
    if expected > SMALL_BODY {
        held = Some(count()?);
    }
    let pieces = Pieces {
        body,
        left: MAX_PIECES,
    };
    let mut reading = pin!(Limited::new(pieces, limits.body_bytes).collect());
    // Nearly every body has come with its head: those need no timer.
    let read = match futures_util::poll!(&mut reading) {
        Poll::Ready(read) => read,
        Poll::Pending => {
            if held.is_none() {
                held = Some(count()?);
            }
            tokio::time::timeout(limits.request_timeout, reading)
                .await
                .map_err(|_| HttpError::TOO_LATE)?
        }
    };
    match read {
        Ok(body) => Ok((body.to_bytes(), held)),
        Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TOO_LARGE),
        Err(error) if error.is::<TooManyPieces>() => Err(HttpError::TOO_MANY_PIECES),
        Err(_) => Err(HttpError::UNREADABLE),
    }
}

/// A body that ends with an error after too many pieces.
struct Pieces {
    body: Incoming,
    left: u16,
}

#[derive(Debug, thiserror::Error)]
#[error("too many pieces")]
struct TooManyPieces;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_some() {
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(TooManyPieces.into()))),
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
