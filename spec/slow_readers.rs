//! Clients that read slowly or not at all, or select more than they can read: bounds in
//! bytes (decisions D20, D25), and other clients are unaffected.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::support::clients::event;
use crate::support::mesh::TIMEOUT;
use crate::support::program::{Server, folder};
use crate::support::raw::Wire;
use crate::support::{Socket, TestMesh, documents};

/// A subscription that selects a report's variables under so many aliases.
fn aliased(aliases: usize) -> String {
    let mut fields = String::new();
    for i in 0..aliases {
        let _ = write!(fields, " d{i}: data {{ key value }}");
    }
    format!(
        "subscription($groupId: ID!, $domain: String!) {{ onMessageInGroup(groupId: $groupId, \
         domain: $domain) {{ groupId nodeStatus {{ nodeId{fields} }} }} }}"
    )
}

fn value(bytes: usize) -> Value {
    json!([{"key": "k", "value": "v".repeat(bytes)}])
}

#[apply(case!)]
async fn d25_a_subscription_whose_message_exceeds_240_kb_by_its_aliases_is_ended_alone() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket
        .starts("wide", &aliased(49), group.and(json!({})))
        .await;
    assert_eq!(
        socket.receives().await,
        json!({"id": "wide", "type": "start_ack"})
    );
    socket.subscribes("plain", &group.id, &group.domain).await;
    let kitten = group.join("kitten").await;
    kitten
        .calls("reportDataByNode", json!({"data": value(10)}))
        .await
        .value();
    let mut received = [socket.receives().await, socket.receives().await];
    received.sort_by_key(|message| message["id"].to_string());
    assert_eq!(
        [&received[0]["id"], &received[1]["id"]],
        ["plain", "wide"],
        "{received:?}"
    );
    let wide = &received[1]["payload"]["data"]["onMessageInGroup"]["nodeStatus"];
    assert_eq!(wide["d48"], value(10), "aliases work within the limit");
    kitten
        .calls("reportDataByNode", json!({"data": value(60_000)}))
        .await
        .value();
    let mut received = [socket.receives().await, socket.receives().await];
    received.sort_by_key(|message| message["id"].to_string());
    assert_eq!(
        received[0]["type"], "data",
        "the other subscription receives it"
    );
    assert_eq!(received[1]["type"], "error");
    let error = &received[1]["payload"]["errors"][0];
    assert_eq!(error["errorType"], "LimitExceeded");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("245760 bytes"), "{message}");
    // Its id is free again, and the socket stays open.
    socket.subscribes("wide", &group.id, &group.domain).await;
    kitten.fires(["after"]).await;
    assert_eq!(socket.receives().await["type"], "data");
    assert_eq!(socket.receives().await["type"], "data");
}

#[apply(case!)]
async fn d25_the_bytes_of_a_sockets_selections_are_bounded() {
    let limit = 20_000;
    let mesh = TestMesh::own(|setup| setup.sockets.selection_bytes = limit).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let mut taken = Vec::new();
    let refused = loop {
        let id = taken.len().to_string();
        socket.starts(&id, &aliased(20), group.and(json!({}))).await;
        let answer = socket.receives().await;
        if answer["type"] != "start_ack" {
            break answer;
        }
        taken.push(id);
    };
    assert!((1..20).contains(&taken.len()), "{taken:?}");
    let error = &refused["payload"]["errors"][0];
    assert_eq!(refused["type"], "error");
    assert_eq!(error["errorType"], "LimitExceeded");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(&limit.to_string()), "{message}");
    socket.sends(&json!({"id": "0", "type": "stop"})).await;
    assert_eq!(socket.receives().await["type"], "complete");
    socket
        .starts("again", &aliased(20), group.and(json!({})))
        .await;
    assert_eq!(
        socket.receives().await,
        json!({"id": "again", "type": "start_ack"})
    );
}

#[apply(case!)]
async fn d25_an_answer_larger_than_the_queue_arrives_complete() {
    let mesh = TestMesh::own(|setup| setup.sockets.outbox_bytes = 524_288).await;
    let group = mesh.host("teacher").creates("class").await;
    for i in 0..40 {
        let node = group.join(&format!("n{i}")).await;
        node.calls("reportDataByNode", json!({"data": value(60_000)}))
            .await
            .value();
    }
    let mut socket = Socket::transport(&mesh).await;
    let query = |id: &str| {
        let document = documents::of("listGroupStatuses");
        json!({"id": id, "type": "subscribe",
            "payload": {"query": document, "variables": group.and(json!({}))}})
    };
    socket.sends(&query("1")).await;
    socket.sends(&query("2")).await;
    for id in ["1", "2"] {
        let answer = socket.receives_any().await;
        assert_eq!(
            (&answer["id"], &answer["type"]),
            (&json!(id), &json!("next"))
        );
        let statuses = answer["payload"]["data"]["listGroupStatuses"].as_array();
        assert_eq!(statuses.expect("statuses").len(), 40);
        assert_eq!(
            socket.receives_any().await,
            json!({"id": id, "type": "complete"})
        );
    }
}

