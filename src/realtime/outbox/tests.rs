//! What waits for one socket.

use std::future::poll_fn;

use futures_util::StreamExt as _;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::hub::selection::{Field, Pick, Selection};
use crate::hub::{Hub, LeasedSelection, Subscriber};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Dissolution;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::realtime::frame::Dialect;
use crate::realtime::wire::Shared;

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
fn every_length_of_text_reads_back_as_it_was_said() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    proptest!(ProptestConfig::with_cases(crate::property::cases(40)), |(lengths in prop::collection::vec(
        prop_oneof![0usize..300, 65_400usize..65_700], 1..6))| {
        runtime.block_on(async {
            let outbox = outbox(1 << 20);
            let (mut near, far) = tokio::io::duplex(1 << 20);
            for n in &lengths { outbox.say(&"a".repeat(*n)); }
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
async fn a_full_box_is_noticed_while_the_peer_takes_nothing() {
    let outbox = outbox(100);
    outbox.say(&"a".repeat(90));
    let (mut near, _far) = tokio::io::duplex(1);
    write_once(&outbox, &mut near).await;
    let mut writing = Box::pin(poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near))));
    assert!(futures_util::poll!(&mut writing).is_pending());
    outbox.say(&"a".repeat(90));
    assert!(futures_util::poll!(&mut writing).is_ready());
    assert!(outbox.is_full());
}

#[tokio::test]
async fn what_does_not_fit_ends_the_queue_after_the_frame_that_was_begun() {
    let outbox = outbox(30);
    for text in ["12345678", "abcdefgh", "ABCDEFGH"] {
        outbox.say(text);
    }
    assert!(!outbox.is_full());
    let (mut near, mut far) = tokio::io::duplex(4);
    write_once(&outbox, &mut near).await;
    outbox.say("123456789");
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    outbox.say("late");
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

/// Writes to a peer that takes everything, and says how much was written in so many tries.
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
async fn after_the_close_nobody_has_to_take_note_of_ended_subscriptions() {
    let outbox = outbox(1000);
    outbox.end(&Operation::new("1", 1), "it has ended", || false);
    assert_eq!(written_in(3, &outbox).await, 0, "first the task takes note");
    outbox.close(Close::NORMAL);
    assert!(written_in(3, &outbox).await > 12);
    assert!(outbox.is_empty());
}

#[tokio::test]
async fn a_last_text_that_does_not_fit_does_not_keep_the_close_back() {
    let outbox = outbox(1000);
    outbox.end(&Operation::new("1", 1), &"x".repeat(1001), || false);
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    assert!(written_in(3, &outbox).await > Close::TOO_SLOW.reason.len());
    assert!(outbox.is_empty());
}

#[tokio::test]
async fn a_ping_goes_before_all_that_was_not_begun() {
    let outbox = outbox(1000);
    for text in ["12345678", "abcdefgh"] {
        outbox.say(text);
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
async fn only_a_peer_that_takes_more_after_it_stopped_is_known_to_read() {
    let outbox = outbox(1000);
    let (mut near, mut far) = tokio::io::duplex(8);
    outbox.say("1234");
    write_once(&outbox, &mut near).await;
    assert!(!outbox.take_taken(), "its system took that, perhaps");
    outbox.say("1234");
    write_once(&outbox, &mut near).await;
    let mut writing = Box::pin(poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut near))));
    assert!(futures_util::poll!(&mut writing).is_pending());
    assert!(!outbox.take_taken());
    far.read_exact(&mut [0; 4]).await.unwrap();
    assert!(futures_util::poll!(&mut writing).is_ready());
    assert!(outbox.take_taken());
    assert!(!outbox.take_taken());
}

#[test]
fn an_empty_box_holds_no_more_than_any_other() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(300_000, memory.clone());
    let text = Bytes::from(vec![b'x'; 240_000]);
    outbox.deliver((b"", b""), &[text.clone(), text], &mut Vec::new(), || false);
    assert!(outbox.is_full());
    assert!(outbox.is_empty(), "none of it was begun");
    assert_eq!(memory.total(), 0);
}

