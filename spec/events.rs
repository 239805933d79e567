//! Firing and recording events.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::groups::{has_milliseconds, millis};
use crate::support::people::{all, event, list, text};
use crate::support::{Setup, TestMesh};

#[tokio::test]
async fn firing_answers_the_whole_batch() {
    let mesh = TestMesh::start().await;
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
    let told = |name: &str, payload: Value, fired_at: &str, order_key: Value| {
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
                told("go", json!("fast"), "2026-02-07T01:02:03.456Z", json!("2")),
                told("stop", Value::Null, "2026-02-07T10:02:03+09:00", Value::Null),
                told("rest", Value::Null, "2026-02-07T01:02:03.456Z", Value::Null),
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

#[tokio::test]
async fn whoever_is_in_the_room_may_fire_and_record() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    group.node("stranger").fires(["a"]).await;
    group.hosting_node().records(["b"]).await;
    assert_eq!(all("name", &group.events_since("").await), ["a", "b"]);
}

#[tokio::test]
async fn recording_answers_how_many_and_from_where_to_read_on() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    let events = json!([event("a", json!({})), event("b", json!({}))]);
    let recorded = kitten
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let expected = json!({
        "groupId": group.id, "domain": group.domain, "recordedCount": 2,
        "nextSince": recorded["nextSince"], "__typename": "RecordEventsPayload",
    });
    assert_eq!(recorded, expected);
    let read = group.events_since("").await;
    assert_eq!(
        recorded["nextSince"], read[1]["cursor"],
        "d16: the call's last event in the log"
    );
    assert!(
        group
            .events_since(&text(&recorded["nextSince"]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_polled_event_has_the_servers_time_and_its_payload_as_sent() {
    let mesh = TestMesh::start().await;
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

#[tokio::test]
async fn d12_a_cursor_sorts_against_the_clients_clock() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    group.hosting_node().records(["a"]).await;
    let read = group.events_since("").await;
    let (cursor, time) = (text(&read[0]["cursor"]), text(&read[0]["timestamp"]));
    assert!(cursor.starts_with(&format!("EVENT#{time}#")), "{cursor}");
    for since in [
        time.clone(),
        format!("EVENT#{time}"),
        "2020-01-01T00:00:00.000Z".into(),
    ] {
        assert_eq!(group.events_since(&since).await.len(), 1, "{since}");
    }
}

#[tokio::test]
async fn d12_within_a_call_order_keys_decide_and_then_the_position() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.node("kitten");
    let keyed = |name: &str, key: &str| event(name, json!({"orderKey": key}));
    let events = json!([
        keyed("third", "20260207010203-0000003"),
        keyed("first", "20260207010203-0000001"),
        keyed("second", "20260207010203-0000002"),
        keyed("second again", "20260207010203-0000002"),
        event("without", json!({})),
    ]);
    let recorded = kitten
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let read = group.events_since("").await;
    let expected = ["without", "first", "second", "second again", "third"];
    assert_eq!(
        all("name", &read),
        expected,
        "d15: equal keys in one call stay two events"
    );
    assert_eq!(
        recorded["nextSince"], read[4]["cursor"],
        "d16: last in log order, not in the call"
    );
}

#[tokio::test]
async fn d12_events_of_different_calls_stand_in_the_order_of_arrival() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let names: Vec<_> = (0..12).map(|i| format!("{i:02}")).collect();
    for (i, name) in names.iter().enumerate() {
        // Whoever came first has the greater key: across calls only arrival counts.
        let key = format!("{}", 99 - i);
        let events = json!([event(name, json!({"orderKey": key}))]);
        let node = group.node(["kitten", "bird"][i % 2]);
        node.calls("recordEventsByNode", json!({"events": events}))
            .await
            .value();
    }
    let read = group.events_since("").await;
    assert_eq!(all("name", &read), names);
    let cursors = all("cursor", &read);
    assert!(
        cursors.is_sorted_by(|a, b| a < b),
        "cursors only grow: {cursors:?}"
    );
}

#[tokio::test]
async fn d12_a_hundred_and_fifty_events_are_read_page_by_page() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let events: Vec<_> = (0..150)
        .map(|i| event(&format!("e{i}"), json!({"orderKey": format!("{i:07}")})))
        .collect();
    let recorded = group.calls(
        "recordEventsByNode",
        json!({"nodeId": "kitten", "events": events}),
    );
    assert_eq!(recorded.await.value()["recordedCount"], 150);
    let first = group.events_since("").await;
    assert_eq!(first.len(), 100, "a page has a hundred");
    let whole = group.reads_on_from(String::new()).await;
    assert_eq!(
        all("name", &whole),
        (0..150).map(|i| format!("e{i}")).collect::<Vec<_>>()
    );
    // From any cursor the rest follows, without the event at the cursor itself.
    let rest = group.reads_on_from(text(&whole[42]["cursor"])).await;
    assert_eq!(rest[..], whole[43..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_reader_who_pages_while_many_write_meets_every_event_once_in_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let write = join_all((0..8).map(|writer| {
        let node = group.node(&format!("writer {writer}"));
        async move {
            for i in 0..12 {
                let events = (0..3).map(|k| event(&format!("{writer}-{i}-{k}"), json!({})));
                let events: Vec<_> = events.collect();
                let field = ["recordEventsByNode", "fireEventsByNode"][i % 2];
                node.calls(field, json!({"events": events})).await.value();
            }
        }
    }));
    let read = async {
        let (mut since, mut read) = (String::new(), Vec::new());
        while read.len() < 8 * 12 * 3 {
            let page = group.events_since(&since).await;
            if let Some(last) = page.last() {
                since = text(&last["cursor"]);
            }
            read.extend(all("name", &page));
        }
        (read, since)
    };
    let reading = tokio::time::timeout(Duration::from_secs(20), read);
    let (_, read) = tokio::join!(write, reading);
    let (read, since) = read.expect("every event is read");
    assert!(
        group.events_since(&since).await.is_empty(),
        "nothing comes twice"
    );
    for writer in 0..8 {
        let own: Vec<_> = read
            .iter()
            .filter(|name| name.starts_with(&format!("{writer}-")))
            .collect();
        let sent = (0..12).flat_map(|i| (0..3).map(move |k| format!("{writer}-{i}-{k}")));
        assert!(
            own.into_iter().eq(&sent.collect::<Vec<_>>()),
            "{writer} of {read:?}"
        );
    }
    assert_eq!(read, all("name", &group.reads_on_from(String::new()).await));
}

#[tokio::test]
async fn d14_a_cursor_from_the_future_is_forgiven() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.node("kitten");
    kitten.records(["long ago"]).await;
    mesh.passes_seconds(5).await;
    kitten.records(["just now"]).await;
    for since in [
        "2999-01-01T00:00:00.000Z",
        "EVENT#2999-01-01T00:00:00.000Z#000000#000000",
    ] {
        let read = group.events_since(since).await;
        assert_eq!(
            all("name", &read),
            ["just now"],
            "two polling intervals back: {since}"
        );
    }
}

#[tokio::test]
async fn d14_events_past_their_time_are_not_told() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.node("kitten");
    kitten.records(["early"]).await;
    mesh.passes_seconds(6).await;
    kitten.records(["late"]).await;
    assert_eq!(
        all("name", &group.events_since("").await),
        ["early", "late"]
    );
    mesh.passes_seconds(6).await;
    assert_eq!(all("name", &group.events_since("").await), ["late"]);
}

#[tokio::test]
async fn d15_a_repeated_batch_is_one_batch() {
    for field in ["recordEventsByNode", "fireEventsByNode"] {
        let mesh = TestMesh::own(|_| {}).await;
        let group = mesh.host("teacher").creates_polling("class").await;
        let mut ear = group.listen().await;
        let kitten = group.join_polling("kitten").await;
        let batch = json!({"events": [
            event("a", json!({"orderKey": "1", "payload": ""})),
            event("b", json!({"orderKey": "2", "payload": "x"})),
        ]});
        let first = kitten.calls(field, batch.clone()).await.value();
        mesh.passes_seconds(3).await;
        assert_eq!(
            kitten.calls(field, batch.clone()).await.value(),
            first,
            "{field}"
        );
        assert_eq!(group.events_since("").await.len(), 2, "{field}");
        // Somebody else's equal batch is another, as is this one after the event TTL.
        group.node("bird").calls(field, batch.clone()).await.value();
        mesh.passes_seconds(12).await;
        kitten.calls(field, batch).await.value();
        assert_eq!(group.events_since("").await.len(), 2, "{field}");
        kitten.reports([("end", "")]).await;
        for _ in 0..3 {
            assert_eq!(ear.events().await, ["a", "b"], "{field}");
        }
        assert_eq!(ear.status().await, (&*kitten.id, [("end", "")]));
    }
}

#[tokio::test]
async fn d15_a_batch_that_differs_or_lacks_an_order_key_is_a_new_one() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.node("kitten");
    let batches = [
        json!([event("a", json!({"orderKey": "1"})), event("b", json!({}))]),
        json!([event("a", json!({"orderKey": "1"})), event("b", json!({}))]),
        json!([event("a", json!({"orderKey": "1"}))]),
        json!([event("a", json!({"orderKey": "1", "payload": ""}))]),
        json!([event("a", json!({"orderKey": "2"}))]),
        json!([event(
            "a",
            json!({"orderKey": "1", "firedAt": "2026-02-07T01:02:03.457Z"})
        )]),
    ];
    for events in &batches {
        kitten
            .calls("recordEventsByNode", json!({"events": events}))
            .await
            .value();
    }
    assert_eq!(group.events_since("").await.len(), 8);
}

#[tokio::test]
async fn d16_next_since_can_be_empty_so_that_a_client_keeps_its_own_cursor() {
    let empty = |setup: &mut Setup| setup.next_since = mesh_v2::mesh::NextSince::Empty;
    let mesh = TestMesh::own(empty).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    assert_eq!(group.node("kitten").records(["a"]).await, "");
}

#[tokio::test]
async fn recording_nothing_answers_a_cursor_too() {
    let mesh = TestMesh::start().await;
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

#[tokio::test]
async fn a_call_has_so_many_events_and_a_log_so_many_bytes() {
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
