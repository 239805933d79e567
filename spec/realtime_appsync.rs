//! AppSync's realtime protocol, as `aws-appsync` and Amplify use it (docs/protocols.md, AppSync realtime).

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::reply::invalid;
use crate::support::{TestMesh, documents};

const DOCUMENT: &str = "subscription ($groupId: ID!, $domain: String!) {
    onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name } } }
}";

fn event_told(id: &str, name: &str) -> Value {
    let data = json!({"onMessageInGroup": {"batchEvent": {"events": [{"name": name}]}}});
    json!({"id": id, "type": "data", "payload": {"data": data}})
}

#[apply(case!)]
async fn keep_alives_keep_coming() {
    let mesh = TestMesh::own(|setup| setup.sockets.keep_alive = Duration::from_millis(300)).await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for _ in 0..2 {
        assert_eq!(socket.receives_any().await, json!({"type": "ka"}));
    }
}

#[apply(case!)]
async fn one_socket_carries_several_subscriptions() {
    let mesh = TestMesh::start().await;
    let red = mesh.host("red").creates("red").await;
    let blue = mesh.host("blue").creates("blue").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for (id, group) in [("r", &red), ("b", &blue), ("b2", &blue)] {
        socket.starts(id, DOCUMENT, group.and(json!({}))).await;
        assert_eq!(
            socket.receives_any().await,
            json!({"id": id, "type": "start_ack"})
        );
    }
    red.node("kitten").fires(["red"]).await;
    assert_eq!(socket.receives().await, event_told("r", "red"));
    blue.node("kitten").fires(["blue"]).await;
    assert_eq!(socket.receives().await, event_told("b", "blue"));
    assert_eq!(socket.receives().await, event_told("b2", "blue"));
}

#[apply(case!)]
async fn a_stop_is_confirmed_and_ends_only_its_subscription() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket.subscribes("1", &group.id, &group.domain).await;
    socket.subscribes("2", &group.id, &group.domain).await;
    socket.sends(&json!({"type": "stop", "id": "1"})).await;
    assert_eq!(
        socket.receives().await,
        json!({"id": "1", "type": "complete"})
    );
    group.node("kitten").fires(["go"]).await;
    assert_eq!(socket.receives().await["id"], "2");
    // The id is free again, and a stop of an unknown id is no error.
    socket
        .sends(&json!({"type": "stop", "id": "nothing"}))
        .await;
    socket.subscribes("1", &group.id, &group.domain).await;
}

#[apply(case!)]
async fn a_start_with_an_id_in_use_is_refused_and_the_first_one_continues() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket.subscribes("1", &group.id, &group.domain).await;
    socket.starts("1", DOCUMENT, group.and(json!({}))).await;
    let refused = socket.receives_any().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1"))
    );
    assert_eq!(
        refused["payload"]["errors"][0]["errorType"],
        "DuplicatedOperationError"
    );
    group.node("kitten").fires(["go"]).await;
    assert_eq!(socket.receives().await["type"], "data");
}

#[apply(case!)]
async fn a_socket_has_a_hundred_subscriptions_at_most() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for i in 0..100 {
        socket
            .starts(&i.to_string(), DOCUMENT, group.and(json!({})))
            .await;
        assert_eq!(socket.receives().await["type"], "start_ack", "{i}");
    }
    socket
        .starts("one more", DOCUMENT, group.and(json!({})))
        .await;
    let expected = json!({"id": "one more", "type": "error", "payload": {"errors": [{
        "errorType": "MaxSubscriptionsReachedError",
        "message": "Max number of 100 subscriptions reached",
    }]}});
    assert_eq!(socket.receives().await, expected);
    socket.sends(&json!({"type": "stop", "id": "0"})).await;
    assert_eq!(socket.receives().await["type"], "complete");
    socket
        .starts("one more", DOCUMENT, group.and(json!({})))
        .await;
    assert_eq!(socket.receives().await["type"], "start_ack");
}

#[apply(case!)]
async fn unknown_messages_are_answered_and_the_connection_stays() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let unknown = json!({"type": "error", "payload": {"errors": [{
        "errorType": "UnsupportedOperation",
        "message": "unknown not supported through the realtime channel",
    }]}});
    socket
        .sends(&json!({"type": "subscribe", "id": "1", "payload": {"query": DOCUMENT}}))
        .await;
    assert_eq!(socket.receives_any().await, unknown);
    for text in ["meow", "[]", "{}", "{\"type\":7}", ""] {
        socket.sends_frame(Message::text(text)).await;
        let answer = socket.receives_any().await;
        assert_eq!(
            answer["payload"]["errors"][0]["errorType"], "UnsupportedOperation",
            "{text}"
        );
        assert!(answer.get("id").is_none(), "{answer}");
    }
    socket.subscribes("1", &group.id, &group.domain).await;
}