#[tokio::test]
async fn what_waits_is_counted_and_given_back_as_it_is_written() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(1 << 20, memory.clone());
    for _ in 0..10 {
        outbox.say(&"a".repeat(10_000));
    }
    let held = memory.held(Purpose::Queues);
    assert!((100_000..150_000).contains(&held), "{held}");
    let (mut near, _far) = tokio::io::duplex(1 << 20);
    for _ in 0..5 {
        write_once(&outbox, &mut near).await;
    }
    assert!(memory.held(Purpose::Queues) <= held / 2 + 2000);
    write_all(&outbox, &mut near).await;
    assert_eq!(memory.total(), 0);
}

#[test]
fn while_memory_is_short_a_slow_reader_is_given_little() {
    let memory = Memory::new(1_000_000);
    let _stored = memory.lease(Purpose::Stored, 950_000);
    let outbox = Outbox::new(1 << 20, memory);
    outbox.say(&"a".repeat(60_000));
    assert!(!outbox.is_full());
    outbox.say(&"a".repeat(60_000));
    assert!(outbox.is_full());
}

#[tokio::test]
async fn an_answer_beyond_the_bound_goes_in_and_a_close_comes_between_its_frames() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(100_000, memory.clone());
    outbox.answer(vec![b'x'; 5_000_000]);
    outbox.say("complete");
    assert!(outbox.has_answer() && !outbox.is_full());
    assert_eq!(memory.held(Purpose::Answers), 5_000_000);
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let read = async {
        let whole = client.next().await.unwrap().unwrap().into_data().len();
        (whole, client.next().await.unwrap().unwrap())
    };
    let ((), (whole, last)) = tokio::join!(write_all(&outbox, &mut near), read);
    assert_eq!((whole, last), (5_000_000, Message::text("complete")));
    assert!(!outbox.has_answer());
    assert_eq!(memory.total(), 0);

    outbox.answer(vec![b'x'; 5_000_000]);
    write_once(&outbox, &mut near).await;
    outbox.say(&"a".repeat(100_000));
    assert!(outbox.is_full());
    outbox.close(Close::TOO_SLOW);
    assert!(!outbox.has_answer() || memory.held(Purpose::Queues) < 2000);
    let write = write_all(&outbox, &mut near);
    let ((), last) = tokio::join!(write, client.next());
    assert!(
        matches!(&last, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1013),
        "{last:?}"
    );
    assert_eq!(memory.total(), 0);
}

