//! An event stream from the server: its `data` lines are the messages.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{anyhow, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Connection, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::http_client::excerpt;
use crate::socket::Stream;

/// Pieces taken at once at most, so that one busy stream does not starve the others.
const BATCH_MAX: usize = 64;

type Http = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// An open event stream.
pub struct EventStream {
    connection: Pin<Box<Http>>,
    body: Incoming,
    /// The beginning of a line that is not complete.
    line: Vec<u8>,
}

impl EventStream {
    /// Sends the request on a connection of its own; the subscription stands when it is answered.
    pub async fn open(endpoint: &Endpoint, number: u32, request: &Value) -> anyhow::Result<Self> {
        let stream = endpoint.connect(&endpoint.http, number).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut connection = Box::pin(connection);
        let request = Request::post(format!("{}/stream", endpoint.http.path))
            .header("host", &endpoint.http.authority)
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .header("x-api-key", &endpoint.key)
            .body(Full::from(request.to_string()))?;
        let response = tokio::select! {
            response = sender.send_request(request) => response?,
            ended = connection.as_mut() => return Err(anyhow!("no answer: {ended:?}")),
        };
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let reading = async { body.frame().await };
            let text = tokio::select! { text = reading => text, _ = connection.as_mut() => None };
            let text = text
                .and_then(Result::ok)
                .and_then(|frame| frame.into_data().ok());
            ensure!(
                false,
                "the server answers {status}: {}",
                excerpt(&text.unwrap_or_default())
            );
        }
        let line = Vec::new();
        Ok(Self {
            connection,
            body,
            line,
        })
    }

    /// Waits for a message and passes it on, along with those that have arrived behind it.
    /// An error says why no more will come.
    pub async fn receive(&mut self, mut on_message: impl FnMut(&[u8])) -> anyhow::Result<()> {
        poll_fn(|cx| self.poll_receive(cx, &mut on_message)).await
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        on_message: &mut impl FnMut(&[u8]),
    ) -> Poll<anyhow::Result<()>> {
        for passed in 0..BATCH_MAX {
            let ended = self.connection.as_mut().poll(cx);
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(frame)) => {
                    let data = frame?.into_data().unwrap_or_default();
                    take_lines(&mut self.line, &data, on_message);
                }
                Poll::Ready(None) => return Poll::Ready(Err(anyhow!("the stream ended"))),
                Poll::Pending if ended.is_ready() => {
                    return Poll::Ready(Err(anyhow!("the connection broke")));
                }
                Poll::Pending if passed > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Passes on the data of the lines that are complete; the rest stays in `line`.
fn take_lines(line: &mut Vec<u8>, mut data: &[u8], on_message: &mut impl FnMut(&[u8])) {
    while let Some(end) = memchr::memchr(b'\n', data) {
        line.extend_from_slice(&data[..end]);
        if let Some(message) = line.strip_prefix(b"data: ") {
            on_message(message);
        }
        line.clear();
        data = &data[end + 1..];
    }
    line.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lines_are_messages_however_the_bytes_are_cut() {
        let text = b":\n\nevent: next\ndata: {\"a\":1}\nid: e:1\n\nevent: next\ndata: {}\n\nevent: complete\ndata:\n\n";
        for size in [1, 7, text.len()] {
            let (mut line, mut messages) = (Vec::new(), Vec::new());
            for piece in text.chunks(size) {
                take_lines(&mut line, piece, &mut |message| {
                    messages.push(message.to_vec());
                });
            }
            assert_eq!(messages, [&b"{\"a\":1}"[..], b"{}"], "in pieces of {size}");
        }
    }
}
