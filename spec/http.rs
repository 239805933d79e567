//! Requests over HTTP (docs/protocols.md, HTTP).

mod documents;

use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{Reply, Socket, TestMesh};

const MALFORMED: &str = "MalformedHttpRequestException";
const UNREADABLE: &str = "Unable to parse GraphQL query.";

fn post(mesh: &TestMesh) -> RequestBuilder {
    mesh.http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key)
}

async fn post_body(mesh: &TestMesh, body: impl Into<reqwest::Body>) -> Reply {
    Reply::to(
        post(mesh)
            .header("content-type", "application/json")
            .body(body),
    )
    .await
}

#[apply(case!)]
async fn both_content_types_carry_the_envelope() {
    let mesh = TestMesh::start().await;
    for kind in [
        "application/json",
        "application/graphql",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        let request = post(&mesh)
            .header("content-type", kind)
            .body(r#"{"query":"{__typename}"}"#);
        let reply = Reply::to(request).await;
        assert_eq!(
            (reply.status, &*reply.text),
            (200, r#"{"data":{"__typename":"Query"}}"#)
        );
        assert_eq!(
            reply.header("content-type"),
            "application/json;charset=UTF-8"
        );
    }
}

#[apply(case!)]
async fn an_accept_header_does_not_change_the_answer() {
    let mesh = TestMesh::start().await;
    for accept in [
        "*/*",
        "application/graphql-response+json,application/json;q=0.9",
        "text/html",
    ] {
        let request = post(&mesh)
            .header("accept", accept)
            .json(&json!({"query": "{__typename}"}));
        let reply = Reply::to(request).await;
        assert_eq!(
            reply.header("content-type"),
            "application/json;charset=UTF-8",
            "{accept}"
        );
        reply.value();
    }
}

#[apply(case!)]
async fn unknown_members_of_the_envelope_are_ignored_and_variables_may_be_null() {
    let mesh = TestMesh::start().await;
    let envelope = json!({
        "query": "query Q { __typename }", "variables": null, "operationName": "Q",
        "extensions": {"clientLibrary": {"name": "n"}}, "more": [1, 2],
    });
    mesh.posts(&envelope).await.value();
    mesh.posts(&json!({"query": "{ __typename }", "operationName": null}))
        .await
        .value();
    mesh.posts(&json!({"query": "{ __typename }", "operationName": ""}))
        .await
        .value();
}

#[apply(case!)]
async fn a_get_request_has_its_query_or_mutation_in_the_url() {
    let mesh = TestMesh::start().await;
    let host = mesh.id("teacher");
    let document = "mutation M($name: String!, $domain: String!, $host: ID!) {
        createGroup(name: $name, hostId: $host, domain: $domain, useWebSocket: true) { name }
    } query Q { __typename }";
    let variables = json!({"name": "ク ラ+ス&=", "domain": mesh.domain, "host": host});
    let get = |parts: &[(&str, &str)]| {
        let mut url = reqwest::Url::parse(&mesh.endpoint).expect("a URL");
        url.query_pairs_mut().extend_pairs(parts);
        mesh.http().get(url).header("x-api-key", &mesh.key)
    };
    let parts = [
        ("query", document),
        ("variables", &variables.to_string()),
        ("operationName", "M"),
    ];
    let made = Reply::to(get(&parts)).await.value();
    assert_eq!(made, json!({"name": "ク ラ+ス&="}));
    Reply::to(get(&[("query", "{__typename}"), ("variables", "")]))
        .await
        .value();
    Reply::to(get(&[("query", "{__typename}"), ("variables", "null")]))
        .await
        .value();
    for wrong in [
        &[][..],
        &[("variables", "{}")],
        &[("query", "{__typename}"), ("variables", "{")],
    ] {
        Reply::to(get(wrong))
            .await
            .is_rejected(400, MALFORMED, UNREADABLE);
    }
}

#[apply(case!)]
async fn an_empty_body_is_refused_as_such() {
    let mesh = TestMesh::start().await;
    for body in ["", " \n\t "] {
        let refused = post_body(&mesh, body).await;
        refused.is_rejected(400, MALFORMED, "Request body is empty.");
    }
}

#[apply(case!)]
async fn a_body_that_is_no_request_cannot_be_parsed() {
    let mesh = TestMesh::start().await;
    for body in [
        "meow",
        "{}",
        "[]",
        "null",
        "7",
        "{\"query\":",
        r#"{"query":null}"#,
        r#"{"query":7}"#,
        r#"{"query":"{__typename}","variables":[]}"#,
        r#"{"query":"{__typename}","variables":"x"}"#,
        r#"[{"query":"{__typename}"}]"#,
    ] {
        let reply = post_body(&mesh, body).await;
        reply.is_rejected(400, MALFORMED, UNREADABLE);
        assert!(!reply.header("x-amzn-requestid").is_empty());
    }
    let request = post(&mesh)
        .header("content-type", "text/plain")
        .body(r#"{"query":"{__typename}"}"#);
    Reply::to(request)
        .await
        .is_rejected(400, MALFORMED, UNREADABLE);
    let request = post(&mesh).body(r#"{"query":"{__typename}"}"#);
    Reply::to(request)
        .await
        .is_rejected(400, MALFORMED, UNREADABLE);
}

#[apply(case!)]
async fn a_missing_and_a_wrong_key_are_unauthorized() {
    let mesh = TestMesh::start().await;
    let envelope = json!({"query": "{ __typename }"});
    let kind = "UnauthorizedException";
    let without = mesh.http().post(&mesh.endpoint).json(&envelope);
    Reply::to(without)
        .await
        .is_rejected(401, kind, "Valid authorization header not provided.");
    for wrong in ["da2-wrong", "", &mesh.key.to_uppercase()] {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .header("x-api-key", wrong)
            .json(&envelope);
        let reply = Reply::to(request).await;
        reply.is_rejected(401, kind, "You are not authorized to make this call.");
    }
    let get = mesh
        .http()
        .get(format!("{}?query={{__typename}}", mesh.endpoint));
    Reply::to(get)
        .await
        .is_rejected(401, kind, "Valid authorization header not provided.");
}

#[apply(case!)]
async fn every_answer_has_a_request_id_of_its_own() {
    let mesh = TestMesh::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = mesh.executes("{ __typename }").await;
        ids.push(uuid::Uuid::parse_str(reply.header("x-amzn-requestid")).expect("a UUID"));
    }
    // No part is a counter: a caller's ids do not reveal how many calls others make.
    let halves = |id: &uuid::Uuid| id.as_u64_pair();
    let (first, second) = (halves(&ids[0]), halves(&ids[1]));
    assert!(first.0 != second.0 && first.1 != second.1, "{ids:?}");
}

#[apply(case!)]
async fn a_subscription_over_http_is_refused() {
    let mesh = TestMesh::start().await;
    let document = r#"subscription { onMessageInGroup(groupId: "g", domain: "d") { groupId } }"#;
    let reply = mesh.executes(document).await;
    let message = "Subscriptions are not supported over HTTP; open a WebSocket at /graphql/realtime or /graphql, or an event stream at /graphql/stream.";
    reply.is_rejected(400, "BadRequestException", message);
}

#[apply(case!)]
async fn an_endpoint_that_ends_with_a_slash_is_the_same() {
    let mesh = TestMesh::start().await;
    let endpoint = format!("{}/", mesh.endpoint);
    let posted = mesh.http().post(&endpoint).header("x-api-key", &mesh.key);
    let posted = Reply::to(posted.json(&json!({"query": "{ __typename }"}))).await;
    assert_eq!(posted.value(), "Query");
    let request = mesh.http().get(format!("{endpoint}?query={{__typename}}"));
    let reply = Reply::to(request.header("x-api-key", &mesh.key)).await;
    assert_eq!(reply.value(), "Query");
    let page = mesh.http().get(&endpoint).header("accept", "text/html");
    let page = page.send().await.expect("the server answers");
    assert_eq!(
        page.url().as_str(),
        mesh.endpoint,
        "where the page finds its parts"
    );
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let group = mesh.host("teacher").creates("class").await;
    for path in ["/graphql/", "/graphql//realtime", "/graphql/realtime/"] {
        let mut socket = Socket::connect(&mesh, path, Some(&mesh.key)).await;
        socket.is_acknowledged().await;
        socket.subscribes("1", &group.id, &group.domain).await;
        group.node("kitten").fires([path]).await;
        let received = socket.receives().await;
        let name =
            &received["payload"]["data"]["onMessageInGroup"]["batchEvent"]["events"][0]["name"];
        assert_eq!(name, path);
    }
}

#[apply(case!)]
async fn the_server_answers_liveness_and_readiness_checks() {
    let mesh = TestMesh::own(|_| {}).await;
    for path in ["/healthz", "/readyz"] {
        let reply = Reply::to(mesh.http().get(format!("{}{path}", mesh.origin()))).await;
        assert_eq!((reply.status, &*reply.text), (200, "ok\n"), "{path}");
    }
    let nowhere = Reply::to(mesh.http().get(format!("{}/nowhere", mesh.origin()))).await;
    assert_eq!(nowhere.status, 404);
}
