//! The built function on a DynamoDB table, invoked as AWS invokes it (docs/protocols.md, Lambda events).

mod start;

use serde_json::{Value, json};

use crate::support::runtime_api::Lambda;
use crate::support::store::a_table;

/// A secret that production accepts; no word of it may be logged.
const SECRET: &str = "a lambda secret of the suite";

/// A direct resolver event of a request with an API key.
fn event(parent: &str, field: &str, arguments: &Value) -> Value {
    let headers = json!({
        "x-forwarded-for": "203.0.113.77, 130.176.1.1",
        "host": "example.appsync-api.ap-northeast-1.amazonaws.com",
        "x-api-key": "da2-spec-kitchen-key",
    });
    json!({
        "arguments": arguments,
        "identity": null,
        "source": null,
        "request": {"headers": headers, "domainName": null},
        "prev": null,
        "info": {
            "selectionSetList": ["id", "mine"],
            "selectionSetGraphQL": "{\n  id\n  mine: name\n}",
            "parentTypeName": parent,
            "fieldName": field,
            "variables": {},
        },
        "stash": {},
    })
}

/// A table of this case alone, and the settings with which functions use it.
struct Table {
    endpoint: String,
    name: String,
}

impl Table {
    async fn new() -> Self {
        let (settings, _) = a_table().await;
        Self {
            endpoint: settings.endpoint.expect("the engine's address"),
            name: settings.table,
        }
    }

    async fn function(&self, more: &[(&str, &str)]) -> Lambda {
        let of_the_table = [
            ("TABLE_NAME", self.name.as_str()),
            ("DYNAMODB_ENDPOINT", self.endpoint.as_str()),
            // The machine may be busy with other tests.
            ("MESH_DYNAMODB_ATTEMPT_MS", "20000"),
            ("MESH_DYNAMODB_REQUEST_MS", "25000"),
        ];
        Lambda::start(&[&of_the_table[..], more].concat()).await
    }
}

async fn mutates(function: &Lambda, field: &str, arguments: Value) -> Value {
    let answer = function.invoke(event("Mutation", field, &arguments)).await;
    answer.unwrap_or_else(|error| panic!("{field}: {error:?}\n{}", function.log()))
}

async fn queries(function: &Lambda, field: &str, arguments: Value) -> Value {
    let answer = function.invoke(event("Query", field, &arguments)).await;
    answer.unwrap_or_else(|error| panic!("{field}: {error:?}\n{}", function.log()))
}

