//! Malformed and hostile input over HTTP: a clear answer, and other clients are unaffected.

mod connections;

use serde_json::{Value, json};

use crate::support::mesh::TIMEOUT;
use crate::support::{Reply, TestMesh};

const MALFORMED: &str = "MalformedHttpRequestException";

#[apply(case!)]
async fn a_body_that_is_too_large_is_refused_as_such() {
    let mesh = TestMesh::own(|setup| setup.http.body_bytes = 4096).await;
    let document = format!("{{ __typename }} # {}", "x".repeat(5000));
    let reply = mesh.executes(&document).await;
    reply.is_rejected(413, MALFORMED, "The request's body is too large.");
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_body_of_many_megabytes_is_not_read_into_memory() {
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
    // The server answers and disconnects while the body is still being sent: a client that
    // keeps writing may see either.
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
            let reply = mesh.executes(&document).await;
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
        reply.is_rejected(400, MALFORMED, "Unable to parse GraphQL query.");
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
        let reply = mesh.executes(&document).await;
        assert_eq!(reply.error().0, "ValidationError", "{what}");
        assert_eq!(reply.json["data"], Value::Null, "{what}");
    }
    mesh.executes(&aliases(50)).await;
    let fine = mesh.executes(&aliases(50)).await;
    assert_eq!(fine.status, 200);
    assert!(fine.json.get("errors").is_none(), "{}", fine.text);
    mesh.still_serves().await;
}

#[apply(case!)]
async fn fragments_with_cycles_or_that_multiply_are_refused() {
    let mesh = TestMesh::start().await;
    let doubling = |i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }}", i + 1);
    // Expanded, these would exceed the time and memory of any machine.
    let bomb = (0..60).map(doubling).collect::<Vec<_>>().join(" ");
    for document in [
        "{ ...A } fragment A on Query { ...A }".to_owned(),
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
        format!("{{ ...F0 }} {bomb} fragment F60 on Query {{ __typename }}"),
        format!(
            "query A {{ __typename }} query B {{ ...F0 }} {bomb} fragment F60 on Query {{ __typename }}"
        ),
    ] {
        let reply = tokio::time::timeout(TIMEOUT, mesh.executes(&document)).await;
        let reply = reply.expect("it is refused and not run");
        assert_eq!(reply.error().0, "ValidationError", "{document}");
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
        reply.is_rejected(400, MALFORMED, "Unable to parse GraphQL query.");
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
