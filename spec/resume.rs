//! Clients of graphql-transport-ws that come back after a break and get what they missed
//! (docs/protocols.md, Resuming).

use std::path::Path;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::json::text;
use crate::support::program::{Server, folder};
use crate::support::{Group, Socket, TestMesh};

const KEY: &str = "da2-of-this-test";
/// Messages that a server of these cases keeps.
const KEPT: usize = 50;

fn starts(folder: &Path) -> Server {
    let kept = KEPT.to_string();
    let settings = [
        ("MESH_API_KEYS", KEY),
        ("MESH_RESUME_MESSAGES", &*kept),
        ("MESH_START_HOLD_MILLISECONDS", "0"),
    ];
    Server::start(folder, &settings)
}

/// Documents with one selection, with fragments, and with aliases.
const DOCUMENTS: [&str; 3] = [
    "subscription ($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { nodeStatus { data { value } } groupDissolve { message } } }",
    "subscription ($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { ...parts } } fragment parts on MeshMessage { nodeStatus { data { value } } groupDissolve { message } }",
    "subscription ($groupId: ID!, $domain: String!) { onMessageInGroup: onMessageInGroup(groupId: $groupId, domain: $domain) { copy: groupId nodeStatus { data { value } again: nodeId } groupDissolve { message } } }",
];

/// A client with the position of the last message that it received.
struct Client<'a> {
    group: &'a Group<'a>,
    document: &'static str,
    socket: Socket,
    position: Value,
    values: Vec<String>,
}

impl<'a> Client<'a> {
    /// Subscribes for the first time, and gets where it starts.
    async fn subscribes(group: &'a Group<'a>, document: &'static str) -> Self {
        let mut client = Self {
            group,
            document,
            socket: Socket::transport(group.mesh).await,
            position: json!({}),
            values: Vec::new(),
        };
        client.sends().await;
        let first = client.socket.receives_any().await;
        let mesh = &first["payload"]["extensions"]["mesh"];
        let expected = json!({"id": "1", "type": "next", "payload": {
            "data": {"onMessageInGroup": null}, "extensions": {"mesh": {
                "epoch": mesh["epoch"], "offset": mesh["offset"] }}}});
        assert_eq!(first, expected);
        client.position = mesh.clone();
        client
    }

    async fn sends(&mut self) {
        let payload = json!({"query": self.document, "variables": self.group.and(json!({})),
            "extensions": {"mesh": self.position, "other": 1}});
        let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
        self.socket.sends(&subscribe).await;
    }

    /// Loses its connection and subscribes again on a new one.
    async fn comes_back(&mut self) {
        let socket = Socket::transport(self.group.mesh).await;
        std::mem::replace(&mut self.socket, socket).breaks();
        self.sends().await;
    }

    /// Receives a message, whose position is that of the last one and one more.
    async fn receives(&mut self) -> Value {
        let next = self.socket.receives_any().await;
        let mesh = &next["payload"]["extensions"]["mesh"];
        let offset = self.position["offset"].as_u64().expect("an offset") + 1;
        assert_eq!(
            *mesh,
            json!({"epoch": self.position["epoch"], "offset": offset})
        );
        self.position = mesh.clone();
        next["payload"]["data"]["onMessageInGroup"].clone()
    }

    async fn receives_value(&mut self) {
        let message = self.receives().await;
        self.values
            .push(text(&message["nodeStatus"]["data"][0]["value"]));
    }

    /// Receives where it starts, because what it missed is not kept.
    async fn starts_anew(&mut self) {
        let next = self.socket.receives_any().await;
        assert_eq!(next["payload"]["data"], json!({"onMessageInGroup": null}));
        let mut mesh = next["payload"]["extensions"]["mesh"].clone();
        let recovered = mesh
            .as_object_mut()
            .and_then(|mesh| mesh.remove("recovered"));
        assert_eq!(recovered, Some(json!(false)), "{next}");
        self.position = mesh;
    }
}

