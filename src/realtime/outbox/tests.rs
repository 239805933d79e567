//! What waits for one socket, and what its peer reads.

use std::future::poll_fn;

use bytes::Bytes;
use futures_util::StreamExt as _;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::hub::selection::{Field, SelectedField, Selection};
use crate::hub::{Hub, LeasedSelection, Publication, Subscriber as _};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Dissolution;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::realtime::frame::CLOSE;
use crate::realtime::io::SharedTcp;
use crate::realtime::outbox::render_queue::ENTRY_BYTES;
use crate::realtime::protocol::Dialect;
use crate::realtime::subscriber::SocketSubscriber;

fn outbox(limit: usize) -> Arc<Outbox> {
    Outbox::new(limit, Memory::unlimited())
}

async fn write_once(outbox: &Outbox, to: &mut tokio::io::DuplexStream) {
    poll_fn(|cx| outbox.poll_write(cx, Pin::new(to)))
        .await
        .unwrap();
}

async fn write_all(outbox: &Outbox, to: &mut tokio::io::DuplexStream) {
    while !outbox.is_empty() {
        poll_fn(|cx| outbox.poll_write(cx, Pin::new(to)))
            .await
            .unwrap();
    }
}

#[test]
fn every_length_of_text_reads_back_as_it_was_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    proptest!(ProptestConfig::with_cases(crate::property::cases(40)), |(lengths in prop::collection::vec(
        prop_oneof![0usize..300, 65_400usize..65_700], 1..6))| {
        runtime.block_on(async {
            let outbox = outbox(1 << 20);
            let (mut near, far) = tokio::io::duplex(1 << 20);
            for n in &lengths { outbox.send(&"a".repeat(*n)); }
            outbox.close(Close::NORMAL);
            write_all(&outbox, &mut near).await;
            let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            for n in &lengths {
                let text = client.next().await.unwrap().unwrap();
                assert_eq!(text.to_text().unwrap().len(), *n);
            }
            match client.next().await.unwrap().unwrap() {
                Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1000),
                other => panic!("{other:?}"),
            }
        });
    });
}

#[tokio::test]
async fn a_full_outbox_wakes_its_task_while_the_peer_reads_nothing() {
    let outbox = outbox(100);
    outbox.send(&"a".repeat(90));
    let (mut near, _far) = tokio::io::duplex(1);
    write_once(&outbox, &mut near).await;
    let mut writing = Box::pin(poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near))));
    assert!(futures_util::poll!(&mut writing).is_pending());
    outbox.send(&"a".repeat(90));
    assert!(futures_util::poll!(&mut writing).is_ready());
    assert!(outbox.is_full());
}