/// A subscription that renders for itself: so many aliases of the group's id.
fn renders_itself(outbox: &Arc<Outbox>, aliases: usize) -> Arc<SocketSubscriber> {
    let memory = Memory::unlimited();
    let picks = (0..aliases).map(|i| Pick::leaf(&format!("a{i}"), Field::GroupId));
    let selection = Selection::new("onMessageInGroup", picks.collect());
    let lease = memory.lease(Purpose::Selections, selection.bytes());
    let own = LeasedSelection::new(selection, lease);
    let of = Operation::new("1", 1);
    Arc::new(SocketSubscriber::new(
        Arc::clone(outbox),
        of,
        Dialect::AppSync,
        Some(own),
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
    let many: Vec<_> = (0..90).map(|_| renders_itself(&outbox, 1)).collect();
    let message = publication();
    for subscriber in &many {
        Arc::clone(subscriber).enqueue(&message);
    }
    let bytes = outbox.lock().unrendered_bytes;
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
    let told = String::from_utf8_lossy(&client).matches("\"a0\"").count();
    assert_eq!((told, Arc::strong_count(&message)), (90, 1));
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
fn a_burst_counts_once_however_many_subscriptions_of_a_socket_hear_it() {
    let (hub, outbox) = (Hub::new(), outbox(200_000));
    let group = GroupKey::parse("g", "d").unwrap();
    let subscriptions: Vec<_> = (0..8)
        .map(|number| {
            let picks = (0..2).map(|i| Pick::leaf(&format!("a{i}"), Field::GroupId));
            let selection = Selection::new("onMessageInGroup", picks.collect());
            hub.listen(&group, selection, |own| {
                let of = Operation::new(&number.to_string(), number);
                let outbox = Arc::clone(&outbox);
                Arc::new(SocketSubscriber::new(outbox, of, Dialect::Transport, own))
            })
        })
        .collect();
    let burst = ["first", "second"].map(|key| report(key, 70_000));
    for message in &burst {
        hub.publish(message);
    }
    hub.pass();
    assert!(!outbox.is_full());
    let waiting = outbox.lock();
    let held: usize = burst
        .iter()
        .map(crate::model::message::Message::bytes)
        .sum();
    assert_eq!(waiting.unrendered_bytes, held + 16 * ENTRY_BYTES);
    for number in 0..8 {
        let of = Operation::new(&number.to_string(), number);
        let heard = waiting
            .unrendered
            .iter()
            .filter(|one| one.subscriber.is(&of));
        let heard: Vec<_> = heard.map(|one| one.publication.message().clone()).collect();
        assert_eq!(heard, burst, "in order");
    }
    drop(waiting);
    drop(subscriptions);
}

#[test]
fn unrendered_messages_are_bounded_as_others_are() {
    let outbox = outbox(10_000);
    let subscriber = renders_itself(&outbox, 1);
    let mut messages = 0;
    while !outbox.is_full() {
        Arc::clone(&subscriber).enqueue(&publication());
        messages += 1;
    }
    assert!((5..50).contains(&messages), "{messages}");
    assert_eq!(outbox.lock().unrendered.len(), 0);
}

#[test]
fn a_selection_that_exceeds_the_limit_is_ended_alone() {
    let outbox = outbox(1 << 20);
    let (wide, narrow) = (renders_itself(&outbox, 2000), renders_itself(&outbox, 1));
    let message = publication();
    for subscriber in [&wide, &narrow, &wide] {
        Arc::clone(subscriber).enqueue(&message);
    }
    assert!(outbox.render_next());
    assert_eq!(outbox.take_ended(), [Operation::new("1", 1)]);
    let said = String::from_utf8_lossy(outbox.lock().queue.next()).into_owned();
    assert!(
        said.contains("LimitExceeded") && said.contains("245760"),
        "{said}"
    );
    let length = outbox.lock().queue.len();
    outbox.lock().queue.advance(length);
    assert!(outbox.render_next(), "the other subscription hears on");
    assert!(outbox.lock().queue.len() > 256);
    let length = outbox.lock().queue.len();
    outbox.lock().queue.advance(length);
    assert!(outbox.render_next());
    assert!(outbox.is_empty(), "it was told once");
}

#[tokio::test]
async fn what_a_slow_peer_does_not_take_at_once_follows_whole_and_in_order() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
    let near = Arc::new(near.unwrap().0);
    let outbox = Outbox::direct(1 << 30, Memory::unlimited(), Arc::clone(&near));
    let (mut scratch, mut said) = (Vec::new(), 0);
    // On and on, until the peer's buffers are full.
    while outbox.is_empty() {
        let texts = [said, said + 1].map(|n| Bytes::from(format!("{n:0>5000}")));
        outbox.deliver((b"", b"!"), &texts, &mut scratch, || false);
        said += 2;
    }
    outbox.say("and this");
    let (last, unwanted) = (Bytes::from("last"), Bytes::from("unwanted"));
    outbox.deliver((b"", b""), &[last], &mut scratch, || false);
    outbox.deliver((b"", b""), &[unwanted], &mut scratch, || true);
    outbox.close(Close::NORMAL);
    let mut writer = Shared(near);
    let write = async {
        while !outbox.is_empty() {
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(&mut writer)));
            written.await.unwrap();
        }
    };
    let read = async {
        let far = far.unwrap();
        let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        let mut heard = Vec::new();
        while let Some(Ok(Message::Text(text))) = client.next().await {
            heard.push(text);
        }
        heard
    };
    let ((), heard) = tokio::join!(write, read);
    let numbers = (0..said).map(|n| format!("{n:0>5000}!"));
    let texts: Vec<_> = numbers.chain(["and this".into(), "last".into()]).collect();
    assert_eq!(heard.len(), texts.len());
    assert!(
        heard
            .iter()
            .zip(&texts)
            .all(|(heard, said)| heard.as_str() == said)
    );
}
