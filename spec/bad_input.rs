//! What clumsy and hostile clients send over HTTP: a clear answer, and nobody else feels it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::Wire;
use crate::support::stage::PATIENCE;
use crate::support::{Reply, Setup, TestMesh};

const MALFORMED: &str = "MalformedHttpRequestException";

#[apply(case!)]
async fn a_body_that_is_too_large_is_named() {
    let mesh = TestMesh::own(|setup| setup.http.body_bytes = 4096).await;
    let document = format!("{{ __typename }} # {}", "x".repeat(5000));
    let reply = mesh.asks(&document).await;
    reply.is_turned_away(413, MALFORMED, "The request's body is too large.");
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_body_of_many_megabytes_does_not_reach_memory() {
    let mesh = TestMesh::start().await;
    let body = vec![b' '; 20 * 1024 * 1024];
    let request = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key);
    let sent = request
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    // The server answers and hangs up while the body is still on its way: a client that
    // writes on may see either.
    if let Ok(response) = sent {
        assert_eq!(response.status().as_u16(), 413);
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn brackets_nested_fifty_thousand_deep_are_refused_before_they_are_parsed() {
    let mesh = TestMesh::start().await;
    for (open, close) in [("[", "]"), ("{a:", "}"), ("(", ")"), ("{a", "}")] {
        let deep = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        for document in [
            format!("{{ f(a: {deep}) }}"),
            format!("query ($v: X = {deep}) {{ f }}"),
            deep,
        ] {
            let reply = mesh.asks(&document).await;
            let message = "The document nests brackets deeper than 64 levels.";
            if document.len() < 256 * 1024 - 100 {
                reply.is_refused("ValidationError", message);
            } else {
                assert_eq!(reply.status, 413);
            }
        }
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn json_nested_fifty_thousand_deep_is_unreadable() {
    let mesh = TestMesh::start().await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for body in [
        deep.clone(),
        format!(r#"{{"query":"{{__typename}}","variables":{{"x":{deep}}}}}"#),
    ] {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .header("x-api-key", &mesh.key);
        let reply = Reply::to(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await;
        reply.is_turned_away(400, MALFORMED, "Unable to parse GraphQL query.");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn documents_that_are_too_deep_or_too_wide_are_refused() {
    let mesh = TestMesh::start().await;
    let of_type = |n: usize| format!("{}name{}", "ofType { ".repeat(n), " }".repeat(n));
    let aliases = |n: usize| {
        let aliases: Vec<_> = (0..n).map(|i| format!("a{i}: __typename")).collect();
        format!("{{ {} }}", aliases.join(" "))
    };
    let fields = format!("{{ __schema {{ types {{ {} }} }} }}", "name ".repeat(500));
    for (what, document) in [
        (
            "depth",
            format!("{{ __type(name: \"Group\") {{ {} }} }}", of_type(40)),
        ),
        ("aliases", aliases(51)),
        ("fields", fields),
        (
            "directives",
            format!("{{ __typename {} }}", "@include(if: true) ".repeat(11)),
        ),
    ] {
        let reply = mesh.asks(&document).await;
        assert_eq!(reply.refusal().0, "ValidationError", "{what}");
        assert_eq!(reply.json["data"], Value::Null, "{what}");
    }
    mesh.asks(&aliases(50)).await;
    let fine = mesh.asks(&aliases(50)).await;
    assert_eq!(fine.status, 200);
    assert!(fine.json.get("errors").is_none(), "{}", fine.text);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn fragments_that_run_in_circles_or_multiply_are_refused() {
    let mesh = TestMesh::start().await;
    let doubling = |i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }}", i + 1);
    // Spread out, these would be more than any machine has time or room for.
    let bomb = (0..60).map(doubling).collect::<Vec<_>>().join(" ");
    for document in [
        "{ ...A } fragment A on Query { ...A }".to_owned(),
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
        format!("{{ ...F0 }} {bomb} fragment F60 on Query {{ __typename }}"),
        format!(
            "query A {{ __typename }} query B {{ ...F0 }} {bomb} fragment F60 on Query {{ __typename }}"
        ),
    ] {
        let reply = tokio::time::timeout(PATIENCE, mesh.asks(&document)).await;
        let reply = reply.expect("it is refused and not run");
        assert_eq!(reply.refusal().0, "ValidationError", "{document}");
        mesh.still_serves().await;
    }
}

#[apply(case!)]
async fn bytes_that_are_no_utf_8_are_unreadable() {
    let mesh = TestMesh::start().await;
    for body in [
        &b"{\"query\":\"{ __typename }\xff\xfe\"}"[..],
        br#"{"query":"{ getNodeStatus(nodeId: \"\ud800\") { nodeId } }"}"#,
        br#"{"query":"{ __typename }","variables":{"x":"\ud800"}}"#,
    ] {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .header("x-api-key", &mesh.key);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let reply = Reply::to(request).await;
        reply.is_turned_away(400, MALFORMED, "Unable to parse GraphQL query.");
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn values_of_the_wrong_type_are_refused() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    for (field, wrong) in [
        ("joinGroup", json!({"nodeId": {}})),
        ("joinGroup", json!({"nodeId": [1, 2]})),
        ("joinGroup", json!({"nodeId": "n", "useWebSocket": "yes"})),
        ("reportDataByNode", json!({"nodeId": "n", "data": "x"})),
        (
            "reportDataByNode",
            json!({"nodeId": "n", "data": [{"key": "a"}]}),
        ),
        (
            "reportDataByNode",
            json!({"nodeId": "n", "data": [{"key": "a", "value": 7}]}),
        ),
        ("reportDataByNode", json!({"nodeId": "n", "data": [null]})),
        (
            "reportDataByNode",
            json!({"nodeId": "n", "data": [{"key": "a", "value": "1", "more": 1}]}),
        ),
        (
            "fireEventsByNode",
            json!({"nodeId": "n", "events": [{"eventName": "go"}]}),
        ),
        ("getEventsSince", json!({"since": 7})),
        (
            "createGroup",
            json!({"name": "n", "hostId": "h", "useWebSocket": true, "maxConnectionTimeSeconds": 1.5}),
        ),
        (
            "createGroup",
            json!({"name": "n", "hostId": "h", "useWebSocket": true, "maxConnectionTimeSeconds": 3_000_000_000_u64}),
        ),
    ] {
        group.calls(field, wrong).await.cannot_run();
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_request_that_never_ends_is_hung_up_on() {
    let hasty = |setup: &mut Setup| setup.http.patience = Duration::from_secs(2);
    let mesh = TestMesh::own(hasty).await;
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
async fn whoever_asks_no_more_or_never_reads_its_answers_loses_its_place() {
    let soon = Duration::from_secs(1);
    let one_place = |setup: &mut Setup| {
        (setup.http.patience, setup.http.idle) = (soon, soon);
        setup.http.connections = 1;
    };
    let mesh = TestMesh::own(one_place).await;
    let mut quiet = Wire::to(&mesh).await;
    quiet
        .writes(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let answer = String::from_utf8(quiet.reads_to_the_end().await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // More than any buffer on the way holds.
    let page = b"GET /graphql/assets/graphiql.js HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut deaf = Wire::to(&mesh).await;
    deaf.writes(&page.repeat(50)).await;
    let served = tokio::time::timeout(PATIENCE, mesh.still_serves()).await;
    served.expect("the only place is free again");
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
async fn bytes_that_are_no_http_are_answered_and_hung_up_on() {
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
async fn whoever_finds_no_place_waits_for_one() {
    let mesh = TestMesh::own(|setup| setup.http.connections = 2).await;
    let (mut first, second) = (mesh.opens().await, mesh.opens().await);
    let waiting = mesh.asks("{ __typename }");
    let mut waiting = std::pin::pin!(waiting);
    // The server answers those that have a place many times over.
    let others = async {
        for _ in 0..100 {
            first.sends(Message::Ping("frame".into())).await;
            let answer = first.next(PATIENCE).await;
            assert_eq!(answer, Some(Message::Pong("frame".into())));
        }
    };
    tokio::select! {
        biased;
        early = &mut waiting => panic!("there is no place yet: {early:?}"),
        () = others => {}
    }
    first.breaks();
    waiting.await.value();
    second.breaks();
}
