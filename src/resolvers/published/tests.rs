//! The measure is the message itself, with everything selected of it.

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
use crate::resolvers::document::{Documents, GraphQlRequest};
use crate::resolvers::{DocumentLimits, compile};

/// All that can be selected of a message, once.
fn everything() -> Selection {
    let text = "subscription { onMessageInGroup(groupId: \"g\", domain: \"d\") { __typename groupId domain \
        nodeStatus { __typename nodeId groupId domain data { __typename key value } timestamp } \
        batchEvent { __typename events { __typename name firedByNodeId groupId domain payload timestamp cursor orderKey } \
          firedByNodeId groupId domain timestamp } \
        groupDissolve { __typename groupId domain message } } }";
    let documents = Documents::new(DocumentLimits::default());
    let document = documents.get(&GraphQlRequest::new(text.into(), None, None).unwrap());
    let document = document.unwrap();
    let variables = async_graphql::Variables::default();
    compile::operation(document.parsed(), document.operation(), &variables).unwrap()
}

/// A payload as a subscriber gets it.
fn length(message: &Message) -> usize {
    r#"{"data":}"#.len() + everything().render(message).unwrap().len()
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

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\u{0}-\u{80}\"\\\\]{0,30}",
        Just(String::new())
    ]
}

proptest! {
    #[test]
    fn a_report_is_measured_as_it_is_told(data in prop::collection::vec((texts(), texts()), 0..6)) {
        let data: Vec<_> = data.into_iter().map(|(key, value)| SensorData { key, value }).collect();
        let measured = report_bytes(&group(), &node(), &data, json_size::text);
        prop_assert!(measured <= report_bytes(&group(), &node(), &data, widest));
        let commas = usize::from(!data.is_empty());
        let status = NodeStatus { node: node(), group: group(), data: data.into(), timestamp: now() };
        prop_assert_eq!(measured - commas, length(&Message::Status(status)));
    }

    #[test]
    fn events_are_measured_as_they_are_told(
        events in prop::collection::vec((texts(), prop::option::of(texts()), prop::option::of(texts())), 0..5),
    ) {
        let event = |(name, payload, order_key)| EventInput {
            name,
            payload,
            fired_at: "2026-11-21T04:40:35+09:00".into(),
            order_key,
        };
        let events: Vec<_> = events.into_iter().map(event).collect();
        let commas = usize::from(!events.is_empty());
        let call = EventCall { group: group(), node: node(), kind: EventKind::Fired, events: events.into() };
        let measured = event_bytes(&call, json_size::text);
        prop_assert!(measured <= event_bytes(&call, widest));
        prop_assert_eq!(measured - commas, length(&Message::Events(call.batch(now()))));
    }
}

#[test]
fn a_report_is_refused_from_the_first_byte_that_is_too_much() {
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
    let refused = report(fits + 1, "v").unwrap_err();
    assert_eq!(refused.kind(), "ValidationError");
    assert!(refused.to_string().contains("data") && refused.to_string().contains("245760"));
    report(fits / 6 + 1, "\u{1}").unwrap_err();
}

#[test]
fn the_least_that_may_wait_for_a_socket_takes_any_legal_message() {
    const LEAST: usize = 524_288;
    let may_be = |bytes: usize| {
        let flag = format!("--max-outbox-bytes={bytes}");
        Cli::try_parse_from(["mesh-v2", &flag]).is_ok()
    };
    assert!(may_be(LEAST) && !may_be(LEAST - 1));

    // What is smallest counts for most: as many of them as one message may have.
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
    let most = |legal: &dyn Fn(usize) -> bool| {
        let all: Vec<usize> = (0..10_000).collect();
        all.partition_point(|n| legal(*n)) - 1
    };
    let variables = most(&|n| check_report(&small, &node, &report(n)).is_ok());
    let fired = most(&|n| check_events(&events(n)).is_ok());
    let status = Message::Status(NodeStatus {
        node: node.clone(),
        group: small.clone(),
        data: report(variables).into(),
        timestamp: now(),
    });
    let fired = Message::Events(events(fired).batch(now()));
    for message in [status, fired] {
        assert!(message.bytes() > 262_144, "it has as many as may be");
        let memory = Memory::unlimited();
        let outbox = Outbox::new(LEAST, memory.clone());
        let operation = OperationKey::new("1", 1);
        let socket = Arc::clone(&outbox);
        let subscriber = Arc::new(SocketSubscriber::new(
            socket,
            operation,
            Dialect::AppSync,
            None,
        ));
        subscriber.enqueue(&Arc::new(Publication::new(message, &memory)));
        assert!(!outbox.is_full());
    }
}
