//! AppSync's realtime protocol, as `aws-appsync` and Amplify speak it (protocol section 1).

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
async fn signs_of_life_keep_coming() {
    let mesh = TestMesh::own(|setup| setup.sockets.keep_alive = Duration::from_millis(300)).await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for _ in 0..2 {
        assert_eq!(socket.hears().await, json!({"type": "ka"}));
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
        assert_eq!(socket.hears().await, json!({"id": id, "type": "start_ack"}));
    }
    red.node("kitten").fires(["red"]).await;
    assert_eq!(socket.hears_news().await, event_told("r", "red"));
    blue.node("kitten").fires(["blue"]).await;
    assert_eq!(socket.hears_news().await, event_told("b", "blue"));
    assert_eq!(socket.hears_news().await, event_told("b2", "blue"));
}

#[apply(case!)]
async fn stopping_is_confirmed_and_ends_the_subscription_alone() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket.listens("1", &group.id, &group.domain).await;
    socket.listens("2", &group.id, &group.domain).await;
    socket.says(&json!({"type": "stop", "id": "1"})).await;
    assert_eq!(
        socket.hears_news().await,
        json!({"id": "1", "type": "complete"})
    );
    group.node("kitten").fires(["go"]).await;
    assert_eq!(socket.hears_news().await["id"], "2");
    // The id is free again, and stopping what does not run is no error.
    socket.says(&json!({"type": "stop", "id": "nothing"})).await;
    socket.listens("1", &group.id, &group.domain).await;
}

#[apply(case!)]
async fn an_id_in_use_is_refused_and_goes_on() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket.listens("1", &group.id, &group.domain).await;
    socket.starts("1", DOCUMENT, group.and(json!({}))).await;
    let refused = socket.hears().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1"))
    );
    assert_eq!(
        refused["payload"]["errors"][0]["errorType"],
        "DuplicatedOperationError"
    );
    group.node("kitten").fires(["go"]).await;
    assert_eq!(socket.hears_news().await["type"], "data");
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
        assert_eq!(socket.hears_news().await["type"], "start_ack", "{i}");
    }
    socket
        .starts("one more", DOCUMENT, group.and(json!({})))
        .await;
    let expected = json!({"id": "one more", "type": "error", "payload": {"errors": [{
        "errorType": "MaxSubscriptionsReachedError",
        "message": "Max number of 100 subscriptions reached",
    }]}});
    assert_eq!(socket.hears_news().await, expected);
    socket.says(&json!({"type": "stop", "id": "0"})).await;
    assert_eq!(socket.hears_news().await["type"], "complete");
    socket
        .starts("one more", DOCUMENT, group.and(json!({})))
        .await;
    assert_eq!(socket.hears_news().await["type"], "start_ack");
}

#[apply(case!)]
async fn messages_that_nobody_knows_are_answered_and_the_connection_stays() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let unknown = json!({"type": "error", "payload": {"errors": [{
        "errorType": "UnsupportedOperation",
        "message": "unknown not supported through the realtime channel",
    }]}});
    socket
        .says(&json!({"type": "subscribe", "id": "1", "payload": {"query": DOCUMENT}}))
        .await;
    assert_eq!(socket.hears().await, unknown);
    for text in ["meow", "[]", "{}", "{\"type\":7}", ""] {
        socket.sends(Message::text(text)).await;
        let answer = socket.hears().await;
        assert_eq!(
            answer["payload"]["errors"][0]["errorType"], "UnsupportedOperation",
            "{text}"
        );
        assert!(answer.get("id").is_none(), "{answer}");
    }
    socket.listens("1", &group.id, &group.domain).await;
}

#[apply(case!)]
async fn queries_and_mutations_do_not_go_through_the_channel() {
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
        assert_eq!(socket.hears().await, expected);
    }
}

#[apply(case!)]
async fn a_subscription_that_cannot_be_is_refused_with_its_id() {
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
        let refused = socket.hears().await;
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
            .says(&json!({"type": "start", "id": "1", "payload": payload}))
            .await;
        let refused = socket.hears().await;
        assert_eq!(
            refused["payload"]["errors"][0]["errorType"], "BadRequestException",
            "{refused}"
        );
    }
}

#[apply(case!)]
async fn a_subscription_to_a_group_that_cannot_be_is_refused_with_its_id() {
    let mesh = TestMesh::start().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for (group, message) in [
        ("", "groupId is required"),
        ("#", "groupId must not contain # or control characters"),
    ] {
        let variables = json!({"groupId": group, "domain": "d"});
        socket.starts("1", DOCUMENT, variables).await;
        let refused = socket.hears().await;
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
async fn a_start_right_behind_the_introduction_is_heard_and_one_before_it_is_not() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.starts("early", DOCUMENT, group.and(json!({}))).await;
    socket.says(&json!({"type": "connection_init"})).await;
    socket
        .starts("right behind", DOCUMENT, group.and(json!({})))
        .await;
    assert_eq!(socket.hears().await["type"], "connection_ack");
    assert_eq!(socket.hears().await["type"], "ka");
    assert_eq!(
        socket.hears().await,
        json!({"id": "right behind", "type": "start_ack"})
    );
}

#[apply(case!)]
async fn aliases_fragments_and_conditions_shape_what_is_heard() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let document = "subscription ($g: ID!, $d: String!, $yes: Boolean = true, $no: Boolean!) {
        heard: onMessageInGroup(groupId: $g, domain: $d) {
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
    assert_eq!(socket.hears().await["type"], "start_ack");
    let kitten = group.node("kitten");
    kitten.reports([("temp", "21")]).await;
    let heard = socket.hears_news().await["payload"]["data"].to_string();
    let expected = json!({"heard": {
        "kind": "MeshMessage",
        "nodeStatus": {
            "who": kitten.id, "data": [{"value": "21", "kind": "SensorData", "key": "temp"}],
        },
        "group": group.id,
    }});
    assert_eq!(
        heard,
        expected.to_string(),
        "in the order in which it was asked for"
    );
}

#[apply(case!)]
async fn a_dropped_client_comes_back_and_hears_on() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let ear = group.listen().await;
    ear.socket.breaks();
    group.node("kitten").fires(["meanwhile"]).await;
    let mut ear = group.listen().await;
    group.node("kitten").fires(["again"]).await;
    assert_eq!(ear.events().await, ["again"]);
}
