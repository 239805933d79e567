//! Documents and variables over HTTP.

use serde_json::{Value, json};

use crate::support::TestMesh;

#[apply(case!)]
async fn one_of_several_operations_must_be_named() {
    let mesh = TestMesh::start().await;
    let document = "query A { a: __typename } query B { b: __typename }";
    let unnamed = mesh.executes(document).await;
    unnamed.is_rejected(400, "BadRequestException", "Missing operation name.");
    let named = mesh
        .posts(&json!({"query": document, "operationName": "B"}))
        .await;
    assert_eq!(named.json["data"], json!({"b": "Query"}));
    let unknown = mesh
        .posts(&json!({"query": document, "operationName": "C"}))
        .await;
    unknown.cannot_run();
}

#[apply(case!)]
async fn invalid_documents_are_answered_with_200_and_the_location() {
    let mesh = TestMesh::start().await;
    for document in [
        "{\n  nothing\n}",
        "",
        "# nothing",
        "{ __typename",
        "{ listGroupsByDomain { id } }",
        "{ listGroupsByDomain(domain: 7) { id } }",
        "{ listGroupsByDomain(domain: \"d\", more: 1) { id } }",
        "{ listGroupsByDomain(domain: \"d\") }",
        "{ ...F }",
        "query ($x: Nothing) { __typename }",
        "{ listGroupsByDomain(domain: $x) { id } }",
    ] {
        let reply = mesh.executes(document).await;
        assert_eq!(
            (reply.status, &reply.json["data"]),
            (200, &Value::Null),
            "{}",
            reply.text
        );
        let error = &reply.json["errors"][0];
        assert_eq!(error["path"], Value::Null, "{}", reply.text);
        reply.cannot_run();
        assert!(error["locations"][0]["line"].is_u64(), "{}", reply.text);
    }
    let unknown = mesh.executes("{\n  nothing\n}").await;
    assert_eq!(
        unknown.json["errors"][0]["locations"],
        json!([{"line": 2, "column": 3, "sourceName": null}])
    );
}

#[apply(case!)]
async fn a_missing_variable_is_refused_in_appsyncs_words() {
    let mesh = TestMesh::start().await;
    let document = "query ($domain: String!) { listGroupsByDomain(domain: $domain) { id } }";
    for variables in [json!({}), json!({"domain": null}), Value::Null] {
        let reply = mesh.executes_with(document, variables).await;
        let message = "Variable 'domain' has coerced Null value for NonNull type 'String!'";
        assert_eq!(reply.cannot_run(), message);
    }
}

#[apply(case!)]
async fn a_nullable_variable_may_be_missing() {
    let mesh = TestMesh::start().await;
    let document = "query ($p: String!, $limit: Int) {
        searchGroupsByNamePrefix(namePrefix: $p, limit: $limit) { id }
    }";
    mesh.executes_with(document, json!({"p": "none"}))
        .await
        .value();
    mesh.executes_with(document, json!({"p": "none", "limit": null}))
        .await
        .value();
}
