//! What a slow peer still reads, on a clock that tests move.

use std::sync::Arc;

use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::memory::Memory;
use crate::realtime::session::Operation;

const LIMIT: Duration = Duration::from_mins(1);

struct Near {
    frames: WebSocketStream<Line<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    outbox: Arc<Outbox>,
}

/// A socket whose peer takes little, with one frame begun and another behind it.
async fn with_a_begun_frame() -> (Near, DuplexStream) {
    let (near, far) = duplex(100);
    let (reader, mut writer) = split(near);
    let outbox = Outbox::new(120_000, Memory::unlimited());
    for text in ["first", "second"] {
        outbox.say(&text.repeat(10_000));
    }
    poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut writer)))
        .await
        .unwrap();
    outbox.say(&"third".repeat(10_000));
    assert!(outbox.is_full());
    let line = Line {
        reader,
        outbox: Arc::clone(&outbox),
    };
    let frames = WebSocketStream::from_raw_socket(line, Role::Server, None).await;
    let near = Near {
        frames,
        writer,
        outbox,
    };
    (near, far)
}

async fn ends(mut near: Near, stop: CancellationToken) {
    let (frames, writer) = (&mut near.frames, &mut near.writer);
    let ending = Close::TOO_SLOW.into();
    end(ending, frames, writer, &near.outbox, LIMIT, &stop).await;
}

async fn reads_after(far: DuplexStream, pause: Duration) -> Vec<Message> {
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
    let (near, far) = with_a_begun_frame().await;
    let reading = reads_after(far, Duration::from_secs(30));
    let ((), read) = tokio::join!(ends(near, CancellationToken::new()), reading);
    let [first, Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(first.to_text().unwrap(), "first".repeat(10_000));
    assert_eq!(u16::from(close.code), 1013);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_comes_is_dropped_after_the_bound() {
    let (near, _far) = with_a_begun_frame().await;
    let start = Instant::now();
    ends(near, CancellationToken::new()).await;
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_less() {
    let (near, _far) = with_a_begun_frame().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let start = Instant::now();
    ends(near, stop).await;
    assert_eq!(start.elapsed().as_secs(), STOPPING.as_secs());
}

/// Fails, and does not hang, when the task spins: no timer fires beside one that does.
fn ends_at_last(ended: fn(&Outbox)) -> Vec<Message> {
    let (told, tells) = std::sync::mpsc::channel();
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
            ended(&outbox);
            let line = Line {
                reader,
                outbox: Arc::clone(&outbox),
            };
            let frames = WebSocketStream::from_raw_socket(line, Role::Server, None).await;
            let near = Near {
                frames,
                writer,
                outbox,
            };
            let reading = reads_after(far, Duration::ZERO);
            tokio::join!(ends(near, CancellationToken::new()), reading).1
        });
        told.send(read).unwrap();
    });
    let read = tells.recv_timeout(LIMIT);
    read.expect("the task spins")
}

#[test]
fn a_subscription_that_ended_unnoticed_does_not_keep_the_close_back() {
    let read = ends_at_last(|outbox| {
        let of = Operation::new("1", 1);
        outbox.end(&of, "too wide", || false);
    });
    let [last, Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(last, &Message::text("too wide"));
    assert_eq!(u16::from(close.code), 1013);
}

#[test]
fn nor_does_one_whose_last_text_did_not_fit() {
    let read = ends_at_last(|outbox| {
        let of = Operation::new("1", 1);
        outbox.end(&of, &"too wide".repeat(1000), || false);
        assert!(outbox.is_full());
    });
    let [Message::Close(Some(close))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(u16::from(close.code), 1013);
}