/// Creates a polling group and returns its id.
async fn group(function: &Lambda) -> String {
    let arguments =
        json!({"name": "class", "hostId": "teacher", "domain": "d", "useWebSocket": false});
    let made = mutates(function, "createGroup", arguments).await;
    made["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

#[apply(case!)]
async fn each_instance_answers_any_call_of_a_lesson() {
    let table = Table::new().await;
    let (one, other) = tokio::join!(table.function(&[]), table.function(&[]));
    assert_ne!(one.pid(), other.pid());
    let id = group(&one).await;
    let here = json!({"groupId": id, "domain": "d"});
    let by = |rest: Value| {
        let mut arguments = here.clone();
        let rest = rest.as_object().expect("arguments").clone();
        arguments.as_object_mut().expect("arguments").extend(rest);
        arguments
    };
    let joined = mutates(
        &other,
        "joinGroup",
        by(json!({"nodeId": "kitten", "useWebSocket": false})),
    )
    .await;
    assert_eq!(joined["name"], "Node kitten");
    let data = json!([{"key": "気温", "value": "21"}]);
    // Twice by each: first by the engine, then on the fast path.
    for function in [&one, &other, &one, &other] {
        let report = mutates(
            function,
            "reportDataByNode",
            by(json!({"nodeId": "kitten", "data": data})),
        )
        .await;
        assert_eq!(report["nodeStatus"]["data"], data);
    }
    let events = json!([{"eventName": "go", "firedAt": "2026-11-21T04:40:35.740Z"}]);
    let fired = mutates(
        &one,
        "fireEventsByNode",
        by(json!({"nodeId": "teacher", "events": events})),
    )
    .await;
    assert_eq!(fired["batchEvent"]["events"][0]["name"], "go");
    let polled = queries(&other, "pollGroupData", by(json!({"since": ""}))).await;
    assert_eq!(
        polled["events"][0]["name"], "go",
        "fired events are kept for those who poll (D13)"
    );
    assert_eq!(polled["nodeStatuses"][0]["data"], data);
    let dissolved = mutates(&other, "dissolveGroup", by(json!({"hostId": "teacher"}))).await;
    assert_eq!(dissolved["groupDissolve"]["groupId"], id.as_str());
    assert_eq!(
        queries(&one, "listGroupsByDomain", json!({"domain": "d"})).await,
        json!([])
    );
    let message = format!("Group not found: {id}@d");
    let refused = mutates(
        &one,
        "reportDataByNode",
        by(json!({"nodeId": "kitten", "data": data})),
    )
    .await;
    assert_eq!(
        refused,
        json!({"error": {"type": "GroupNotFound", "message": message}})
    );
}

#[apply(case!)]
async fn simultaneous_creates_on_two_instances_give_one_group() {
    let table = Table::new().await;
    let (one, other) = tokio::join!(table.function(&[]), table.function(&[]));
    let (here, there) = tokio::join!(group(&one), group(&other));
    assert_eq!(here, there, "D4");
}

#[apply(case!)]
async fn a_batch_is_answered_item_by_item() {
    let table = Table::new().await;
    let function = table.function(&[]).await;
    let of = |node: &str| event("Query", "getNodeStatus", &json!({"nodeId": node}));
    let answer = function.invoke(json!([of("kitten"), of("#"), {}])).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer[0], json!({"data": null}));
    assert_eq!(answer[1]["errorType"], "ValidationError");
    assert_eq!(answer[2]["errorType"], "MalformedEvent");
    assert_eq!(answer.as_array().map(Vec::len), Some(3));
}

#[apply(case!)]
async fn an_event_of_another_schema_fails_and_is_logged_once() {
    let table = Table::new().await;
    let function = table.function(&[]).await;
    let failed = function
        .invoke(event(
            "Mutation",
            "createCastle",
            &json!({"name": "ひみつ"}),
        ))
        .await;
    let failed = failed.expect_err("no such field");
    assert_eq!(failed.kind, "MalformedEvent");
    assert!(
        failed
            .message
            .starts_with("Mutation.createCastle is not answered here"),
        "{}",
        failed.message
    );
    group(&function).await;
    assert_eq!(
        function.log().matches("createCastle").count(),
        1,
        "{}",
        function.log()
    );
}

#[apply(case!)]
async fn d2_a_domain_depends_on_the_key_and_the_callers_address() {
    let table = Table::new().await;
    let function = table
        .function(&[("STAGE", "prod"), ("MESH_SECRET_KEY", SECRET)])
        .await;
    let address = "203.0.113.77".parse().ok();
    assert_eq!(
        mutates(&function, "createDomain", json!({})).await,
        mesh_v2::domains::DomainKey::new(SECRET.as_bytes()).domain_of(address)
    );
}

#[apply(case!)]
async fn d21_a_missing_table_is_an_internal_error_that_may_be_retried() {
    let table = Table::new().await;
    let function = Lambda::start(&[
        ("DYNAMODB_TABLE_NAME", "MeshV2Table-missing"),
        ("DYNAMODB_ENDPOINT", &table.endpoint),
    ])
    .await;
    let answer = queries(&function, "getNodeStatus", json!({"nodeId": "kitten"})).await;
    assert_eq!(
        answer,
        json!({"error": {
            "type": "InternalFailure",
            "message": "The service is busy or out of order. Please try again.",
        }})
    );
    assert!(
        function.log().contains("ResourceNotFound"),
        "the log has the cause: {}",
        function.log()
    );
}
