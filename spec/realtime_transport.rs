//! The newer `graphql-transport-ws`, as `graphql-ws` 6 uses it (docs/protocols.md, graphql-transport-ws).

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::mesh::TIMEOUT;
use crate::support::socket::upgrade;
use crate::support::{Socket, TestMesh, documents};

fn subscribe(id: &str, document: &str, variables: &Value) -> Value {
    let payload = json!({"query": document, "variables": variables});
    json!({"id": id, "type": "subscribe", "payload": payload})
}

#[apply(case!)]
async fn the_newer_subprotocol_is_echoed_when_offered() {
    let mesh = TestMesh::start().await;
    for path in ["/graphql", "/graphql/realtime"] {
        let socket = Socket::open(upgrade(&mesh, path, "graphql-transport-ws")).await;
        let echoed = socket.response.headers().get("sec-websocket-protocol");
        assert_eq!(echoed.expect("an echo"), "graphql-transport-ws", "{path}");
    }
}

#[apply(case!)]
async fn a_subscription_is_served_in_the_newer_protocol() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = Socket::transport(&mesh).await;
    let document = documents::of("onMessageInGroup");
    socket
        .sends(&subscribe("1", &document, &group.and(json!({}))))
        .await;
    // There is no acknowledgement: a query on the same socket shows that it was accepted.
    socket
        .sends(&subscribe("q", "{ __typename }", &json!({})))
        .await;
    let answer = json!({"id": "q", "type": "next", "payload": {"data": {"__typename": "Query"}}});
    assert_eq!(socket.receives_any().await, answer);
    assert_eq!(
        socket.receives_any().await,
        json!({"id": "q", "type": "complete"})
    );
    let fired = group.node("kitten").fires(["go"]).await;
    let expected =
        json!({"id": "1", "type": "next", "payload": {"data": {"onMessageInGroup": fired}}});
    assert_eq!(socket.receives_any().await, expected);
    socket.sends(&json!({"id": "1", "type": "complete"})).await;
    socket
        .sends(&subscribe("1", "{ __typename }", &json!({})))
        .await;
    assert_eq!(
        socket.receives_any().await["payload"]["data"],
        json!({"__typename": "Query"})
    );
}

#[apply(case!)]
async fn queries_and_mutations_are_answered_and_completed() {
    let mesh = TestMesh::start().await;
    let host = mesh.id("teacher");
    let mut socket = Socket::transport(&mesh).await;
    let arguments =
        json!({"name": "class", "hostId": host, "domain": mesh.domain, "useWebSocket": true});
    socket
        .sends(&subscribe("m", &documents::of("createGroup"), &arguments))
        .await;
    let made = socket.receives_any().await;
    assert_eq!(
        (&made["id"], &made["type"]),
        (&json!("m"), &json!("next")),
        "{made}"
    );
    assert_eq!(made["payload"]["data"]["createGroup"]["hostId"], host);
    assert_eq!(
        socket.receives_any().await,
        json!({"id": "m", "type": "complete"})
    );
    socket
        .sends(&subscribe(
            "q",
            &documents::of("listGroupsByDomain"),
            &arguments,
        ))
        .await;
    let listed = socket.receives_any().await;
    let group = &made["payload"]["data"]["createGroup"];
    assert_eq!(
        listed["payload"]["data"]["listGroupsByDomain"],
        json!([group])
    );
    assert_eq!(
        socket.receives_any().await,
        json!({"id": "q", "type": "complete"})
    );
}

#[apply(case!)]
async fn a_logical_error_comes_as_next_and_an_invalid_document_as_error() {
    let mesh = TestMesh::start().await;
    let mut socket = Socket::transport(&mesh).await;
    let nowhere = json!({"groupId": "nowhere", "domain": mesh.domain, "nodeId": "n"});
    socket
        .sends(&subscribe("1", &documents::of("joinGroup"), &nowhere))
        .await;
    let refused = socket.receives_any().await;
    assert_eq!(refused["type"], "next");
    assert_eq!(
        refused["payload"]["errors"][0]["errorType"], "GroupNotFound",
        "{refused}"
    );
    assert_eq!(socket.receives_any().await["type"], "complete");
    for document in [
        "{",
        "{ nothing }",
        "mutation { joinGroup(groupId: 1) { id } }",
        "query($id: ID!) { listNodesInGroup(groupId: $id, domain: \"d\") { id } }",
        "subscription { nothing }",
        "subscription { onMessageInGroup { domain } }",
    ] {
        socket.sends(&subscribe("2", document, &json!({}))).await;
        let error = socket.receives_any().await;
        assert_eq!(
            (&error["type"], &error["id"]),
            (&json!("error"), &json!("2")),
            "{error}"
        );
        // The client gives up for good on a payload that is no list, or an empty one.
        let errors = error["payload"].as_array().expect("a list");
        assert!(
            errors.iter().all(|e| e["message"].is_string()) && !errors.is_empty(),
            "{error}"
        );
    }
    socket
        .sends(&subscribe("2", "{ __typename }", &json!({})))
        .await;
    assert_eq!(
        socket.receives_any().await["type"],
        "next",
        "an error ends its operation"
    );
}