#[apply(case!)]
async fn a_client_that_answers_no_ping_is_disconnected() {
    let mesh = TestMesh::own(|setup| {
        setup.sockets.keep_alive = Duration::from_millis(50);
        setup.sockets.peer_timeout = Duration::from_millis(600);
    })
    .await;
    let mut wire = Wire::upgraded(&mesh).await;
    wire.frames(0x81, br#"{"type":"connection_init"}"#).await;
    // Nothing answers its pings: this end only counts them.
    let bytes = wire.reads_to_the_end().await;
    let pings = bytes.windows(2).filter(|two| two == b"\x89\x00").count();
    assert!(pings > 0, "it was pinged first");
    let close = [&1001_u16.to_be_bytes()[..], b"No sign of life"].concat();
    assert!(
        bytes.windows(close.len()).any(|part| part == close),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_client_that_sends_too_much_before_it_reads_still_reads_1009() {
    let mesh = TestMesh::own(|_| {}).await;
    let mut wire = Wire::upgraded(&mesh).await;
    let length: u32 = 8_000_000;
    let mut head = vec![0x81, 0xff];
    head.extend_from_slice(&u64::from(length).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    wire.writes(&head).await;
    let piece = vec![b' '; 80_000];
    for _ in 0..length / 80_000 {
        wire.writes(&piece).await;
    }
    assert_eq!(wire.close_code().await, 1009);
    assert_eq!(wire.0.read(&mut [0]).await.expect("an orderly end"), 0);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn clients_of_appsync_wait_90_seconds_for_a_keep_alive() {
    let mesh = TestMesh::own(|_| {}).await;
    let mut socket = mesh.opens().await;
    socket.sends(&json!({"type": "connection_init"})).await;
    let ack = socket.receives_any().await;
    assert_eq!(ack["payload"], json!({"connectionTimeoutMs": 90_000}));
}

/// Memory under all loads at once: sixty sockets that do not read, and one that selects 90
/// times 49 aliases, during large reports and the largest fires.
#[apply(case!)]
async fn d25_greedy_sockets_that_do_not_read_grow_the_server_by_less_than_80_mb() {
    let folder = folder();
    let settings = [
        ("MESH_STORE", "memory"),
        ("MESH_MAX_SELECTION_BYTES", "2000000"),
    ];
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh("da2-mesh-development");
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let mut good = group.subscribe().await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(group.subscribe().await);
    }
    let mut greedy = mesh.opens().await;
    greedy.is_acknowledged().await;
    for i in 0..90 {
        let id = i.to_string();
        greedy.starts(&id, &aliased(49), group.and(json!({}))).await;
        assert_eq!(greedy.receives().await["type"], "start_ack");
    }
    let before = server.rss();
    for round in 0..30 {
        let report = json!({"data": value(60_000)});
        kitten.calls("reportDataByNode", report).await.value();
        good.message().await;
        let name = round.to_string();
        let large = event(&name, json!({"payload": "x".repeat(238_000)}));
        let fire = json!({"events": [large]});
        kitten.calls("fireEventsByNode", fire).await.value();
        assert_eq!(
            good.events().await,
            [name],
            "a client that reads receives on"
        );
    }
    let grown = server.peak_rss().saturating_sub(before);
    assert!(grown < 80_000_000, "{grown} bytes");
    // Each socket that does not read has messages without a gap, then its close frame.
    let mut slow = silent.remove(0).socket;
    let mut received = 0;
    let code = loop {
        match slow.next(TIMEOUT).await {
            Some(Message::Text(text)) => received += usize::from(text.contains("onMessageInGroup")),
            Some(Message::Ping(_)) => {}
            Some(Message::Close(Some(frame))) => break u16::from(frame.code),
            other => panic!("{other:?} after {received} messages"),
        }
    };
    assert_eq!(code, 1013);
    assert!((1..60).contains(&received), "{received}");
}
