//! Tokens: what was made with a token obeys only with it (decision D34).

use serde_json::{Value, json};

use crate::support::TestMesh;
use crate::support::clients::{Group, event};
use crate::support::json::text;

const HOST: &str = "the host's own token";
const NODE: &str = "the node's own token";
const OTHER: &str = "somebody else's token";
const NO_HOST: &str = "hostToken must be the one with which it was made";
const NO_NODE: &str = "nodeToken must be the one with which it was made";

async fn with_token(mesh: &TestMesh) -> Group<'_> {
    let host = mesh.host("teacher");
    let reply = host.calls_create_group("class", json!({"hostToken": HOST}));
    host.group(&reply.await)
}

/// The arguments of each call that a node makes.
fn calls_of_a_node() -> [(&'static str, Value); 6] {
    let events = json!({"events": [event("e", json!({}))]});
    [
        ("joinGroup", json!({"useWebSocket": true})),
        ("sendMemberHeartbeat", json!({})),
        (
            "reportDataByNode",
            json!({"data": [{"key": "k", "value": "v"}]}),
        ),
        ("fireEventsByNode", events.clone()),
        ("recordEventsByNode", events),
        ("leaveGroup", json!({})),
    ]
}

#[apply(case!)]
async fn d34_only_the_holder_of_its_token_renews_and_dissolves_a_group() {
    let mesh = TestMesh::start().await;
    let group = with_token(&mesh).await;
    for field in ["renewHeartbeat", "dissolveGroup"] {
        for token in [Value::Null, json!(OTHER)] {
            let arguments = json!({"hostId": group.host, "hostToken": token});
            let refused = group.calls(field, arguments).await;
            refused.is_refused("Unauthorized", NO_HOST);
        }
        let unmodified = group.calls(field, json!({"hostId": group.host})).await;
        unmodified.is_refused("Unauthorized", NO_HOST);
    }
    for field in ["renewHeartbeat", "dissolveGroup"] {
        let arguments = json!({"hostId": group.host, "hostToken": HOST});
        group.calls(field, arguments).await.value();
    }
}

#[apply(case!)]
async fn d34_a_repeated_create_group_is_the_first_one_only_with_its_token() {
    let mesh = TestMesh::start().await;
    let group = with_token(&mesh).await;
    let host = mesh.host("teacher");
    let repeat = json!({"hostToken": HOST, "useWebSocket": false});
    let again = host.calls_create_group("class", repeat).await.value();
    assert_eq!(again, group.record);
    for changed in [json!({}), json!({"hostToken": OTHER})] {
        let refused = host.calls_create_group("class", changed).await;
        refused.is_refused("Unauthorized", NO_HOST);
    }
}

#[apply(case!)]
async fn d34_only_the_holder_of_its_token_acts_as_a_node() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.node("kitten");
    let with = |arguments: &Value, token: Value| {
        let mut arguments = arguments.clone();
        arguments["nodeToken"] = token;
        arguments
    };
    for (field, arguments) in calls_of_a_node() {
        kitten
            .calls("joinGroup", json!({"nodeToken": NODE}))
            .await
            .value();
        // Twice each: the second time, frequent calls run on the fast path.
        for token in [Value::Null, json!(OTHER), json!(OTHER)] {
            let refused = kitten.calls(field, with(&arguments, token)).await;
            refused.is_refused("Unauthorized", NO_NODE);
        }
        let unmodified = kitten.calls(field, arguments.clone()).await;
        unmodified.is_refused("Unauthorized", NO_NODE);
        for _ in 0..2 {
            kitten
                .calls(field, with(&arguments, json!(NODE)))
                .await
                .value();
        }
    }
}

#[apply(case!)]
async fn d34_nobody_takes_a_node_with_a_token_to_another_group() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let other = mesh.host("stranger").creates("trap").await;
    let kitten = group.node("kitten");
    kitten
        .calls("joinGroup", json!({"nodeToken": NODE}))
        .await
        .value();
    // The thief gets a node of that name in its own group, and nothing else.
    other
        .node("kitten")
        .calls("joinGroup", json!({}))
        .await
        .value();
    assert_eq!(group.members().await, std::slice::from_ref(&kitten.id));
}

#[apply(case!)]
async fn a_token_has_16_to_256_bytes() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    for token in ["", "fifteen bytes..", &"x".repeat(257)] {
        let joined = group
            .node("kitten")
            .calls("joinGroup", json!({"nodeToken": token}))
            .await;
        joined.is_refused("ValidationError", "nodeToken must be 16 to 256 bytes");
        let host = mesh.host("other");
        let created = host.calls_create_group("class", json!({"hostToken": token}));
        created
            .await
            .is_refused("ValidationError", "hostToken must be 16 to 256 bytes");
    }
}

/// A variable that the document does not pass on is no argument, on the fast path too.
#[apply(case!)]
async fn a_token_that_the_document_does_not_pass_on_is_none() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let document = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) { \
        reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { groupId domain } }";
    let id = text(&json!(group.node("kitten").id));
    for _ in 0..2 {
        let variables = group.and(json!({
            "nodeId": id, "data": [{"key": "k", "value": "v"}], "nodeToken": NODE,
        }));
        mesh.executes_with(document, variables).await.value();
    }
    group.join("kitten").await;
}
