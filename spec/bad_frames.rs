//! Malformed and hostile input over WebSockets: the socket is closed with a code, and other
//! clients are unaffected.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::support::clients::event;
use crate::support::mesh::TIMEOUT;
use crate::support::raw::Wire;
use crate::support::socket::upgrade;
use crate::support::{Reply, Setup, Socket, TestMesh};

#[apply(case!)]
async fn a_message_that_is_too_big_closes_with_1009() {
    let mesh = TestMesh::own(|setup| setup.sockets.message_bytes = 4096).await;
    for protocol in ["graphql-ws", "graphql-transport-ws"] {
        let mut socket = Socket::open(upgrade(&mesh, "/graphql", protocol)).await;
        socket.sends_frame(Message::text("x".repeat(5000))).await;
        assert_eq!(socket.is_closed().await, 1009, "{protocol}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_frame_that_announces_a_terabyte_closes_with_1009() {
    let mesh = TestMesh::own(|_| {}).await;
    let mut wire = Wire::upgraded(&mesh).await;
    let mut head = vec![0x81, 0xff];
    head.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    wire.writes(&head).await;
    assert_eq!(wire.close_code().await, 1009);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_binary_message_closes_with_1003() {
    let mesh = TestMesh::start().await;
    let mut socket = mesh.opens().await;
    socket.sends_frame(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.is_closed().await, 1003);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn frames_that_break_the_protocol_close_with_1002() {
    let mesh = TestMesh::own(|_| {}).await;
    for (what, bytes) in [
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0][..]),
        ("reserved bits", &[0xf1, 0x80, 0, 0, 0, 0]),
        ("no mask", &[0x81, 0x01, b'x']),
        ("a continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0]),
        ("a control frame in pieces", &[0x09, 0x80, 0, 0, 0, 0]),
    ] {
        let mut wire = Wire::upgraded(&mesh).await;
        wire.writes(bytes).await;
        assert_eq!(wire.close_code().await, 1002, "{what}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_close_code_that_no_client_may_send_is_answered_1002() {
    let mesh = TestMesh::own(|_| {}).await;
    for (code, answered) in [
        (999_u16, 1002),
        (1005, 1002),
        (1015, 1002),
        (1000, 1000),
        (3001, 1000),
    ] {
        let mut wire = Wire::upgraded(&mesh).await;
        wire.frames(0x88, &code.to_be_bytes()).await;
        assert_eq!(wire.close_code().await, answered, "{code}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn text_that_is_no_utf_8_closes_with_1007() {
    let mesh = TestMesh::own(|_| {}).await;
    let mut wire = Wire::upgraded(&mesh).await;
    wire.frames(0x81, b"{\"type\":\"\xff\xfe\"}").await;
    assert_eq!(wire.close_code().await, 1007);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_message_in_pieces_is_one_message() {
    let mesh = TestMesh::own(|_| {}).await;
    let mut wire = Wire::upgraded(&mesh).await;
    wire.frames(0x01, b"{\"type\":").await;
    wire.frames(0x89, b"between").await;
    wire.frames(0x80, b"\"connection_init\"}").await;
    let mut pong = [0; 9];
    wire.0.read_exact(&mut pong).await.expect("a pong");
    assert_eq!(&pong, b"\x8a\x07between");
    let mut ack = [0; 60];
    wire.0
        .read_exact(&mut ack)
        .await
        .expect("an acknowledgement");
    assert!(String::from_utf8_lossy(&ack).contains("connection_ack"));
}

#[apply(case!)]
async fn documents_nested_fifty_thousand_deep_are_refused_over_a_socket() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let deep = format!(
        "subscription {{ f(a: {}1{}) }}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    socket.starts("1", &deep, json!({})).await;
    let refused = socket.receives().await;
    let message = "The document nests brackets deeper than 64 levels.";
    assert_eq!(
        refused["payload"]["errors"][0]["message"], message,
        "{refused}"
    );
    let json = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    socket.sends_frame(Message::text(json)).await;
    let refused = socket.receives().await;
    assert_eq!(
        refused["payload"]["errors"][0]["errorType"],
        "UnsupportedOperation"
    );
    socket.subscribes("1", &group.id, &group.domain).await;
}

#[apply(case!)]
async fn a_malformed_upgrade_is_answered() {
    let mesh = TestMesh::start().await;
    let realtime = format!("{}/realtime", mesh.endpoint);
    let plain = Reply::to(mesh.http().get(realtime)).await;
    let message = "A WebSocket upgrade (RFC 6455, version 13) is wanted here.";
    plain.is_rejected(400, "BadRequestException", message);
    let old = mesh
        .http()
        .get(&mesh.endpoint)
        .header("upgrade", "websocket");
    let old = old
        .header("connection", "upgrade")
        .header("sec-websocket-version", "8");
    let reply = Reply::to(old.header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")).await;
    reply.is_rejected(400, "BadRequestException", message);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn d20_a_client_that_never_reads_is_closed_with_1013_and_others_are_unaffected() {
    let small = |setup: &mut Setup| setup.sockets.outbox_bytes = 64 * 1024;
    let mesh = TestMesh::own(small).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut good = group.subscribe().await;
    let mut slow = group.subscribe().await;
    let kitten = group.join("kitten").await;
    // First the system's socket buffers fill, then the server's queue.
    let payload = "x".repeat(60_000);
    let rounds = 120;
    for round in 0..rounds {
        let events = json!({"events": [event(&round.to_string(), json!({"payload": payload}))]});
        kitten.calls("fireEventsByNode", events).await.value();
        assert_eq!(
            good.events().await,
            [round.to_string()],
            "a client that reads receives on"
        );
    }
    // The slow client then reads the first messages without a gap, and the close frame.
    let mut expected = 0;
    let code = loop {
        match slow.socket.next(TIMEOUT).await {
            Some(Message::Text(text)) if text.contains("\"ka\"") => {}
            Some(Message::Text(text)) => {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let events =
                    &message["payload"]["data"]["onMessageInGroup"]["batchEvent"]["events"];
                assert_eq!(
                    events[0]["name"],
                    expected.to_string(),
                    "nothing is skipped"
                );
                expected += 1;
            }
            Some(Message::Close(Some(frame))) => break u16::from(frame.code),
            Some(Message::Ping(_)) => {}
            other => panic!("{other:?} instead of a close after {expected} messages"),
        }
    };
    assert_eq!(code, 1013);
    assert!(expected < rounds, "it was slow");
    assert_eq!(
        kitten.fires(["after"]).await["batchEvent"]["events"][0]["name"],
        "after"
    );
    assert_eq!(good.events().await, ["after"]);
}

#[apply(case!)]
async fn a_server_that_stops_closes_every_socket_with_1001() {
    let mesh = TestMesh::own(|setup| setup.http.drain = Duration::from_millis(200)).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let mut newer = Socket::transport(&mesh).await;
    // The server does not wait for a client that has closed.
    let first = async move { subscriber.socket.is_closed().await };
    let second = async move { newer.is_closed().await };
    let ((), first, second) = tokio::join!(mesh.stops(), first, second);
    assert_eq!((first, second), (1012, 1012));
}
