//! Answers and messages are bounded in bytes (decisions D24, D25).

use serde_json::{Value, json};

use crate::support::clients::{Group, event};
use crate::support::json::{list, text};
use crate::support::{Reply, Socket, TestMesh};

/// Bytes of an answer in these tests.
const ANSWER: usize = 200_000;
const TOO_LARGE: &str = "The answer is larger than 200000 bytes: ask for less at once";

async fn server() -> TestMesh {
    TestMesh::own(|setup| setup.limits.response_bytes = ANSWER).await
}

/// A group of three nodes with 20,000 bytes each.
async fn class(mesh: &TestMesh) -> Group<'_> {
    let group = mesh.host("teacher").creates_polling("class").await;
    for name in ["ant", "bee", "cat"] {
        group
            .join(name)
            .await
            .reports([("k", &"v".repeat(20_000))])
            .await;
    }
    group
}

/// A query for the group's statuses under many aliases.
fn flood(group: &Group<'_>, aliases: usize, leaves: usize) -> String {
    let again = (1..leaves).map(|i| format!("v{i}: value"));
    let leaves: Vec<_> = again.chain(["value".into()]).collect();
    let (id, domain, leaves) = (&group.id, &group.domain, leaves.join(" "));
    let one = |i| {
        format!(
            "a{i}: listGroupStatuses(groupId: \"{id}\", domain: \"{domain}\") {{ data {{ {leaves} }} }}"
        )
    };
    let fields: Vec<_> = (0..aliases).map(one).collect();
    format!("{{ {} }}", fields.join(" "))
}

#[apply(case!)]
async fn d24_only_answers_that_aliases_multiply_are_refused() {
    let mesh = server().await;
    let group = class(&mesh).await;
    for (aliases, leaves) in [(1, 1), (3, 1), (1, 3)] {
        let reply = mesh.executes(&flood(&group, aliases, leaves)).await;
        assert!(reply.json.get("errors").is_none(), "{:.500}", reply.text);
        let fields = reply.json["data"].as_object().expect("data");
        assert_eq!(fields.len(), aliases);
        assert!(reply.text.len() > aliases * leaves * 60_000);
    }
    for (aliases, leaves) in [(4, 1), (49, 1), (1, 4), (1, 49), (7, 6)] {
        let reply = mesh.executes(&flood(&group, aliases, leaves)).await;
        reply.is_refused("LimitExceeded", TOO_LARGE);
        assert_eq!(reply.json["data"], Value::Null);
    }
    // A client that requests less in one answer gets it.
    assert_eq!(group.statuses().await.len(), 3);
}

#[apply(case!)]
async fn d24_a_mutation_whose_answer_is_too_large_is_not_repeated() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let kitten = group.join("kitten").await;
    let one = |i: usize| {
        let values: Vec<_> = (0..6).map(|j| format!("v{j}: value")).collect();
        format!(
            "m{i}: reportDataByNode(groupId: \"{}\", domain: \"{}\", nodeId: \"{}\", \
             data: [{{key: \"k{i}\", value: \"{}\"}}]) {{ nodeStatus {{ data {{ {} }} }} }}",
            group.id,
            group.domain,
            kitten.id,
            "x".repeat(10_000),
            values.join(" ")
        )
    };
    let fields: Vec<_> = (0..4).map(one).collect();
    let reply = mesh
        .executes(&format!("mutation {{ {} }}", fields.join(" ")))
        .await;
    reply.is_refused("LimitExceeded", TOO_LARGE);
    assert!(reply.json["data"]["m0"].is_object(), "{:.300}", reply.text);
    assert_eq!(reply.json["data"]["m3"], Value::Null);
    let status = kitten.status().await.expect("a status");
    assert_eq!(status.data.len(), 4, "each ran, one after the other");
}

#[apply(case!)]
async fn d24_the_bound_applies_over_a_websocket() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut socket = Socket::transport(&mesh).await;
    let mut execute = async |query: String| {
        let payload = json!({"query": query});
        socket
            .sends(&json!({"id": "q", "type": "subscribe", "payload": payload}))
            .await;
        let answer = socket.receives_any().await;
        assert_eq!(
            socket.receives_any().await,
            json!({"id": "q", "type": "complete"})
        );
        answer["payload"].clone()
    };
    let answer = execute(flood(&group, 3, 1)).await;
    assert_eq!(list(&answer["data"]["a2"]).len(), 3);
    let refused = execute(flood(&group, 10, 1)).await;
    assert_eq!(refused["data"], Value::Null);
    assert_eq!(refused["errors"][0]["errorType"], "LimitExceeded");
    assert_eq!(refused["errors"][0]["message"], TOO_LARGE);
    assert_eq!(
        list(&execute(flood(&group, 1, 1)).await["data"]["a0"]).len(),
        3
    );
}

#[apply(case!)]
async fn d24_pages_of_events_are_shortened_and_the_cursor_advances() {
    let mesh = server().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    kitten.reports([("k", &"v".repeat(20_000))]).await;
    let mut names = Vec::new();
    for i in 0..12 {
        let (name, payload) = (format!("go{i}"), "p".repeat(30_000));
        let events = json!({"events": [event(&name, json!({"payload": payload}))]});
        kitten.calls("recordEventsByNode", events).await.value();
        names.push(name);
    }
    let first = group.events_since("").await;
    assert!((5..7).contains(&first.len()), "{}", first.len());
    let read = group.reads_on_from(String::new()).await;
    let read: Vec<_> = read.iter().map(|event| text(&event["name"])).collect();
    assert_eq!(read, names);
    let (mut polled, mut since) = (Vec::new(), String::new());
    loop {
        let page = group.calls("pollGroupData", json!({"since": since})).await;
        assert!(page.text.len() <= ANSWER, "{}", page.text.len());
        let page = page.value();
        assert_eq!(list(&page["nodeStatuses"]).len(), 1);
        let Some(last) = list(&page["events"]).last() else {
            break;
        };
        since = text(&last["cursor"]);
        polled.extend(list(&page["events"]).iter().map(|e| text(&e["name"])));
    }
    assert_eq!(polled, names);
}

#[apply(case!)]
async fn d25_a_call_whose_message_would_be_too_large_is_refused_before_it_is_stored() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join("kitten").await;
    let refused = |reply: Reply, argument: &str| {
        let message = format!("{argument} must be 245760 bytes or less as it is published");
        reply.is_refused("ValidationError", &message);
    };
    // Six bytes of JSON for each of one byte.
    let data = json!({"data": [{"key": "k", "value": "\u{1}".repeat(41_000)}]});
    refused(kitten.calls("reportDataByNode", data).await, "data");
    assert_eq!(kitten.status().await, None);
    // Few bytes each, and with their ids more than a message may have.
    let events = json!({"events": vec![event(&"go".repeat(30), json!({})); 1_000]});
    for field in ["fireEventsByNode", "recordEventsByNode"] {
        refused(kitten.calls(field, events.clone()).await, "events");
    }
    assert_eq!(group.events_since("").await, Vec::<Value>::new());
    let data = json!({"data": [{"key": "k", "value": "\u{1}".repeat(40_000)}]});
    kitten.calls("reportDataByNode", data).await.value();
}
