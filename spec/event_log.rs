//! A group's event log: its order, its pages, and repeated calls.

use futures_util::future::join_all;
use mesh_v2::mesh::NextSince;
use serde_json::json;

use crate::support::TestMesh;
use crate::support::clients::event;
use crate::support::json::{all, text};
use crate::support::mesh::TIMEOUT;

#[apply(case!)]
async fn d12_a_cursor_sorts_against_the_clients_clock() {
    let mesh = TestMesh::still().await;
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

#[apply(case!)]
async fn d12_events_of_one_call_are_in_order_of_order_key_then_position() {
    let mesh = TestMesh::still().await;
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
    assert_eq!(recorded["nextSince"], "", "d16");
}

#[apply(case!)]
async fn d16_next_since_as_a_cursor_is_that_of_the_last_event_in_log_order() {
    let mesh = TestMesh::own_still(|setup| setup.next_since = NextSince::Cursor).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let keyed = |name: &str, key: &str| event(name, json!({"orderKey": key}));
    let events = json!([keyed("second", "2"), keyed("first", "1")]);
    let recorded = group
        .node("kitten")
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let read = group.events_since("").await;
    assert_eq!(all("name", &read), ["first", "second"]);
    assert_eq!(recorded["nextSince"], read[1]["cursor"]);
    let after = group.events_since(&text(&recorded["nextSince"])).await;
    assert!(after.is_empty(), "{after:?}");
}

#[apply(case!)]
async fn d12_events_of_different_calls_are_in_order_of_arrival() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let names: Vec<_> = (0..12).map(|i| format!("{i:02}")).collect();
    for (i, name) in names.iter().enumerate() {
        // The first call has the greater key: across calls only arrival counts.
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

#[apply(case!)]
async fn d12_a_hundred_and_fifty_events_are_read_page_by_page() {
    let mesh = TestMesh::still().await;
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
    // After any cursor the rest follows, without the event at the cursor.
    let rest = group.reads_on_from(text(&whole[42]["cursor"])).await;
    assert_eq!(rest[..], whole[43..]);
}

#[apply(parallel_case!)]
async fn d12_a_client_that_pages_while_many_write_reads_every_event_once_in_order() {
    // On a busy machine the first events must not expire before the last are written.
    let mesh = TestMesh::own(|setup| setup.timings.event_ttl = 120).await;
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
    let reading = tokio::time::timeout(TIMEOUT, read);
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

#[apply(case!)]
async fn d14_a_cursor_from_the_future_is_accepted() {
    let mesh = TestMesh::still().await;
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

#[apply(case!)]
async fn d14_expired_events_are_not_returned() {
    let mesh = TestMesh::still().await;
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

#[apply(case!)]
async fn d15_a_repeated_batch_is_stored_once() {
    for field in ["recordEventsByNode", "fireEventsByNode"] {
        let mesh = TestMesh::own_still(|_| {}).await;
        let group = mesh.host("teacher").creates_polling("class").await;
        let mut subscriber = group.subscribe().await;
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
        // Another node's equal batch is another one, as is this batch after the event TTL.
        group.node("bird").calls(field, batch.clone()).await.value();
        mesh.passes_seconds(12).await;
        kitten.calls(field, batch).await.value();
        assert_eq!(group.events_since("").await.len(), 2, "{field}");
        kitten.reports([("end", "")]).await;
        for _ in 0..3 {
            assert_eq!(subscriber.events().await, ["a", "b"], "{field}");
        }
        assert_eq!(subscriber.status().await, (&*kitten.id, [("end", "")]));
    }
}

#[apply(case!)]
async fn d15_a_batch_that_differs_or_lacks_an_order_key_is_stored_again() {
    let mesh = TestMesh::still().await;
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
