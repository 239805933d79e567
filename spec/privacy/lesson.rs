//! A short lesson with marked words in every place that takes some.

use serde_json::{Value, json};

use super::marks::{
    API_KEY, DOMAIN, EVENT, HOST, HOST_TOKEN, KEY, NAME, NICKNAME, NODE, NODE_TOKEN, PAYLOAD,
    POLLING_HOST, POLLING_NODE, VALUE,
};
use crate::support::clients::event;
use crate::support::socket::{header_in_protocol, upgrade};
use crate::support::{Group, Socket, TestMesh, documents};

fn events() -> Value {
    json!([event(EVENT, json!({"payload": PAYLOAD}))])
}

pub fn data() -> Value {
    json!([{"key": KEY, "value": VALUE}])
}

/// A group on WebSockets of each protocol, with tokens.
pub async fn on_websockets(mesh: &TestMesh) -> Group<'_> {
    let host = mesh.host(HOST);
    let token = json!({"hostToken": HOST_TOKEN});
    let group = host.group(&host.calls_create_group(NAME, token).await);
    let mut subscriber = group.subscribe().await;
    let protocols = format!("graphql-ws, {}", header_in_protocol(mesh, API_KEY));
    let mut amplify = Socket::open(upgrade(mesh, "/graphql/realtime", &protocols)).await;
    amplify.is_acknowledged().await;
    amplify.subscribes("1", &group.id, DOMAIN).await;
    let mut transport = Socket::transport(mesh).await;
    let subscribe = |id: &str, query: String| {
        let payload = json!({"query": query, "variables": group.and(json!({"since": ""}))});
        json!({"id": id, "type": "subscribe", "payload": payload})
    };
    let messages = documents::of("onMessageInGroup");
    transport.sends(&subscribe("1", messages)).await;
    let poll = documents::of("pollGroupData");
    transport.sends(&subscribe("2", poll)).await;
    assert_eq!(transport.receives_any().await["type"], "next");
    assert_eq!(transport.receives_any().await["type"], "complete");
    let node = group.node(NODE);
    for (field, more) in [
        (
            "joinGroup",
            json!({"useWebSocket": true, "nickname": NICKNAME}),
        ),
        ("sendMemberHeartbeat", json!({})),
        ("reportDataByNode", json!({"data": data()})),
        ("fireEventsByNode", json!({"events": events()})),
    ] {
        let mut arguments = more;
        arguments["nodeToken"] = NODE_TOKEN.into();
        node.calls(field, arguments).await.value();
    }
    for _ in 0..2 {
        subscriber.message().await;
        assert_eq!(amplify.receives().await["type"], "data");
        assert_eq!(transport.receives_any().await["type"], "next");
    }
    group
}

/// A group that polls; its host sends no heartbeat.
pub async fn on_polling(mesh: &TestMesh) -> Group<'_> {
    let group = mesh.host(POLLING_HOST).creates_polling(NAME).await;
    let node = group.join_polling(POLLING_NODE).await;
    node.reports([(KEY, VALUE)]).await;
    let events = json!({"events": events()});
    node.calls("recordEventsByNode", events).await.value();
    assert_eq!(group.events_since("").await.len(), 1);
    for (field, arguments) in [
        ("pollGroupData", group.and(json!({"since": ""}))),
        ("listGroupStatuses", group.and(json!({}))),
        ("listNodesInGroup", group.and(json!({}))),
        ("getNodeStatus", json!({"nodeId": POLLING_NODE})),
        ("listGroupsByDomain", json!({"domain": DOMAIN})),
        ("searchGroupsByNamePrefix", json!({"namePrefix": "zqgrou"})),
    ] {
        mesh.calls(field, arguments).await.value();
    }
    group
}