#[tokio::test]
async fn an_overflow_drops_all_but_the_started_frame() {
    let outbox = outbox(30);
    for text in ["12345678", "abcdefgh", "ABCDEFGH"] {
        outbox.send(text);
    }
    assert!(!outbox.is_full());
    let (mut near, mut far) = tokio::io::duplex(4);
    write_once(&outbox, &mut near).await;
    outbox.send("123456789");
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    outbox.send("late");
    let read = async {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let write = async {
        write_all(&outbox, &mut near).await;
        drop(near);
    };
    let ((), bytes) = tokio::join!(write, read);
    assert_eq!(&bytes[..10], b"\x81\x0812345678");
    assert_eq!(bytes[10], CLOSE);
    assert!(bytes.ends_with(Close::TOO_SLOW.reason.as_bytes()));
}

/// Writes to a peer that reads everything, and returns how much was written in `tries`.
async fn written_in(tries: usize, outbox: &Outbox) -> usize {
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    for _ in 0..tries {
        if !outbox.is_empty() {
            write_once(outbox, &mut near).await;
        }
    }
    drop(near);
    let mut bytes = Vec::new();
    far.read_to_end(&mut bytes).await.unwrap()
}

#[tokio::test]
async fn after_the_close_ended_subscriptions_need_not_be_taken() {
    let outbox = outbox(1000);
    outbox.end_subscription(&OperationKey::new("1", 1), "it has ended", || false);
    assert_eq!(written_in(3, &outbox).await, 0, "first the task takes them");
    outbox.close(Close::NORMAL);
    assert!(written_in(3, &outbox).await > 12);
    assert!(outbox.is_empty());
}

#[tokio::test]
async fn a_last_text_that_does_not_fit_does_not_block_the_close() {
    let outbox = outbox(1000);
    outbox.end_subscription(&OperationKey::new("1", 1), &"x".repeat(1001), || false);
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    assert!(written_in(3, &outbox).await > Close::TOO_SLOW.reason.len());
    assert!(outbox.is_empty());
}

#[tokio::test]
async fn a_ping_goes_before_all_frames_that_are_not_started() {
    let outbox = outbox(1000);
    for text in ["12345678", "abcdefgh"] {
        outbox.send(text);
    }
    let (mut near, mut far) = tokio::io::duplex(4);
    write_once(&outbox, &mut near).await;
    outbox.ping();
    let write = async {
        write_all(&outbox, &mut near).await;
        drop(near);
    };
    let mut bytes = Vec::new();
    let ((), read) = tokio::join!(write, far.read_to_end(&mut bytes));
    read.unwrap();
    assert_eq!(bytes, b"\x81\x0812345678\x89\x00\x81\x08abcdefgh");
}

#[tokio::test]
async fn only_a_socket_that_accepts_more_after_it_stalled_shows_that_its_peer_reads() {
    let outbox = outbox(1000);
    let (mut near, mut far) = tokio::io::duplex(8);
    outbox.send("1234");
    write_once(&outbox, &mut near).await;
    assert!(!outbox.take_resumed(), "its buffers may have accepted that");
    outbox.send("1234");
    write_once(&outbox, &mut near).await;
    let mut writing = Box::pin(poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near))));
    assert!(futures_util::poll!(&mut writing).is_pending());
    assert!(!outbox.take_resumed());
    far.read_exact(&mut [0; 4]).await.unwrap();
    assert!(futures_util::poll!(&mut writing).is_ready());
    assert!(outbox.take_resumed());
    assert!(!outbox.take_resumed());
}

#[test]
fn an_empty_outbox_has_the_same_limit_as_any_other() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(300_000, memory.clone());
    let text = Bytes::from(vec![b'x'; 240_000]);
    outbox.deliver(
        &envelope(b""),
        &[text.clone(), text],
        &mut Vec::new(),
        || false,
    );
    assert!(outbox.is_full());
    assert!(outbox.is_empty(), "none of it was started");
    assert_eq!(memory.total(), 0);
}

#[tokio::test]
async fn queued_bytes_are_accounted_for_until_they_are_written() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(1 << 20, memory.clone());
    for _ in 0..10 {
        outbox.send(&"a".repeat(10_000));
    }
    let held = memory.leased(Purpose::Queues);
    assert!((100_000..150_000).contains(&held), "{held}");
    let (mut near, _far) = tokio::io::duplex(1 << 20);
    for _ in 0..5 {
        write_once(&outbox, &mut near).await;
    }
    assert!(memory.leased(Purpose::Queues) <= held / 2 + 2000);
    write_all(&outbox, &mut near).await;
    assert_eq!(memory.total(), 0);
}

#[test]
fn while_memory_is_low_a_slow_reader_gets_a_smaller_queue() {
    let memory = Memory::new(1_000_000);
    let _stored = memory.lease(Purpose::Stored, 950_000);
    let outbox = Outbox::new(1 << 20, memory);
    outbox.send(&"a".repeat(60_000));
    assert!(!outbox.is_full());
    outbox.send(&"a".repeat(60_000));
    assert!(outbox.is_full());
}