#[apply(case!)]
async fn d18_a_senders_messages_on_one_socket_keep_their_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let mut socket = Socket::transport(&mesh).await;
    for i in 0..20 {
        let value = json!([{"key": "i", "value": i.to_string()}]);
        let report = group.and(json!({"nodeId": "n", "data": value}));
        socket
            .sends(&subscribe(
                &format!("r{i}"),
                &documents::of("reportDataByNode"),
                &report,
            ))
            .await;
        let event = crate::support::clients::event(&i.to_string(), json!({}));
        let fire = group.and(json!({"nodeId": "n", "events": [event]}));
        socket
            .sends(&subscribe(
                &format!("f{i}"),
                &documents::of("fireEventsByNode"),
                &fire,
            ))
            .await;
    }
    for i in 0..20 {
        assert_eq!(subscriber.status().await, ("n", [("i", &*i.to_string())]));
        assert_eq!(subscriber.events().await, [i.to_string()]);
    }
}

#[apply(case!)]
async fn pings_are_answered_with_their_payload_and_pongs_are_not() {
    let mesh = TestMesh::start().await;
    let mut socket = Socket::transport(&mesh).await;
    socket.sends(&json!({"type": "pong"})).await;
    socket.sends(&json!({"type": "ping"})).await;
    assert_eq!(socket.receives_any().await, json!({"type": "pong"}));
    socket
        .sends(&json!({"type": "ping", "payload": {"n": 1}}))
        .await;
    assert_eq!(
        socket.receives_any().await,
        json!({"type": "pong", "payload": {"n": 1}})
    );
    socket.sends_frame(Message::Ping("frame".into())).await;
    assert_eq!(
        socket.next(TIMEOUT).await,
        Some(Message::Pong("frame".into()))
    );
}

#[apply(case!)]
async fn the_server_pings_with_frames_and_never_sends_ka() {
    let mesh = TestMesh::own(|setup| setup.sockets.keep_alive = Duration::from_millis(300)).await;
    let mut socket = Socket::transport(&mesh).await;
    for _ in 0..2 {
        let frame = socket.next(TIMEOUT).await;
        assert!(matches!(frame, Some(Message::Ping(_))), "{frame:?}");
    }
}

#[apply(case!)]
async fn misuse_closes_with_the_codes_of_the_protocol() {
    let mesh = TestMesh::start().await;
    let unopened = async || Socket::open(upgrade(&mesh, "/graphql", "graphql-transport-ws")).await;

    let mut socket = unopened().await;
    socket
        .sends(&subscribe("1", "{ __typename }", &json!({})))
        .await;
    assert_eq!(
        socket.is_closed().await,
        4401,
        "subscribing before the acknowledgement"
    );

    let mut socket = unopened().await;
    socket
        .sends(&json!({"type": "connection_init", "payload": {"x-api-key": "wrong"}}))
        .await;
    assert_eq!(socket.is_closed().await, 4401, "a wrong key");

    let mut socket = unopened().await;
    socket.sends(&json!({"type": "connection_init"})).await;
    assert_eq!(socket.is_closed().await, 4401, "no key");

    let mut socket = Socket::transport(&mesh).await;
    socket
        .sends(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
        .await;
    assert_eq!(socket.is_closed().await, 4429, "a second introduction");

    let group = mesh.host("teacher").creates("class").await;
    let mut socket = Socket::transport(&mesh).await;
    let document = documents::of("onMessageInGroup");
    socket
        .sends(&subscribe("1", &document, &group.and(json!({}))))
        .await;
    socket
        .sends(&subscribe("1", &document, &group.and(json!({}))))
        .await;
    assert_eq!(socket.is_closed().await, 4409, "an id in use");

    for nonsense in [
        "meow",
        "[]",
        "{}",
        r#"{"type":"start","id":"1"}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ __typename }"}}"#,
    ] {
        let mut socket = Socket::transport(&mesh).await;
        socket.sends_frame(Message::text(nonsense)).await;
        assert_eq!(socket.is_closed().await, 4400, "{nonsense}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_connection_without_connection_init_is_closed() {
    let mesh = TestMesh::own(|setup| setup.sockets.init = Duration::from_secs(2)).await;
    let mut acknowledged = mesh.opens().await;
    acknowledged.is_acknowledged().await;
    let silent = ["graphql-transport-ws", "graphql-ws"].map(|protocol| {
        let request = upgrade(&mesh, "/graphql", protocol);
        async { Socket::open(request).await.is_closed().await }
    });
    assert_eq!(join_all(silent).await, [4408, 4408]);
    // The connection that was initialised before them stays.
    acknowledged
        .sends_frame(Message::Ping("still here".into()))
        .await;
    let answer = acknowledged.next(TIMEOUT).await;
    assert_eq!(answer, Some(Message::Pong("still here".into())));
}
