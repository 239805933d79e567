//! Firing and recording events.

use serde_json::{Value, json};

use crate::groups::{has_milliseconds, millis};
use crate::support::clients::event;
use crate::support::json::{all, list, text};
use crate::support::{Setup, TestMesh};

#[apply(case!)]
async fn firing_answers_the_whole_batch() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let events = json!([
        event("go", json!({"payload": "fast", "orderKey": "2"})),
        event(
            "stop",
            json!({"payload": "", "orderKey": "", "firedAt": "2026-02-07T10:02:03+09:00"})
        ),
        event("rest", json!({"payload": null})),
    ]);
    let message = kitten
        .calls("fireEventsByNode", json!({"events": events}))
        .await
        .value();
    let stored = |name: &str, payload: Value, fired_at: &str, order_key: Value| {
        json!({
            "name": name, "firedByNodeId": kitten.id, "groupId": group.id,
            "domain": group.domain, "payload": payload, "timestamp": fired_at,
            "cursor": null, "orderKey": order_key, "__typename": "Event",
        })
    };
    let timestamp = text(&message["batchEvent"]["timestamp"]);
    let expected = json!({
        "groupId": group.id,
        "domain": group.domain,
        "nodeStatus": null,
        "batchEvent": {
            "events": [
                stored("go", json!("fast"), "2026-02-07T01:02:03.456Z", json!("2")),
                stored("stop", Value::Null, "2026-02-07T10:02:03+09:00", Value::Null),
                stored("rest", Value::Null, "2026-02-07T01:02:03.456Z", Value::Null),
            ],
            "firedByNodeId": kitten.id, "groupId": group.id, "domain": group.domain,
            "timestamp": timestamp, "__typename": "BatchEvent",
        },
        "groupDissolve": null,
        "__typename": "MeshMessage",
    });
    assert_eq!(message, expected);
    assert!(has_milliseconds(&timestamp), "{timestamp}");
}

#[apply(case!)]
async fn a_node_that_has_not_joined_may_fire_and_record() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    group.node("stranger").fires(["a"]).await;
    group.hosting_node().records(["b"]).await;
    assert_eq!(all("name", &group.events_since("").await), ["a", "b"]);
}

#[apply(case!)]
async fn recording_answers_the_count_and_leaves_the_callers_cursor() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    let events = json!([event("a", json!({})), event("b", json!({}))]);
    let recorded = kitten
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let expected = json!({
        "groupId": group.id, "domain": group.domain, "recordedCount": 2,
        "nextSince": "", "__typename": "RecordEventsPayload",
    });
    assert_eq!(recorded, expected, "d16");
}

#[apply(case!)]
async fn a_polled_event_has_the_servers_time_and_its_payload_as_sent() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    let events = json!([
        event("a", json!({"payload": "", "orderKey": "1"})),
        event("b", json!({"payload": "x", "orderKey": "2"})),
        event("c", json!({"orderKey": "3"})),
    ]);
    kitten
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let read = group.events_since("").await;
    let payloads: Vec<_> = read.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(
        payloads,
        [json!(""), json!("x"), Value::Null],
        "an empty payload stays empty"
    );
    let first = &read[0];
    let expected = json!({
        "name": "a", "firedByNodeId": kitten.id, "groupId": group.id, "domain": group.domain,
        "payload": "", "timestamp": first["timestamp"], "cursor": first["cursor"],
        "orderKey": "1", "__typename": "Event",
    });
    assert_eq!(*first, expected);
    assert!(has_milliseconds(&text(&first["timestamp"])));
    let age = millis(&group.record["expiresAt"]) - 300_000 - millis(&first["timestamp"]);
    assert!(
        (-10_000..=0).contains(&age),
        "the server's time, not firedAt: {first}"
    );
}

#[apply(case!)]
async fn d16_where_next_since_is_a_cursor_recording_nothing_answers_one() {
    let cursor = |setup: &mut Setup| setup.next_since = mesh_v2::mesh::NextSince::Cursor;
    let mesh = TestMesh::own(cursor).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let recorded = group
        .node("kitten")
        .calls("recordEventsByNode", json!({"events": []}))
        .await;
    assert_eq!(recorded.value()["recordedCount"], 0);
    let since = text(&recorded.value()["nextSince"]);
    assert!(since.starts_with("EVENT#20"), "{since}");
    group.node("bird").records(["later"]).await;
    assert_eq!(all("name", &group.events_since(&since).await), ["later"]);
}

#[apply(case!)]
async fn the_events_of_a_call_and_the_bytes_of_a_log_are_limited() {
    let small = |setup: &mut Setup| {
        setup.limits.events_per_call = 2;
        setup.limits.event_bytes_per_group = 1024;
    };
    let mesh = TestMesh::own(small).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.node("kitten");
    for field in ["fireEventsByNode", "recordEventsByNode"] {
        let events = json!({"events": (["a", "b", "c"].map(|name| event(name, json!({}))))});
        let refused = kitten.calls(field, events).await;
        refused.is_refused("ValidationError", "events must have 2 items or fewer");
        let long = event("a", json!({"payload": "x".repeat(2000)}));
        let refused = kitten.calls(field, json!({"events": [long]})).await;
        refused.is_refused(
            "LimitExceeded",
            "the group's event log is full: at most 1024",
        );
    }
    kitten.records(["a"]).await;
    assert_eq!(list(&json!(group.events_since("").await)).len(), 1);
}
