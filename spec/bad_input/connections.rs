//! Connections that never finish, idle, or are not HTTP, and their limit.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::mesh::TIMEOUT;
use crate::support::raw::Wire;
use crate::support::{Reply, Setup, TestMesh};

#[apply(case!)]
async fn a_request_that_never_ends_is_disconnected() {
    let impatient = |setup: &mut Setup| setup.http.request_timeout = Duration::from_secs(2);
    let mesh = TestMesh::own(impatient).await;
    let mut silent = Wire::to(&mesh).await;
    let mut head = Wire::to(&mesh).await;
    head.writes(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-slow")
        .await;
    let mut body = Wire::to(&mesh).await;
    let start = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"query\"",
        mesh.key
    );
    body.writes(start.as_bytes()).await;
    mesh.still_serves().await;
    assert!(silent.ends().await, "a connection without a request");
    assert!(head.ends().await, "half a head");
    let answer = String::from_utf8(body.reads_to_the_end().await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("took too long to arrive"), "{answer}");
    mesh.still_serves().await;
}

#[apply(case!)]
async fn an_idle_client_and_one_that_reads_no_answers_lose_their_connections() {
    let soon = Duration::from_secs(1);
    let one_connection = |setup: &mut Setup| {
        (setup.http.request_timeout, setup.http.idle) = (soon, soon);
        setup.http.connections = 1;
    };
    let mesh = TestMesh::own(one_connection).await;
    let mut quiet = Wire::to(&mesh).await;
    quiet
        .writes(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let answer = String::from_utf8(quiet.reads_to_the_end().await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // More than the buffers in between hold.
    let page = b"GET /graphql/assets/graphiql.js HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut deaf = Wire::to(&mesh).await;
    deaf.writes(&page.repeat(50)).await;
    let served = tokio::time::timeout(TIMEOUT, mesh.still_serves()).await;
    served.expect("the only connection is free again");
}

#[apply(case!)]
async fn a_body_in_too_many_pieces_is_refused_and_one_in_many_is_read() {
    let mesh = TestMesh::own(|_| {}).await;
    let query = br#"{"query":"{ __typename }"}"#;
    for (spaces, status) in [(900, "200"), (2_000, "400")] {
        let mut wire = Wire::to(&mesh).await;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            mesh.key
        );
        wire.writes(head.as_bytes()).await;
        let mut body = format!("{:x}\r\n", query.len()).into_bytes();
        body.extend_from_slice(query);
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&b"1\r\n \r\n".repeat(spaces));
        body.extend_from_slice(b"0\r\n\r\n");
        wire.writes(&body).await;
        let answer = String::from_utf8(wire.reads_to_the_end().await).expect("text");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        let is_named = answer.contains("too many pieces: send it as a whole");
        assert_eq!(is_named, status == "400", "{answer}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_head_that_is_too_large_is_refused() {
    let mesh = TestMesh::start().await;
    let large = "x".repeat(64 * 1024);
    let request = mesh.http().get(&mesh.endpoint).header("x-large", large);
    let refused = request.send().await;
    assert!(refused.is_err() || refused.is_ok_and(|r| r.status().as_u16() == 431));
    let token = "x".repeat(16 * 1024);
    let request = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key);
    let request = request
        .header("authorization", token)
        .json(&json!({"query": "{__typename}"}));
    Reply::to(request).await.value();
    mesh.still_serves().await;
}

#[apply(case!)]
async fn bytes_that_are_no_http_are_answered_and_disconnected() {
    let mesh = TestMesh::own(|_| {}).await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"meow\r\n\r\n",
        b"GET\r\n\r\n",
    ] {
        let mut wire = Wire::to(&mesh).await;
        wire.writes(nonsense).await;
        assert!(wire.ends().await, "{nonsense:?}");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_connection_beyond_the_limit_waits_for_a_free_one() {
    let mesh = TestMesh::own(|setup| setup.http.connections = 2).await;
    let (mut first, second) = (mesh.opens().await, mesh.opens().await);
    let waiting = mesh.executes("{ __typename }");
    let mut waiting = std::pin::pin!(waiting);
    // The server answers the connections that it has accepted, many times.
    let others = async {
        for _ in 0..100 {
            first.sends_frame(Message::Ping("frame".into())).await;
            let answer = first.next(TIMEOUT).await;
            assert_eq!(answer, Some(Message::Pong("frame".into())));
        }
    };
    tokio::select! {
        biased;
        early = &mut waiting => panic!("no connection is free yet: {early:?}"),
        () = others => {}
    }
    first.breaks();
    waiting.await.value();
    second.breaks();
}
