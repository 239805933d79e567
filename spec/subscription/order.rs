//! Which messages subscribers receive, and in which order (decisions D17, D18).

use futures_util::future::join_all;
use serde_json::json;

use crate::support::clients::event;
use crate::support::json::text;
use crate::support::{TestMesh, documents};

#[apply(case!)]
async fn d17_every_mutation_after_the_acknowledgement_is_received() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    for i in 0..30 {
        let (mut subscriber, name) = (group.subscribe().await, i.to_string());
        kitten.fires([&*name]).await;
        assert_eq!(subscriber.events().await, [name]);
    }
}

#[apply(parallel_case!)]
async fn d18_all_subscribers_receive_all_messages_in_the_same_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscribers = join_all((0..4).map(|_| group.subscribe())).await;
    join_all((0..6).map(|node| {
        let node = group.node(&format!("node {node}"));
        async move {
            for i in 0..10 {
                node.reports([("i", &*i.to_string())]).await;
                node.fires([&*i.to_string()]).await;
            }
        }
    }))
    .await;
    let received = join_all(subscribers.iter_mut().map(async |subscriber| {
        let mut messages = Vec::new();
        for _ in 0..120 {
            messages.push(subscriber.message().await);
        }
        messages
    }))
    .await;
    for other in &received[1..] {
        assert_eq!(*other, received[0]);
    }
    // A sender's report is never overtaken by its later fire.
    for node in 0..6 {
        let node = mesh.id(&format!("node {node}"));
        let reported = received[0].iter().filter_map(|message| {
            let (status, batch) = (&message["nodeStatus"], &message["batchEvent"]);
            if status["nodeId"] == *node {
                Some(format!("report {}", text(&status["data"][0]["value"])))
            } else if batch["firedByNodeId"] == *node {
                Some(format!("fire {}", text(&batch["events"][0]["name"])))
            } else {
                None
            }
        });
        let sent = (0..10).flat_map(|i| [format!("report {i}"), format!("fire {i}")]);
        assert!(reported.eq(sent), "{node}");
    }
}

#[apply(case!)]
async fn two_mutations_of_one_document_are_published_in_their_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let whole = documents::message();
    let document = format!(
        r#"mutation ($groupId: ID!, $domain: String!, $events: [EventInput!]!) {{
            set: reportDataByNode(groupId: $groupId, domain: $domain, nodeId: "n",
                                  data: [{{key: "a", value: "1"}}]) {{ {whole} }}
            go: fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: "n",
                                 events: $events) {{ {whole} }}
        }}"#
    );
    let reply = mesh
        .executes_with(
            &document,
            group.and(json!({"events": [event("go", json!({}))]})),
        )
        .await;
    reply.value();
    assert_eq!(subscriber.status().await, ("n", [("a", "1")]));
    assert_eq!(subscriber.events().await, ["go"]);
}
