//! A connection over minutes, on a paused clock.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::auth::{ApiKeys, Authenticator, Credential};
use crate::heartbeat::clock::Clock;
use crate::mesh::Mesh;
use crate::realtime::protocol::{Offer, Subprotocol};
use crate::realtime::{ConnectionSlots, SocketLimits};
use crate::resolvers::DocumentLimits;
use crate::resolvers::run::Runner;

const KEY: &str = "da2-key";
const RESPONSE_BYTES: usize = 4_000_000;

/// Serves a peer that has sent its `connection_init`, with a large response to write.
async fn serve(near: DuplexStream, protocol: Subprotocol) {
    let limits = SocketLimits::default();
    let (mesh, tasks) = (Mesh::in_memory(), TaskTracker::new());
    let context = ConnectionContext {
        runner: Runner::new(mesh, DocumentLimits::default(), tasks),
        limits,
        stop: CancellationToken::new(),
        slots: ConnectionSlots::new(20),
    };
    let offer = Offer::Known(protocol);
    let authenticator = Authenticator::new(ApiKeys::new([KEY]));
    let key = Some(Credential::key(KEY));
    let mut session = Session::new(offer, authenticator, Clock::fixed(), limits, key);
    session.on_message(r#"{"type":"connection_init"}"#);
    let memory = context.runner.mesh().memory.clone();
    let outbox = Outbox::new(limits.outbox_bytes, memory);
    outbox.respond(vec![b'x'; RESPONSE_BYTES]);
    let (reader, writer) = tokio::io::split(near);
    let connection = Connection::new(context, Caller::default(), session, outbox);
    connection.serve(reader, writer).await;
}

/// Reads `bytes` each second, to the end; returns all bytes and how long it took.
async fn read_slowly(mut far: DuplexStream, bytes: usize) -> (Vec<u8>, Duration) {
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
    // The client can still send its pongs.
    near.shutdown().await.unwrap();
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let mut read = Vec::new();
    while let Some(Ok(message)) = client.next().await {
        read.push(message);
    }
    read
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_its_whole_response_and_times_out_only_when_silent() {
    for protocol in [Subprotocol::GraphqlWs, Subprotocol::GraphqlTransportWs] {
        let (near, far) = duplex(64 * 1024);
        // Over six minutes, twice the timeout of a silent peer.
        let reading = read_slowly(far, 10_000);
        let ((), (bytes, took)) = tokio::join!(serve(near, protocol), reading);
        let limit = SocketLimits::default().peer_timeout;
        assert!(took > 2 * limit, "{took:?}");
        let read = messages(&bytes).await;
        let response = read.iter().find(|message| message.is_text());
        assert_eq!(response.unwrap().len(), RESPONSE_BYTES);
        let [.., Message::Close(Some(close))] = &read[..] else {
            panic!("no close");
        };
        assert_eq!(u16::from(close.code), 1001, "it never sent a pong");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_during_a_response_times_out() {
    let (near, _far) = duplex(64 * 1024);
    let start = Instant::now();
    serve(near, Subprotocol::GraphqlTransportWs).await;
    assert!(start.elapsed() <= SocketLimits::default().peer_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_ping_goes_between_the_frames_of_a_response() {
    let (near, far) = duplex(64 * 1024);
    let serving = serve(near, Subprotocol::GraphqlTransportWs);
    let ((), (bytes, _)) = tokio::join!(serving, read_slowly(far, 10_000));
    let first = bytes.windows(2).position(|two| two == b"\x89\x00");
    assert!(first.unwrap() < RESPONSE_BYTES / 4, "{first:?}");
    assert_eq!(messages(&bytes).await[0], Message::Ping(Vec::new().into()));
}
