//! The queue of messages, its bounds, and what the API is sent.

use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use tokio::net::TcpListener;

use super::*;
use crate::heartbeat::clock::Clock;
use crate::lambda::appsync::Settings;
use crate::model::event::{EventCall, EventInput};
use crate::model::group::{EndReason, GroupKey};
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

fn group(id: &str) -> GroupKey {
    GroupKey::parse(id, "d").unwrap()
}

fn events(id: &str, kind: EventKind) -> Message {
    let event = EventInput {
        name: "go".into(),
        payload: Some("\"#".into()),
        fired_at: "2026-02-07T01:02:03.456Z".into(),
        order_key: None,
    };
    let call = EventCall {
        group: group(id),
        node: NodeId::parse("nodeId", "n").unwrap(),
        token: None,
        kind,
        events: Arc::new(vec![event]),
    };
    Message::Events(call.batch(Timestamp::from_millis(0)))
}

#[test]
fn only_what_no_clients_mutation_returns_is_pushed() {
    let by_end = Dissolution::by_end(group("g"), EndReason::HostSilent);
    let by_host = Dissolution::by_host(group("g"));
    assert!(is_pushed(&Message::Dissolved(by_end)));
    assert!(!is_pushed(&Message::Dissolved(by_host)));
    assert!(is_pushed(&events("g", EventKind::Recorded)));
    assert!(!is_pushed(&events("g", EventKind::Fired)));
}

#[test]
fn messages_of_one_group_are_sent_one_after_the_other() {
    let ids = ["a", "b", "a", "c", "a", "a"];
    let mut queue: VecDeque<_> = ids.map(|id| events(id, EventKind::Recorded)).into();
    let mut batches = Vec::new();
    while !queue.is_empty() {
        let batch = next_batch(&mut queue);
        let ids: Vec<_> = batch.iter().map(|it| it.group().id.to_string()).collect();
        batches.push(ids.concat());
    }
    assert_eq!(batches, ["ab", "ac", "a", "a"]);
    let many = (0..20).map(|id| events(&id.to_string(), EventKind::Recorded));
    assert_eq!(next_batch(&mut many.collect()).len(), CONCURRENCY);
}

#[test]
fn a_recorded_batch_has_what_its_subscribers_select() {
    assert_eq!(
        input(&events("g", EventKind::Recorded)),
        json!({"groupId": "g", "domain": "d", "batchEvent": {
            "events": [{
                "name": "go", "firedByNodeId": "n", "groupId": "g", "domain": "d",
                "payload": "\"#", "timestamp": "2026-02-07T01:02:03.456Z", "orderKey": null,
            }],
            "firedByNodeId": "n", "groupId": "g", "domain": "d",
            "timestamp": "1970-01-01T00:00:00.000Z",
        }})
    );
}

/// Pushes to an API that accepts connections and does not answer.
async fn pushing_to_silence(message_timeout: Duration) -> (Push, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings {
        url: format!("http://{}/graphql", silent.local_addr().unwrap()),
        attempts: 1,
        attempt_timeout: message_timeout,
        message_timeout,
    };
    let credentials = Credentials::new("local", "local", None, None, "test");
    let aws = SdkConfig::builder()
        .region(Region::from_static("ap-northeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let api = AppSync::new(settings, &aws, Clock::fixed()).unwrap();
    (Push::new(api), silent)
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_and_counts_what_it_gives_up() {
    // The timeout of a message, the deadline, when the flush ends, and what it gives up of a
    // group's ten messages, which are sent one after the other.
    for (message, deadline, ends, given_up) in [(4, 25, 12, 7), (8, 25, 15, 9), (8, 5, 5, 10)] {
        let (push, _silent) = pushing_to_silence(Duration::from_secs(message)).await;
        for _ in 0..10 {
            push.publish(events("g", EventKind::Recorded));
        }
        let started = Instant::now();
        let count = push.flush(in_seconds(deadline)).await;
        assert_eq!(started.elapsed().as_secs(), ends);
        // At the twelfth second one message ends as the flush does.
        assert!(count.abs_diff(given_up) <= 1, "{count}, not {given_up}");
        assert_eq!(push.lock().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_several_groups_in_flight_are_counted() {
    let (push, _silent) = pushing_to_silence(Duration::from_secs(8)).await;
    for id in 0..CONCURRENCY + 3 {
        push.publish(events(&id.to_string(), EventKind::Recorded));
    }
    assert_eq!(push.flush(in_seconds(5)).await, CONCURRENCY + 3);
    assert_eq!(push.flush(in_seconds(5)).await, 0);
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let (push, _silent) = pushing_to_silence(Duration::from_secs(1)).await;
    for _ in 0..QUEUE + 10 {
        push.publish(events("g", EventKind::Recorded));
    }
    assert_eq!(push.lock().len(), QUEUE);
}

#[tokio::test]
async fn what_the_reaper_publishes_is_sent_while_it_runs() {
    let (push, api) = pushing_to_silence(Duration::from_millis(100)).await;
    let end = Dissolution::by_end(group("g"), EndReason::HostSilent);
    push.publish(Message::Dissolved(end));
    // It runs until the message arrives.
    let reaping = async { api.accept().await.is_ok() };
    let reaped = push.flush_during(reaping, in_seconds(25));
    let reaped = tokio::time::timeout(Duration::from_secs(20), reaped).await;
    assert_eq!(reaped, Ok(true));
}
