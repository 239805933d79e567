//! The computed size equals that of the message with every field selected.

use std::sync::Arc;

use clap::Parser as _;
use proptest::prelude::*;

use super::*;
use crate::config::Cli;
use crate::hub::selection::Selection;
use crate::hub::{Publication, Subscriber as _};
use crate::memory::Memory;
use crate::model::event::{EventInput, EventKind};
use crate::model::message::Message;
use crate::model::status::NodeStatus;
use crate::model::time::Timestamp;
use crate::realtime::outbox::Outbox;
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;
use crate::realtime::subscriber::SocketSubscriber;
use crate::resolvers::document::DocumentCache;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::{DocumentLimits, compile};

/// Every field of a message, selected once.
fn every_field() -> Selection {
    let text = "subscription { onMessageInGroup(groupId: \"g\", domain: \"d\") { __typename groupId domain \
        nodeStatus { __typename nodeId groupId domain data { __typename key value } timestamp } \
        batchEvent { __typename events { __typename name firedByNodeId groupId domain payload timestamp cursor orderKey } \
          firedByNodeId groupId domain timestamp } \
        groupDissolve { __typename groupId domain message } } }";
    let documents = DocumentCache::new(DocumentLimits::default());
    let document = documents.get(&GraphQlRequest::new(text.into(), None, None).unwrap());
    let document = document.unwrap();
    let variables = async_graphql::Variables::default();
    compile::subscription(document.parsed(), document.operation(), &variables).unwrap()
}

/// The bytes of the payload that a subscriber receives.
fn payload_bytes(message: &Message) -> usize {
    r#"{"data":}"#.len() + every_field().render(message).unwrap().len()
}

fn group() -> GroupKey {
    GroupKey::parse("g\"🐱", "d\\").unwrap()
}

fn node() -> NodeId {
    NodeId::parse("nodeId", "\"こ").unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_766_915_894_726)
}

fn strings() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\u{0}-\u{80}\"\\\\]{0,30}",
        Just(String::new())
    ]
}

proptest! {
    #[test]
    fn the_computed_size_of_a_report_is_that_of_its_message(data in prop::collection::vec((strings(), strings()), 0..6)) {
        let data: Vec<_> = data.into_iter().map(|(key, value)| SensorData { key, value }).collect();
        let bytes = report_bytes(&group(), &node(), &data, json_size::text);
        prop_assert!(bytes <= report_bytes(&group(), &node(), &data, max_size));
        let commas = usize::from(!data.is_empty());
        let status = NodeStatus { node: node(), group: group(), data: data.into(), timestamp: now() };
        prop_assert_eq!(bytes - commas, payload_bytes(&Message::Status(status)));
    }

    #[test]
    fn the_computed_size_of_events_is_that_of_their_message(
        events in prop::collection::vec((strings(), prop::option::of(strings()), prop::option::of(strings())), 0..5),
    ) {
        let event = |(name, payload, order_key)| EventInput {
            name,
            payload,
            fired_at: "2026-11-21T04:40:35+09:00".into(),
            order_key,
        };
        let events: Vec<_> = events.into_iter().map(event).collect();
        let commas = usize::from(!events.is_empty());
        let call = EventCall { token: None,  group: group(), node: node(), kind: EventKind::Fired, events: events.into() };
        let bytes = event_bytes(&call, json_size::text);
        prop_assert!(bytes <= event_bytes(&call, max_size));
        prop_assert_eq!(bytes - commas, payload_bytes(&Message::Events(call.batch(now()))));
    }
}

#[test]
fn a_report_is_rejected_one_byte_above_the_limit() {
    let report = |bytes: usize, text: &str| {
        let data = vec![SensorData {
            key: "k".into(),
            value: text.repeat(bytes),
        }];
        check_report(&group(), &node(), &data)
    };
    let empty = [SensorData {
        key: "k".into(),
        value: String::new(),
    }];
    let fits = MESSAGE_BYTES - report_bytes(&group(), &node(), &empty, json_size::text);
    assert_eq!(report(fits, "v"), Ok(()));
    let error = report(fits + 1, "v").unwrap_err();
    assert_eq!(error.kind(), "ValidationError");
    assert!(error.to_string().contains("data") && error.to_string().contains("245760"));
    report(fits / 6 + 1, "\u{1}").unwrap_err();
}

#[test]
fn the_smallest_outbox_accepts_any_valid_message() {
    const MIN_OUTBOX_BYTES: usize = 524_288;
    let is_valid = |bytes: usize| {
        let flag = format!("--max-outbox-bytes={bytes}");
        Cli::try_parse_from(["mesh-v2", &flag]).is_ok()
    };
    assert!(is_valid(MIN_OUTBOX_BYTES) && !is_valid(MIN_OUTBOX_BYTES - 1));

    // Small items have the most overhead: as many of them as one message may have.
    let small = GroupKey::parse("g", "d").unwrap();
    let node = NodeId::parse("nodeId", "n").unwrap();
    let report = |n: usize| {
        let one = SensorData {
            key: String::new(),
            value: String::new(),
        };
        vec![one; n]
    };
    let events = |n: usize| EventCall {
        token: None,
        events: vec![
            EventInput {
                name: String::new(),
                payload: None,
                fired_at: String::new(),
                order_key: None,
            };
            n
        ]
        .into(),
        group: small.clone(),
        node: node.clone(),
        kind: EventKind::Fired,
    };
    let max_count = |is_valid: &dyn Fn(usize) -> bool| {
        let all: Vec<usize> = (0..10_000).collect();
        all.partition_point(|n| is_valid(*n)) - 1
    };
    let variables = max_count(&|n| check_report(&small, &node, &report(n)).is_ok());
    let fired = max_count(&|n| check_events(&events(n)).is_ok());
    let status = Message::Status(NodeStatus {
        node: node.clone(),
        group: small.clone(),
        data: report(variables).into(),
        timestamp: now(),
    });
    let fired = Message::Events(events(fired).batch(now()));
    for message in [status, fired] {
        assert!(
            message.bytes() > 262_144,
            "the message has the maximum of items"
        );
        let memory = Memory::unlimited();
        let outbox = Outbox::new(MIN_OUTBOX_BYTES, memory.clone());
        let operation = OperationKey::new("1", 1);
        let socket = Arc::clone(&outbox);
        let subscriber = Arc::new(SocketSubscriber::new(
            socket,
            operation,
            Dialect::AppSync,
            None,
        ));
        subscriber.enqueue(&Arc::new(Publication::new(message, &memory)), 0);
        assert!(!outbox.is_full());
    }
}
