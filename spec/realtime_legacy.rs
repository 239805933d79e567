//! The legacy protocol of `subscriptions-transport-ws` 0.11, which shares its name with
//! AppSync's (protocol section 4.5): one unknown message kills its client.

use serde_json::{Value, json};

use crate::support::socket::upgrade;
use crate::support::{Socket, TestMesh, documents};

async fn introduced(mesh: &TestMesh) -> Socket {
    let mut socket = Socket::open(upgrade(mesh, "/graphql", "graphql-ws")).await;
    socket
        .says(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
        .await;
    assert_eq!(socket.hears().await["type"], "connection_ack");
    assert_eq!(socket.hears().await, json!({"type": "ka"}));
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
        .says(&start(
            "1",
            &documents::of("onMessageInGroup"),
            &group.and(json!({})),
        ))
        .await;
    socket.says(&start("2", "{ __typename }", &json!({}))).await;
    let answer = json!({"id": "2", "type": "data", "payload": {"data": {"__typename": "Query"}}});
    assert_eq!(socket.hears_news().await, answer);
    assert_eq!(
        socket.hears_news().await,
        json!({"id": "2", "type": "complete"})
    );
    let fired = group.node("kitten").fires(["go"]).await;
    let told = json!({"id": "1", "type": "data", "payload": {"data": {"onMessageInGroup": fired}}});
    assert_eq!(socket.hears_news().await, told);
    socket.says(&json!({"id": "1", "type": "stop"})).await;
    assert_eq!(
        socket.hears_news().await,
        json!({"id": "1", "type": "complete"})
    );
    socket.says(&json!({"type": "connection_terminate"})).await;
    assert_eq!(socket.is_closed().await, 1000);
}

#[apply(case!)]
async fn mutations_go_over_a_legacy_socket() {
    let mesh = TestMesh::start().await;
    let mut socket = introduced(&mesh).await;
    let wish = json!({
        "name": "class", "hostId": mesh.id("teacher"), "domain": mesh.domain, "useWebSocket": true,
    });
    socket
        .says(&start("1", &documents::of("createGroup"), &wish))
        .await;
    let made = socket.hears_news().await;
    assert_eq!(
        made["payload"]["data"]["createGroup"]["domain"], mesh.domain,
        "{made}"
    );
    assert_eq!(socket.hears_news().await["type"], "complete");
}

#[apply(case!)]
async fn a_legacy_start_may_come_right_behind_the_introduction() {
    let mesh = TestMesh::start().await;
    let mut socket = Socket::open(upgrade(&mesh, "/graphql/realtime", "graphql-ws")).await;
    socket
        .says(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
        .await;
    socket.says(&start("1", "{ __typename }", &json!({}))).await;
    assert_eq!(socket.hears().await["type"], "connection_ack");
    assert_eq!(socket.hears_news().await["type"], "data");
}

#[apply(case!)]
async fn a_legacy_refusal_is_one_error_object() {
    let mesh = TestMesh::start().await;
    let mut socket = introduced(&mesh).await;
    socket
        .says(&start("1", "subscription { nothing }", &json!({})))
        .await;
    let refused = socket.hears_news().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1"))
    );
    assert!(refused["payload"]["message"].is_string(), "{refused}");
}

#[apply(case!)]
async fn a_legacy_id_in_use_starts_over() {
    let mesh = TestMesh::start().await;
    let red = mesh.host("red").creates("red").await;
    let blue = mesh.host("blue").creates("blue").await;
    let mut socket = introduced(&mesh).await;
    let document = documents::of("onMessageInGroup");
    socket
        .says(&start("1", &document, &red.and(json!({}))))
        .await;
    socket
        .says(&start("1", &document, &blue.and(json!({}))))
        .await;
    socket.says(&start("q", "{ __typename }", &json!({}))).await;
    assert_eq!(socket.hears_news().await["id"], "q");
    assert_eq!(socket.hears_news().await["type"], "complete");
    red.node("kitten").fires(["red"]).await;
    blue.node("kitten").fires(["blue"]).await;
    let heard = socket.hears_news().await;
    assert_eq!(
        heard["payload"]["data"]["onMessageInGroup"]["groupId"], blue.id,
        "{heard}"
    );
}

#[apply(case!)]
async fn appsync_and_legacy_starts_are_told_apart_on_one_socket() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = introduced(&mesh).await;
    socket
        .says(&start(
            "legacy",
            &documents::of("onMessageInGroup"),
            &group.and(json!({})),
        ))
        .await;
    socket.listens("appsync", &group.id, &group.domain).await;
    group.node("kitten").fires(["go"]).await;
    let ids = [
        socket.hears_news().await["id"].clone(),
        socket.hears_news().await["id"].clone(),
    ];
    assert_eq!(ids, ["legacy", "appsync"]);
}