async fn reports(group: &Group<'_>, values: std::ops::Range<usize>) {
    let kitten = group.node("kitten");
    for value in values {
        kitten.reports([("k", &*value.to_string())]).await;
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[apply(case!)]
async fn a_client_that_comes_back_misses_nothing_and_gets_nothing_twice() {
    const MESSAGES: usize = 300;
    let folder = folder();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let clients = (0..6).map(|number| Client::subscribes(&group, DOCUMENTS[number % 3]));
    let clients = join_all(clients).await;
    let receiving = clients
        .into_iter()
        .enumerate()
        .map(async |(number, mut client)| {
            while client.values.len() < MESSAGES {
                client.receives_value().await;
                if client.values.len() % (7 + number) == 0 {
                    client.comes_back().await;
                }
            }
            assert_eq!(client.values, numbers(0..MESSAGES));
        });
    join(join_all(receiving), reports(&group, 0..MESSAGES)).await;
}

#[apply(case!)]
async fn the_end_of_the_group_is_received_after_a_break() {
    let folder = folder();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let mut client = Client::subscribes(&group, DOCUMENTS[0]).await;
    reports(&group, 0..1).await;
    client.receives_value().await;
    // A group without subscribers.
    client
        .socket
        .sends(&json!({"id": "1", "type": "complete"}))
        .await;
    client.socket.sends(&json!({"type": "ping"})).await;
    assert_eq!(client.socket.receives_any().await, json!({"type": "pong"}));
    reports(&group, 1..3).await;
    group.dissolves().await.value();
    client.comes_back().await;
    client.receives_value().await;
    client.receives_value().await;
    assert_eq!(client.values, numbers(0..3));
    assert!(!client.receives().await["groupDissolve"].is_null());
}

#[apply(case!)]
async fn what_is_not_kept_is_not_recovered() {
    let folder = folder();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let mut client = Client::subscribes(&group, DOCUMENTS[1]).await;
    let mut stays = Client::subscribes(&group, DOCUMENTS[0]).await;
    reports(&group, 0..KEPT + 1).await;
    client
        .socket
        .sends(&json!({"id": "1", "type": "complete"}))
        .await;
    client.comes_back().await;
    client.starts_anew().await;
    reports(&group, KEPT + 1..KEPT + 2).await;
    client.receives_value().await;
    assert_eq!(client.values, numbers(KEPT + 1..KEPT + 2));
    for _ in 0..KEPT + 2 {
        stays.receives_value().await;
    }
    assert_eq!(stays.position, client.position);
    server.gets_killed();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    let group = Group {
        mesh: &mesh,
        id: group.id.clone(),
        domain: group.domain.clone(),
        host: group.host.clone(),
        record: group.record.clone(),
    };
    let mut again = Client {
        group: &group,
        document: DOCUMENTS[0],
        socket: Socket::transport(&mesh).await,
        position: client.position.clone(),
        values: Vec::new(),
    };
    again.sends().await;
    again.starts_anew().await;
    assert_ne!(again.position["epoch"], client.position["epoch"]);
    reports(&group, 0..2).await;
    again.receives_value().await;
    again.comes_back().await;
    again.receives_value().await;
    assert_eq!(again.values, numbers(0..2));
}

#[apply(case!)]
async fn an_invalid_position_is_refused_and_others_get_none() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = Socket::transport(&mesh).await;
    let payload = |extensions: Value| json!({"query": DOCUMENTS[0], "variables": group.and(json!({})), "extensions": extensions});
    for wrong in [
        json!(7),
        json!({"epoch": "e"}),
        json!({"epoch": "e", "offset": -1}),
    ] {
        let payload = payload(json!({"mesh": wrong}));
        socket
            .sends(&json!({"id": "1", "type": "subscribe", "payload": payload}))
            .await;
        let error = socket.receives_any().await;
        assert_eq!(error["type"], "error", "{error}");
        let [error] = error["payload"].as_array().expect("errors").as_slice() else {
            panic!("one error: {error}");
        };
        assert_eq!(error["errorType"], "ValidationError");
        assert!(
            text(&error["message"]).contains("extensions.mesh"),
            "{error}"
        );
    }
    let payload = payload(json!({"other": {"epoch": 1}}));
    socket
        .sends(&json!({"id": "1", "type": "subscribe", "payload": payload}))
        .await;
    reports(&group, 0..1).await;
    let next = socket.receives_any().await;
    let expected = json!({"id": "1", "type": "next", "payload": {"data": next["payload"]["data"]}});
    assert_eq!(next, expected);
    assert!(socket.next(Duration::from_millis(50)).await.is_none());
}
