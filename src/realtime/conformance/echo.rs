//! Sends every message back, with the frame code of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::memory::Memory;
use crate::realtime::close::Close;
use crate::realtime::close_handshake::CloseHandshake;
use crate::realtime::frame::{FINAL, FrameHeader};
use crate::realtime::io::{OutboxIo, SharedTcp};
use crate::realtime::outbox::Outbox;

/// The largest message: that of case 9.1.6.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// What may wait to be written: one such message and its header.
const OUTBOX_BYTES: usize = MESSAGE_BYTES + 1024;
/// A longer text is split into frames, as responses are.
const SPLIT_BYTES: usize = 64 * 1024;
/// The opcode of a binary message. The server itself sends none.
const BINARY: u8 = 0x02;
/// How long a close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a socket to its end.
pub async fn serve(tcp: TcpStream) {
    tcp.set_nodelay(true).expect("a socket");
    let tcp = Arc::new(tcp);
    let outbox = Outbox::with_socket(OUTBOX_BYTES, Memory::unlimited(), Arc::clone(&tcp));
    let (reader, mut writer) = (SharedTcp(Arc::clone(&tcp)), SharedTcp(tcp));
    let io = OutboxIo {
        reader,
        outbox: Arc::clone(&outbox),
    };
    let mut frames = io.frames(MESSAGE_BYTES).await;
    if let Some(handshake) = echo(&mut frames, &mut writer, &outbox).await {
        let stop = CancellationToken::new();
        handshake
            .run(&mut frames, &mut writer, &outbox, CLOSE_TIMEOUT, &stop)
            .await;
    }
}

async fn echo(
    frames: &mut WebSocketStream<OutboxIo<SharedTcp>>,
    writer: &mut SharedTcp,
    outbox: &Outbox,
) -> Option<CloseHandshake> {
    loop {
        let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut *writer)));
        tokio::select! {
            written = written => {
                written.ok()?;
                if outbox.is_full() {
                    return Some(Close::TOO_SLOW.into());
                }
            }
            frame = frames.next(), if outbox.is_empty() => match frame? {
                Ok(Message::Text(text)) if text.len() > SPLIT_BYTES => {
                    outbox.respond(text.as_bytes().to_vec());
                }
                Ok(Message::Text(text)) => outbox.send(&text),
                Ok(Message::Binary(bytes)) => {
                    let header = FrameHeader::new(FINAL | BINARY, bytes.len());
                    outbox.send_frames(&[header.bytes(), &bytes].concat());
                }
                Ok(Message::Close(close)) => return Some(CloseHandshake::after_close(close.as_ref())),
                Ok(_) => {}
                Err(error) => return Some(CloseHandshake::after_error(&error)),
            },
        }
    }
}
