//! What a socket does over minutes, on a clock that tests move.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_util::task::TaskTracker;

use super::*;
use crate::auth::ApiKeys;
use crate::mesh::Mesh;
use crate::realtime::frame::{Offer, Subprotocol};
use crate::resolvers::DocumentLimits;

const KEY: &str = "da2-key";
const ANSWER_BYTES: usize = 4_000_000;

/// Serves a peer that has sent its `connection_init`, with a large answer to write.
async fn serves(near: DuplexStream, protocol: Subprotocol) {
    let limits = SocketLimits::default();
    let (mesh, tasks) = (Mesh::in_memory(), TaskTracker::new());
    let service = Service {
        runner: Runner::new(mesh, DocumentLimits::default(), tasks),
        limits,
        stop: CancellationToken::new(),
        places: ConnectionSlots::new(20),
    };
    let offer = Offer::Known(protocol);
    let mut session = Session::new(offer, ApiKeys::new([KEY]), limits, Some(KEY.into()));
    session.hear(r#"{"type":"connection_init"}"#);
    let memory = service.runner.mesh().memory.clone();
    let outbox = Outbox::new(limits.outbox_bytes, memory);
    outbox.answer(vec![b'x'; ANSWER_BYTES]);
    let (reader, writer) = tokio::io::split(near);
    converse(reader, writer, outbox, session, service, Caller::default()).await;
}

/// Reads `bytes` each second, to the end; tells all that came and how long it took.
async fn reads_slowly(mut far: DuplexStream, bytes: usize) -> (Vec<u8>, Duration) {
    let (start, mut all, mut some) = (Instant::now(), Vec::new(), vec![0; bytes]);
    loop {
        sleep(Duration::from_secs(1)).await;
        match far.read(&mut some).await.unwrap() {
            0 => return (all, start.elapsed()),
            read => all.extend_from_slice(&some[..read]),
        }
    }
}

async fn messages(bytes: &[u8]) -> Vec<Message> {
    let (mut near, far) = duplex(bytes.len());
    near.write_all(bytes).await.unwrap();
    // It still takes the pongs.
    near.shutdown().await.unwrap();
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let mut read = Vec::new();
    while let Some(Ok(message)) = client.next().await {
        read.push(message);
    }
    read
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_gets_its_answer_whole_and_is_given_up_only_when_silent() {
    for protocol in [Subprotocol::GraphqlWs, Subprotocol::GraphqlTransportWs] {
        let (near, far) = duplex(64 * 1024);
        // Over six minutes, twice as long as a silent peer is kept.
        let reading = reads_slowly(far, 10_000);
        let ((), (bytes, took)) = tokio::join!(serves(near, protocol), reading);
        let limit = SocketLimits::default().peer_timeout;
        assert!(took > 2 * limit, "{took:?}");
        let read = messages(&bytes).await;
        let answer = read.iter().find(|message| message.is_text());
        assert_eq!(answer.unwrap().len(), ANSWER_BYTES);
        let [.., Message::Close(Some(close))] = &read[..] else {
            panic!("no close");
        };
        assert_eq!(u16::from(close.code), 1001, "it never sent a pong");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_in_the_middle_of_an_answer_is_given_up_in_time() {
    let (near, _far) = duplex(64 * 1024);
    let start = Instant::now();
    serves(near, Subprotocol::GraphqlTransportWs).await;
    assert!(start.elapsed() <= SocketLimits::default().peer_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_ping_goes_between_the_frames_of_an_answer() {
    let (near, far) = duplex(64 * 1024);
    let serving = serves(near, Subprotocol::GraphqlTransportWs);
    let ((), (bytes, _)) = tokio::join!(serving, reads_slowly(far, 10_000));
    let first = bytes.windows(2).position(|two| two == b"\x89\x00");
    assert!(first.unwrap() < ANSWER_BYTES / 4, "{first:?}");
    assert_eq!(messages(&bytes).await[0], Message::Ping(Vec::new().into()));
}