#[tokio::test]
async fn a_response_may_exceed_the_limit_and_a_close_goes_between_its_frames() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(100_000, memory.clone());
    outbox.respond(vec![b'x'; 5_000_000]);
    outbox.send("complete");
    assert!(outbox.has_response() && !outbox.is_full());
    assert_eq!(memory.leased(Purpose::Responses), 5_000_000);
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let read = async {
        let whole = client.next().await.unwrap().unwrap().into_data().len();
        (whole, client.next().await.unwrap().unwrap())
    };
    let ((), (whole, last)) = tokio::join!(write_all(&outbox, &mut near), read);
    assert_eq!((whole, last), (5_000_000, Message::text("complete")));
    assert!(!outbox.has_response());
    assert_eq!(memory.total(), 0);

    outbox.respond(vec![b'x'; 5_000_000]);
    write_once(&outbox, &mut near).await;
    outbox.send(&"a".repeat(100_000));
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    assert!(!outbox.has_response() || memory.leased(Purpose::Queues) < 2000);
    let write = write_all(&outbox, &mut near);
    let ((), last) = tokio::join!(write, client.next());
    assert!(
        matches!(&last, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1013),
        "{last:?}"
    );
    assert_eq!(memory.total(), 0);
}

/// An envelope of a suffix alone.
fn envelope(suffix: &[u8]) -> Envelope<'_> {
    Envelope {
        prefix: b"",
        offset: None,
        suffix,
    }
}

/// A subscription that renders by itself: `aliases` of the group's id.
fn unshared_subscriber(outbox: &Arc<Outbox>, aliases: usize) -> Arc<SocketSubscriber> {
    let memory = Memory::unlimited();
    let picks = (0..aliases).map(|i| SelectedField::leaf(&format!("a{i}"), Field::GroupId));
    let selection = Selection::new("onMessageInGroup", picks.collect());
    let lease = memory.lease(Purpose::Selections, selection.bytes());
    let selection = LeasedSelection::new(selection, lease);
    let operation = OperationKey::new("1", 1);
    Arc::new(SocketSubscriber::new(
        Arc::clone(outbox),
        operation,
        Dialect::AppSync,
        Some(selection),
    ))
}

fn publication() -> Arc<Publication> {
    let group = GroupKey::parse(&"g".repeat(256), "d").unwrap();
    let message = crate::model::message::Message::Dissolved(Dissolution::by_host(group));
    Arc::new(Publication::new(message, &Memory::unlimited()))
}

#[tokio::test]
async fn a_message_that_waits_for_many_subscriptions_of_a_socket_counts_once() {
    let outbox = outbox(10_000);
    let many: Vec<_> = (0..90).map(|_| unshared_subscriber(&outbox, 1)).collect();
    let message = publication();
    for subscriber in &many {
        Arc::clone(subscriber).enqueue(&message, 0);
    }
    let bytes = outbox.lock().unrendered.bytes();
    assert!(!outbox.is_full());
    assert_eq!(bytes, 90 * ENTRY_BYTES + message.bytes());
    let mut client = Vec::new();
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    while outbox.render_next() {
        assert!(!outbox.render_next(), "one after the other");
        write_all(&outbox, &mut near).await;
    }
    drop(near);
    far.read_to_end(&mut client).await.unwrap();
    let delivered = String::from_utf8_lossy(&client).matches("\"a0\"").count();
    assert_eq!((delivered, Arc::strong_count(&message)), (90, 1));
}

fn report(key: &str, bytes: usize) -> crate::model::message::Message {
    let (key, value) = (key.into(), "x".repeat(bytes));
    crate::model::message::Message::Status(NodeStatus {
        node: NodeId::parse("nodeId", "n").unwrap(),
        group: GroupKey::parse("g", "d").unwrap(),
        data: vec![SensorData { key, value }].into(),
        timestamp: Timestamp::from_millis(0),
    })
}

