//! Any bytes on a socket: the connection writes correct frames and ends with at most one close.
//! The first line names the subprotocol and the form of the rest: `raw` bytes, or `frames` of
//! which each line has the first byte in hex and the text.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::auth::{ApiKeys, Authenticator, Credential};
use crate::fuzz::fixture::Fixture;
use crate::fuzz::{Fuzz, Outcome};
use crate::heartbeat::clock::Clock;
use crate::hub::HistoryLimits;
use crate::realtime::conformance::client::masked_frame;
use crate::realtime::protocol::Offer;
use crate::realtime::{ConnectionSlots, SocketLimits};
use crate::resolvers::DocumentLimits;
use crate::resolvers::run::Runner;

const KEY: &str = "da2-key";

/// A server's frame.
struct Frame<'a> {
    first: u8,
    payload: &'a [u8],
}

/// The server's whole frames.
fn parse(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        assert_eq!(
            (first & 0x70, length & 0x80),
            (0, 0),
            "reserved bits or a mask"
        );
        let (size, rest) = match length {
            126 => rest.split_at(2),
            127 => rest.split_at(8),
            _ => (std::slice::from_ref(length), rest),
        };
        let length = size
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (payload, rest) = rest.split_at(length);
        frames.push(Frame {
            first: *first,
            payload,
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame");
    frames
}

/// Checks what a client reads.
fn check(bytes: &[u8], outcome: &mut Outcome) {
    let (mut closed, mut text) = (false, None::<Vec<u8>>);
    for frame in parse(bytes) {
        assert!(!closed, "a frame after the close");
        match frame.first {
            0x88 => {
                closed = true;
                let (code, reason) = frame.payload.split_at(2);
                outcome.had(("close", code));
                assert!(std::str::from_utf8(reason).is_ok() && reason.len() <= 123);
            }
            0x89 | 0x8a => {
                outcome.had(frame.first);
                assert!(frame.payload.len() <= 125);
            }
            first @ (0x01 | 0x81 | 0x00 | 0x80) => {
                assert_eq!(first & 1 == 0, text.is_some(), "a text within a text");
                text.get_or_insert_default()
                    .extend_from_slice(frame.payload);
                if first & 0x80 != 0 {
                    let message = serde_json::from_slice(&text.take().unwrap()).expect("JSON");
                    answered(&message, outcome);
                }
            }
            first => panic!("a frame {first:x}"),
        }
    }
    assert_eq!(text, None, "a text without an end");
    if closed {
        outcome.passed("closed");
    }
}

fn answered(message: &Value, outcome: &mut Outcome) {
    let kind = message["type"].as_str().expect("a type");
    outcome.had(kind);
    outcome.answered(message);
    match kind {
        "start_ack" => outcome.passed("subscribed"),
        "data" | "next" => outcome.passed("data"),
        _ => outcome.passed("text"),
    }
}

/// The client's bytes.
fn bytes_of(form: &[u8], rest: &[u8]) -> Vec<u8> {
    if !form.ends_with(b"frames") {
        return rest.to_vec();
    }
    let mut bytes = Vec::new();
    for line in rest.split(|byte| *byte == b'\n') {
        let (first, text) = line.split_at(line.len().min(2));
        let first = std::str::from_utf8(first).ok();
        let first = first
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .unwrap_or(0x81);
        bytes.extend(masked_frame(first, text));
    }
    bytes
}

struct Target {
    fixture: Fixture,
    context: ConnectionContext,
}

impl Target {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        fixture.mesh.hub.run_dispatchers(&tasks, &stop);
        let limits = SocketLimits {
            operations: 4,
            ..SocketLimits::default()
        };
        let context = ConnectionContext {
            runner: Runner::new(Arc::clone(&fixture.mesh), DocumentLimits::default(), tasks),
            limits,
            stop,
            slots: ConnectionSlots::new(20),
        };
        Self { fixture, context }
    }

    async fn run(&mut self, input: &[u8]) -> Outcome {
        let mut outcome = Outcome::default();
        let end = input
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(input.len());
        let (form, rest) = (&input[..end], input.get(end + 1..).unwrap_or_default());
        let rest = self.fixture.line(rest).await.unwrap_or_default();
        let sent = bytes_of(form, &rest);
        let name = form.split(|byte| *byte == b' ').next().unwrap_or_default();
        let offer = Offer::parse(std::str::from_utf8(name).into_iter());
        let context = self.context.clone();
        let authenticator = Authenticator::new(ApiKeys::new([KEY]));
        let key = Some(Credential::key(KEY));
        let session = Session::new(offer, authenticator, Clock::fixed(), context.limits, key);
        let memory = self.fixture.mesh.memory.clone();
        let outbox = Outbox::new(context.limits.outbox_bytes, memory);
        let (near, far) = duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(near);
        let connection = Connection::new(context, Caller::default(), session, outbox);
        let (mut from_server, mut to_server) = tokio::io::split(far);
        let client = async {
            // The server may have closed before it has read everything.
            let _ = to_server.write_all(&sent).await;
            sleep(Duration::from_secs(5)).await;
            let _ = to_server.shutdown().await;
        };
        let mut received = Vec::new();
        let reading = from_server.read_to_end(&mut received);
        let ((), (), read) = tokio::join!(connection.serve(reader, writer), client, reading);
        read.expect("a pipe in memory");
        check(&received, &mut outcome);
        self.fixture.end().await;
        // A topic of which a client had positions is kept for a while.
        sleep(HistoryLimits::default().age * 2).await;
        self.fixture.begin().await;
        outcome
    }
}

#[test]
fn sockets() {
    let fuzz = Fuzz {
        target: "sockets",
        tokens: "sessions",
        kinds: &["text", "subscribed", "data", "closed"],
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut target = runtime.block_on(Target::new());
    fuzz.run(|input| runtime.block_on(target.run(input)));
}
