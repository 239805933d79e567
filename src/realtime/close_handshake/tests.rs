//! What a slow peer still reads, on a paused clock.

use std::sync::Arc;

use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::memory::Memory;
use crate::realtime::session::OperationKey;

const LIMIT: Duration = Duration::from_mins(1);

struct Server {
    frames: WebSocketStream<OutboxIo<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    outbox: Arc<Outbox>,
}

/// A socket with a small buffer, one started frame and another behind it.
async fn with_a_started_frame() -> (Server, DuplexStream) {
    let (near, far) = duplex(100);
    let (reader, mut writer) = split(near);
    let outbox = Outbox::new(120_000, Memory::unlimited());
    for text in ["first", "second"] {
        outbox.send(&text.repeat(10_000));
    }
    poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut writer)))
        .await
        .unwrap();
    outbox.send(&"third".repeat(10_000));
    assert!(outbox.is_full());
    let io = OutboxIo {
        reader,
        outbox: Arc::clone(&outbox),
    };
    let frames = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let near = Server {
        frames,
        writer,
        outbox,
    };
    (near, far)
}

async fn close(mut near: Server, stop: CancellationToken) {
    let (frames, writer) = (&mut near.frames, &mut near.writer);
    let handshake = CloseHandshake::from(Close::TOO_SLOW);
    handshake
        .run(frames, writer, &near.outbox, LIMIT, &stop)
        .await;
}

async fn read_after(far: DuplexStream, pause: Duration) -> Vec<Message> {
    sleep(pause).await;
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let mut read = Vec::new();
    while let Some(Ok(message)) = client.next().await {
        read.push(message);
    }
    read
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_pauses_30_seconds_reads_whole_messages_and_then_its_close() {
    let (near, far) = with_a_started_frame().await;
    let reading = read_after(far, Duration::from_secs(30));
    let ((), read) = tokio::join!(close(near, CancellationToken::new()), reading);
    let [first, Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(first.to_text().unwrap(), "first".repeat(10_000));
    assert_eq!(u16::from(close.code), 1013);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_dropped_after_the_limit() {
    let (near, _far) = with_a_started_frame().await;
    let start = Instant::now();
    close(near, CancellationToken::new()).await;
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_waits_less() {
    let (near, _far) = with_a_started_frame().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let start = Instant::now();
    close(near, stop).await;
    assert_eq!(start.elapsed().as_secs(), STOP_GRACE.as_secs());
}

/// Fails, and does not hang, when the task spins: a spinning task lets no timer fire.
fn closes_after(prepare: fn(&Outbox)) -> Vec<Message> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let read = runtime.block_on(async {
            let (near, far) = duplex(1 << 20);
            let (reader, writer) = split(near);
            let outbox = Outbox::new(1000, Memory::unlimited());
            prepare(&outbox);
            let io = OutboxIo {
                reader,
                outbox: Arc::clone(&outbox),
            };
            let frames = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            let near = Server {
                frames,
                writer,
                outbox,
            };
            let reading = read_after(far, Duration::ZERO);
            tokio::join!(close(near, CancellationToken::new()), reading).1
        });
        sender.send(read).unwrap();
    });
    let read = receiver.recv_timeout(LIMIT);
    read.expect("the task spins")
}

#[test]
fn an_ended_subscription_does_not_block_the_close() {
    let read = closes_after(|outbox| {
        let operation = OperationKey::new("1", 1);
        outbox.end_subscription(&operation, "too wide", || false);
    });
    let [last, Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(last, &Message::text("too wide"));
    assert_eq!(u16::from(close.code), 1013);
}

#[test]
fn nor_does_one_whose_last_text_did_not_fit() {
    let read = closes_after(|outbox| {
        let operation = OperationKey::new("1", 1);
        outbox.end_subscription(&operation, &"too wide".repeat(1000), || false);
        assert!(outbox.is_full());
    });
    let [Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(u16::from(close.code), 1013);
}