#[apply(case!)]
async fn queries_and_mutations_are_refused_on_the_socket() {
    let mesh = TestMesh::start().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for (kind, document) in [
        ("query", "{ __typename }"),
        ("mutation", "mutation { createDomain }"),
    ] {
        socket.starts("1", document, json!({})).await;
        let expected = json!({"id": "1", "type": "error", "payload": {"errors": [{
            "errorType": "UnsupportedOperation",
            "message": format!("{kind} not supported through the realtime channel"),
        }]}});
        assert_eq!(socket.receives_any().await, expected);
    }
}

#[apply(case!)]
async fn an_invalid_subscription_is_refused_with_its_id() {
    let mesh = TestMesh::start().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let whole = documents::of("onMessageInGroup");
    for (document, variables, message) in [
        ("subscription { nothing }", json!({}), None),
        ("subscription {", json!({}), None),
        (
            &*whole,
            json!({"groupId": "g"}),
            Some("Variable 'domain' has coerced Null value for NonNull type 'String!'"),
        ),
    ] {
        socket.starts("1", document, variables).await;
        let refused = socket.receives_any().await;
        assert_eq!(
            (&refused["type"], &refused["id"]),
            (&json!("error"), &json!("1")),
            "{refused}"
        );
        let error = &refused["payload"]["errors"][0];
        assert_eq!(error["errorType"], invalid(), "{refused}");
        if let Some(message) = message {
            assert_eq!(error["message"], message);
        }
    }
    for payload in [json!({"data": "{"}), json!({"data": "{}"}), Value::Null] {
        socket
            .sends(&json!({"type": "start", "id": "1", "payload": payload}))
            .await;
        let refused = socket.receives_any().await;
        assert_eq!(
            refused["payload"]["errors"][0]["errorType"], "BadRequestException",
            "{refused}"
        );
    }
}

#[apply(case!)]
async fn a_subscription_to_an_invalid_group_is_refused_with_its_id() {
    let mesh = TestMesh::start().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for (group, message) in [
        ("", "groupId is required"),
        ("#", "groupId must not contain # or control characters"),
    ] {
        let variables = json!({"groupId": group, "domain": "d"});
        socket.starts("1", DOCUMENT, variables).await;
        let refused = socket.receives_any().await;
        assert_eq!(
            (&refused["type"], &refused["id"]),
            (&json!("error"), &json!("1"))
        );
        let error = &refused["payload"]["errors"][0];
        assert_eq!(error["errorType"], "ValidationError", "{refused}");
        assert_eq!(error["message"], message);
    }
}

#[apply(case!)]
async fn a_start_right_after_connection_init_is_accepted_and_one_before_it_is_not() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.starts("early", DOCUMENT, group.and(json!({}))).await;
    socket.sends(&json!({"type": "connection_init"})).await;
    socket
        .starts("right behind", DOCUMENT, group.and(json!({})))
        .await;
    assert_eq!(socket.receives_any().await["type"], "connection_ack");
    assert_eq!(socket.receives_any().await["type"], "ka");
    assert_eq!(
        socket.receives_any().await,
        json!({"id": "right behind", "type": "start_ack"})
    );
}

#[apply(case!)]
async fn aliases_fragments_and_conditions_shape_the_messages() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let document = "subscription ($g: ID!, $d: String!, $yes: Boolean = true, $no: Boolean!) {
        message: onMessageInGroup(groupId: $g, domain: $d) {
            kind: __typename
            ...Status
            ... on MeshMessage @include(if: $yes) { group: groupId }
            ... @include(if: $no) { domain }
            batchEvent @skip(if: $yes) { timestamp }
            nodeStatus { data { key } }
        }
    }
    fragment Status on MeshMessage { nodeStatus { who: nodeId data { value kind: __typename } } }";
    socket
        .starts(
            "1",
            document,
            json!({"g": group.id, "d": group.domain, "no": false}),
        )
        .await;
    assert_eq!(socket.receives_any().await["type"], "start_ack");
    let kitten = group.node("kitten");
    kitten.reports([("temp", "21")]).await;
    let received = socket.receives().await["payload"]["data"].to_string();
    let expected = json!({"message": {
        "kind": "MeshMessage",
        "nodeStatus": {
            "who": kitten.id, "data": [{"value": "21", "kind": "SensorData", "key": "temp"}],
        },
        "group": group.id,
    }});
    assert_eq!(
        received,
        expected.to_string(),
        "in the order of the selection"
    );
}

#[apply(case!)]
async fn a_dropped_client_reconnects_and_receives_again() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let subscriber = group.subscribe().await;
    subscriber.socket.breaks();
    group.node("kitten").fires(["meanwhile"]).await;
    let mut subscriber = group.subscribe().await;
    group.node("kitten").fires(["again"]).await;
    assert_eq!(subscriber.events().await, ["again"]);
}