#[test]
fn a_burst_counts_once_however_many_subscriptions_of_a_socket_get_it() {
    let (hub, outbox) = (Hub::new(), outbox(200_000));
    let group = GroupKey::parse("g", "d").unwrap();
    let subscriptions: Vec<_> = (0..8)
        .map(|number| {
            let picks = (0..2).map(|i| SelectedField::leaf(&format!("a{i}"), Field::GroupId));
            let selection = Selection::new("onMessageInGroup", picks.collect());
            hub.subscribe(&group, selection, |selection| {
                let operation = OperationKey::new(&number.to_string(), number);
                let outbox = Arc::clone(&outbox);
                Arc::new(SocketSubscriber::new(
                    outbox,
                    operation,
                    Dialect::Transport,
                    selection,
                ))
            })
        })
        .collect();
    let burst = ["first", "second"].map(|key| report(key, 70_000));
    for message in &burst {
        hub.publish(message.clone());
    }
    hub.flush();
    assert!(!outbox.is_full());
    let state = outbox.lock();
    let held: usize = burst
        .iter()
        .map(crate::model::message::Message::bytes)
        .sum();
    assert_eq!(state.unrendered.bytes(), held + 16 * ENTRY_BYTES);
    for number in 0..8 {
        let operation = OperationKey::new(&number.to_string(), number);
        let delivered = state
            .unrendered
            .iter()
            .filter(|one| one.subscriber.is(&operation));
        let delivered: Vec<_> = delivered
            .map(|one| one.publication.message().clone())
            .collect();
        assert_eq!(delivered, burst, "in order");
    }
    drop(state);
    drop(subscriptions);
}

#[test]
fn unrendered_messages_count_towards_the_limit() {
    let outbox = outbox(10_000);
    let subscriber = unshared_subscriber(&outbox, 1);
    let mut messages = 0;
    while !outbox.is_full() {
        Arc::clone(&subscriber).enqueue(&publication(), 0);
        messages += 1;
    }
    assert!((5..50).contains(&messages), "{messages}");
    assert_eq!(outbox.lock().unrendered.iter().count(), 0);
}

#[test]
fn a_subscription_whose_selection_exceeds_the_limit_ends_alone() {
    let outbox = outbox(1 << 20);
    let (wide, narrow) = (
        unshared_subscriber(&outbox, 2000),
        unshared_subscriber(&outbox, 1),
    );
    let message = publication();
    for subscriber in [&wide, &narrow, &wide] {
        Arc::clone(subscriber).enqueue(&message, 0);
    }
    assert!(outbox.render_next());
    assert_eq!(outbox.take_ended(), [OperationKey::new("1", 1)]);
    let sent = String::from_utf8_lossy(outbox.lock().frames.next()).into_owned();
    assert!(
        sent.contains("LimitExceeded") && sent.contains("245760"),
        "{sent}"
    );
    let length = outbox.lock().frames.len();
    outbox.lock().frames.advance(length);
    assert!(outbox.render_next(), "the other subscription goes on");
    assert!(outbox.lock().frames.len() > 256);
    let length = outbox.lock().frames.len();
    outbox.lock().frames.advance(length);
    assert!(outbox.render_next());
    assert!(outbox.is_empty(), "its error was sent once");
}

#[tokio::test]
async fn what_the_socket_does_not_accept_at_once_follows_whole_and_in_order() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
    let near = Arc::new(near.unwrap().0);
    let outbox = Outbox::with_socket(1 << 30, Memory::unlimited(), Arc::clone(&near));
    let (mut scratch, mut sent) = (Vec::new(), 0);
    // Until the peer's buffers are full.
    while outbox.is_empty() {
        let texts = [sent, sent + 1].map(|n| Bytes::from(format!("{n:0>5000}")));
        outbox.deliver(&envelope(b"!"), &texts, &mut scratch, || false);
        sent += 2;
    }
    outbox.send("and this");
    let (last, unwanted) = (Bytes::from("last"), Bytes::from("unwanted"));
    outbox.deliver(&envelope(b""), &[last], &mut scratch, || false);
    outbox.deliver(&envelope(b""), &[unwanted], &mut scratch, || true);
    outbox.close(Close::NORMAL);
    let mut writer = SharedTcp(near);
    let write = async {
        while !outbox.is_empty() {
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut writer)));
            written.await.unwrap();
        }
    };
    let read = async {
        let far = far.unwrap();
        let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        let mut read = Vec::new();
        while let Some(Ok(Message::Text(text))) = client.next().await {
            read.push(text);
        }
        read
    };
    let ((), read) = tokio::join!(write, read);
    let numbers = (0..sent).map(|n| format!("{n:0>5000}!"));
    let texts: Vec<_> = numbers.chain(["and this".into(), "last".into()]).collect();
    assert_eq!(read.len(), texts.len());
    assert!(
        read.iter()
            .zip(&texts)
            .all(|(read, sent)| read.as_str() == sent)
    );
}
