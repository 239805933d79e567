//! Groups whose members poll, and groups in which some do (decision D13).

use serde_json::{Value, json};

use crate::support::clients::event;
use crate::support::json::{all, list, text};
use crate::support::{Group, TestMesh};

async fn polls(group: &Group<'_>, since: &str) -> Value {
    group
        .calls("pollGroupData", json!({"since": since}))
        .await
        .value()
}

#[apply(case!)]
async fn a_poll_answers_events_and_statuses() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    let status = kitten.reports([("temp", "21")]).await;
    kitten.records(["go"]).await;
    let polled = polls(&group, "").await;
    let expected = json!({
        "events": group.events_since("").await, "nodeStatuses": [status],
        "__typename": "PollGroupData",
    });
    assert_eq!(polled, expected);
    assert_eq!(list(&polled["events"]).len(), 1);
}

#[apply(case!)]
async fn a_poller_reads_on_from_the_last_cursor() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    kitten.records(["one", "two"]).await;
    let first = polls(&group, "").await;
    let cursor = text(&first["events"][1]["cursor"]);
    assert_eq!(polls(&group, &cursor).await["events"], json!([]));
    kitten.records(["three"]).await;
    assert_eq!(
        all("name", list(&polls(&group, &cursor).await["events"])),
        ["three"]
    );
}

#[apply(parallel_case!)]
async fn a_client_that_polls_a_broadcast_reads_the_variable_set_before_it() {
    // On a slow machine no event may expire before it is polled.
    let mesh = TestMesh::own(|setup| setup.timings.event_ttl = 120).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    let write = async {
        for round in 0..40 {
            kitten.reports([("round", &*round.to_string())]).await;
            kitten.records([&*round.to_string()]).await;
        }
    };
    let read = async {
        let (mut since, mut seen) = (String::new(), 0);
        while seen < 40 {
            let polled = polls(&group, &since).await;
            if let Some(last) = list(&polled["events"]).last() {
                since = text(&last["cursor"]);
                let broadcast: u32 = text(&last["name"]).parse().expect("a number");
                let set = text(&polled["nodeStatuses"][0]["data"][0]["value"]);
                assert!(
                    set.parse::<u32>().expect("a number") >= broadcast,
                    "{polled}"
                );
                seen += list(&polled["events"]).len();
            }
        }
    };
    tokio::join!(write, read);
}

#[apply(case!)]
async fn d13_subscribers_receive_what_pollers_record() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join_polling("kitten").await;
    let events = json!([
        event("second", json!({"orderKey": "2", "payload": ""})),
        event("first", json!({"orderKey": "1", "payload": "x"})),
    ]);
    kitten
        .calls("recordEventsByNode", json!({"events": events}))
        .await
        .value();
    let message = subscriber.message().await;
    let events = list(&message["batchEvent"]["events"]);
    assert_eq!(all("name", events), ["first", "second"]);
    assert_eq!(message["batchEvent"]["firedByNodeId"], kitten.id);
    // The clients' times are kept, so that a client may replay events with their spacing.
    assert_eq!(events[0]["timestamp"], "2026-02-07T01:02:03.456Z");
    assert_eq!(
        (&events[0]["payload"], &events[1]["payload"]),
        (&json!("x"), &Value::Null)
    );
}

#[apply(case!)]
async fn d13_recording_nothing_is_not_published() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join_polling("kitten").await;
    kitten.records([]).await;
    kitten.reports([("a", "1")]).await;
    assert_eq!(subscriber.status().await, (&*kitten.id, [("a", "1")]));
}

#[apply(case!)]
async fn d13_fired_events_are_kept_while_a_member_polls() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.fires(["unpolled"]).await;
    let bird = group.join_polling("bird").await;
    kitten.fires(["the bird does"]).await;
    bird.leaves().await.value();
    kitten.fires(["unpolled again"]).await;
    assert_eq!(
        all("name", &group.events_since("").await),
        ["the bird does"]
    );
}

#[apply(case!)]
async fn d13_fired_events_are_kept_for_a_minute_after_a_poll() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    polls(&group, "").await;
    mesh.passes_seconds(50).await;
    kitten.fires(["kept"]).await;
    assert_eq!(all("name", &group.events_since("").await), ["kept"]);
}

#[apply(case!)]
async fn d13_fired_events_are_kept_no_longer_than_a_minute_after_a_poll() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    polls(&group, "").await;
    mesh.passes_seconds(55).await;
    group.renews().await.value();
    mesh.passes_seconds(6 + mesh.polls_count_longer()).await;
    kitten.fires(["not kept"]).await;
    assert!(group.events_since("").await.is_empty());
}

#[apply(case!)]
async fn d13_a_poller_and_a_subscriber_receive_the_same_events_in_the_same_order() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let mut subscriber = group.subscribe().await;
    let (kitten, bird) = (group.join("kitten").await, group.join_polling("bird").await);
    for i in 0..5 {
        kitten.fires([&*format!("fired {i}")]).await;
        bird.records([&*format!("recorded {i}")]).await;
    }
    let polled = all("name", list(&polls(&group, "").await["events"]));
    let mut received = Vec::new();
    while received.len() < 10 {
        received.extend(subscriber.events().await);
    }
    assert_eq!(received, polled);
}

#[apply(case!)]
async fn any_text_is_accepted_as_since() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    group.node("kitten").records(["a"]).await;
    for since in ["", "0", "EVENT#", "2026", "%", "##"] {
        let read = group
            .calls("getEventsSince", json!({"since": since}))
            .await
            .value();
        assert_eq!(list(&read).len(), 1, "{since}: {read}");
    }
    for since in ["あ", "🎈", "zzz"] {
        // Later than the clock as text: two polling intervals back, which has the event too.
        let read = group
            .calls("getEventsSince", json!({"since": since}))
            .await
            .value();
        assert_eq!(list(&read).len(), 1, "{since}: {read}");
    }
}

/// The editor clears its cursor when it joins and polls two seconds later, with its own
/// clock, which here is the server's (decision D14, docs/compatibility.md, What the editor does).
#[apply(case!)]
async fn d14_a_first_poll_answers_events_since_the_join_and_the_next_none_twice() {
    let mesh = TestMesh::own(|setup| setup.timings.event_ttl = 600).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let teacher = group.hosting_node();
    teacher.records(["before the join"]).await;
    mesh.passes_seconds(3).await;
    let kitten = group.join_polling("kitten").await;
    let sent: Vec<_> = (0..52).map(|n| format!("event {n}")).collect();
    for name in &sent {
        teacher.records([&**name]).await;
    }
    let log = group.events_since("").await;
    let joined: jiff::Timestamp = text(&log[1]["timestamp"]).parse().expect("a time");
    let clock = joined + jiff::SignedDuration::from_secs(2);
    mesh.passes_seconds(3).await;
    let (mut since, mut read) = (format!("{clock:.3}"), Vec::new());
    for _ in 0..3 {
        let polled = polls(&group, &since).await;
        let events = list(&polled["events"]);
        read.extend(all("name", events));
        since = events.last().map_or(since, |last| text(&last["cursor"]));
    }
    assert_eq!(read, sent, "none is lost and none comes twice");
    let exactly = group.events_since(&format!("{clock:.3}")).await;
    assert!(
        exactly
            .iter()
            .all(|event| text(&event["timestamp"]) >= format!("{clock:.3}")),
        "getEventsSince keeps its meaning"
    );
    kitten.leaves().await.value();
}
