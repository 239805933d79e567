//! The legacy protocol of `subscriptions-transport-ws` 0.11, which shares its name with
//! AppSync's (docs/protocols.md, Older graphql-ws): one unknown message kills its client.

use serde_json::{Value, json};

use crate::support::socket::upgrade;
use crate::support::{Socket, TestMesh, documents};

async fn introduced(mesh: &TestMesh) -> Socket {
    let mut socket = Socket::open(upgrade(mesh, "/graphql", "graphql-ws")).await;
    socket
        .sends(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
        .await;
    assert_eq!(socket.receives_any().await["type"], "connection_ack");
    assert_eq!(socket.receives_any().await, json!({"type": "ka"}));
    socket
}

fn start(id: &str, document: &str, variables: &Value) -> Value {
    let payload = json!({"query": document, "variables": variables, "operationName": null});
    json!({"id": id, "type": "start", "payload": payload})
}

#[apply(case!)]
async fn a_legacy_start_is_never_acknowledged() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = introduced(&mesh).await;
    socket
        .sends(&start(
            "1",
            &documents::of("onMessageInGroup"),
            &group.and(json!({})),
        ))
        .await;
    socket
        .sends(&start("2", "{ __typename }", &json!({})))
        .await;
    let answer = json!({"id": "2", "type": "data", "payload": {"data": {"__typename": "Query"}}});
    assert_eq!(socket.receives().await, answer);
    assert_eq!(
        socket.receives().await,
        json!({"id": "2", "type": "complete"})
    );
    let fired = group.node("kitten").fires(["go"]).await;
    let expected =
        json!({"id": "1", "type": "data", "payload": {"data": {"onMessageInGroup": fired}}});
    assert_eq!(socket.receives().await, expected);
    socket.sends(&json!({"id": "1", "type": "stop"})).await;
    assert_eq!(
        socket.receives().await,
        json!({"id": "1", "type": "complete"})
    );
    socket.sends(&json!({"type": "connection_terminate"})).await;
    assert_eq!(socket.is_closed().await, 1000);
}

#[apply(case!)]
async fn mutations_run_over_a_legacy_socket() {
    let mesh = TestMesh::start().await;
    let mut socket = introduced(&mesh).await;
    let arguments = json!({
        "name": "class", "hostId": mesh.id("teacher"), "domain": mesh.domain, "useWebSocket": true,
    });
    socket
        .sends(&start("1", &documents::of("createGroup"), &arguments))
        .await;
    let made = socket.receives().await;
    assert_eq!(
        made["payload"]["data"]["createGroup"]["domain"], mesh.domain,
        "{made}"
    );
    assert_eq!(socket.receives().await["type"], "complete");
}

#[apply(case!)]
async fn a_legacy_start_may_come_right_after_connection_init() {
    let mesh = TestMesh::start().await;
    let mut socket = Socket::open(upgrade(&mesh, "/graphql/realtime", "graphql-ws")).await;
    socket
        .sends(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
        .await;
    socket
        .sends(&start("1", "{ __typename }", &json!({})))
        .await;
    assert_eq!(socket.receives_any().await["type"], "connection_ack");
    assert_eq!(socket.receives().await["type"], "data");
}

#[apply(case!)]
async fn a_legacy_refusal_is_one_error_object() {
    let mesh = TestMesh::start().await;
    let mut socket = introduced(&mesh).await;
    socket
        .sends(&start("1", "subscription { nothing }", &json!({})))
        .await;
    let refused = socket.receives().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1"))
    );
    assert!(refused["payload"]["message"].is_string(), "{refused}");
}

#[apply(case!)]
async fn a_legacy_start_with_an_id_in_use_replaces_the_first_one() {
    let mesh = TestMesh::start().await;
    let red = mesh.host("red").creates("red").await;
    let blue = mesh.host("blue").creates("blue").await;
    let mut socket = introduced(&mesh).await;
    let document = documents::of("onMessageInGroup");
    socket
        .sends(&start("1", &document, &red.and(json!({}))))
        .await;
    socket
        .sends(&start("1", &document, &blue.and(json!({}))))
        .await;
    socket
        .sends(&start("q", "{ __typename }", &json!({})))
        .await;
    assert_eq!(socket.receives().await["id"], "q");
    assert_eq!(socket.receives().await["type"], "complete");
    red.node("kitten").fires(["red"]).await;
    blue.node("kitten").fires(["blue"]).await;
    let received = socket.receives().await;
    assert_eq!(
        received["payload"]["data"]["onMessageInGroup"]["groupId"], blue.id,
        "{received}"
    );
}

#[apply(case!)]
async fn appsync_and_legacy_starts_are_distinguished_on_one_socket() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = introduced(&mesh).await;
    socket
        .sends(&start(
            "legacy",
            &documents::of("onMessageInGroup"),
            &group.and(json!({})),
        ))
        .await;
    socket.subscribes("appsync", &group.id, &group.domain).await;
    group.node("kitten").fires(["go"]).await;
    let ids = [
        socket.receives().await["id"].clone(),
        socket.receives().await["id"].clone(),
    ];
    assert_eq!(ids, ["legacy", "appsync"]);
}
