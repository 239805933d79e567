//! The built function on a DynamoDB table, asked as AWS asks it (protocol section 3).

use serde_json::{Value, json};

use crate::support::program::{folder, said};
use crate::support::runtime_api::{Lambda, ends_at_once};
use crate::support::store::a_table;

/// A secret that production takes; no word of it may ever be logged.
const SECRET: &str = "a lambda secret of the suite";

/// A direct resolver event, asked with an API key.
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

/// A table of a test's own, and the settings that lead functions to it.
struct Stage {
    endpoint: String,
    table: String,
}

impl Stage {
    async fn new() -> Self {
        let (settings, _) = a_table().await;
        Self {
            endpoint: settings.endpoint.expect("the engine's address"),
            table: settings.table,
        }
    }

    async fn function(&self, more: &[(&str, &str)]) -> Lambda {
        let to_the_table = [
            ("TABLE_NAME", self.table.as_str()),
            ("DYNAMODB_ENDPOINT", self.endpoint.as_str()),
            // The machine may be busy with other tests.
            ("MESH_DYNAMODB_ATTEMPT_MS", "20000"),
            ("MESH_DYNAMODB_REQUEST_MS", "25000"),
        ];
        Lambda::start(&[&to_the_table[..], more].concat()).await
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

/// A polling group of a teacher's, by its id.
async fn group(function: &Lambda) -> String {
    let asked = json!({"name": "class", "hostId": "teacher", "domain": "d", "useWebSocket": false});
    let made = mutates(function, "createGroup", asked).await;
    made["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

#[apply(case!)]
async fn a_lesson_is_answered_by_whichever_instance_is_asked() {
    let stage = Stage::new().await;
    let (one, other) = tokio::join!(stage.function(&[]), stage.function(&[]));
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
    // Twice by each: first by the engine, then by the direct way.
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
async fn simultaneous_instances_make_one_group() {
    let stage = Stage::new().await;
    let (one, other) = tokio::join!(stage.function(&[]), stage.function(&[]));
    let (here, there) = tokio::join!(group(&one), group(&other));
    assert_eq!(here, there, "D4");
}

#[apply(case!)]
async fn a_batch_is_answered_item_by_item() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    let of = |node: &str| event("Query", "getNodeStatus", &json!({"nodeId": node}));
    let answer = function.invoke(json!([of("kitten"), of("#"), {}])).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer[0], json!({"data": null}));
    assert_eq!(answer[1]["errorType"], "ValidationError");
    assert_eq!(answer[2]["errorType"], "MalformedEvent");
    assert_eq!(answer.as_array().map(Vec::len), Some(3));
}

#[apply(case!)]
async fn an_event_of_another_schema_fails_is_logged_once_and_hurts_no_other() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
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
async fn d2_a_domain_is_keyed_and_is_that_of_the_pupils_address() {
    let stage = Stage::new().await;
    let function = stage
        .function(&[("STAGE", "prod"), ("MESH_SECRET_KEY", SECRET)])
        .await;
    let address = "203.0.113.77".parse().ok();
    assert_eq!(
        mutates(&function, "createDomain", json!({})).await,
        mesh_v2::domains::DomainKey::new(SECRET.as_bytes()).domain_of(address)
    );
}

#[apply(case!)]
async fn d21_a_table_that_does_not_answer_is_a_failure_that_can_be_told_and_tried_again() {
    let stage = Stage::new().await;
    let function = Lambda::start(&[
        ("DYNAMODB_TABLE_NAME", "MeshV2Table-nobody-made-this"),
        ("DYNAMODB_ENDPOINT", &stage.endpoint),
    ])
    .await;
    let told = queries(&function, "getNodeStatus", json!({"nodeId": "kitten"})).await;
    assert_eq!(
        told,
        json!({"error": {
            "type": "InternalFailure",
            "message": "The service is busy or out of order. Please try again.",
        }})
    );
    assert!(
        function.log().contains("ResourceNotFound"),
        "the log says why: {}",
        function.log()
    );
}

#[apply(case!)]
fn d1_production_does_not_start_without_a_secret_of_its_own() {
    for secret in [None, Some(""), Some("default-secret-key"), Some("short")] {
        let mut settings = vec![("STAGE", "prod"), ("MESH_API_KEYS", "da2-spec-kitchen-key")];
        settings.extend(secret.map(|secret| ("MESH_SECRET_KEY", secret)));
        let output = ends_at_once(&settings);
        let said = said(&output.stderr);
        assert!(!output.status.success(), "{secret:?}: {said}");
        assert!(said.contains("MESH_SECRET_KEY"), "{secret:?}: {said}");
        assert!(!said.contains("spec-kitchen"), "{said}");
    }
}

#[apply(case!)]
fn settings_that_cannot_work_are_told_at_the_start() {
    for (name, value) in [
        ("STAGE", "production-2"),
        ("MESH_EVENT_TTL_SECONDS", "2"),
        ("MESH_LOG", "info,="),
    ] {
        let output = ends_at_once(&[(name, value)]);
        let said = said(&output.stderr);
        assert!(!output.status.success(), "{name}: {said}");
        let flag = name
            .trim_start_matches("MESH_")
            .trim_end_matches("_SECONDS");
        let flag = format!("--{}", flag.to_lowercase().replace('_', "-"));
        assert!(
            said.contains(name) || said.contains(&flag),
            "{name}: {said}"
        );
    }
}

#[apply(case!)]
fn outside_of_lambda_the_program_says_what_it_is() {
    let folder = folder();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mesh-v2-lambda"));
    let output = command.current_dir(folder.path()).env_clear().output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output.stderr).contains("run mesh-v2"), "{output:?}");
}

#[apply(case!)]
async fn nothing_private_is_logged_and_a_blocked_network_is() {
    let stage = Stage::new().await;
    let settings = [("MESH_LOG", "trace"), ("MESH_SECRET_KEY", SECRET)];
    let function = stage.function(&settings).await;
    let asked = json!({
        "name": "ひみつの組",
        "hostId": "hidden-host",
        "domain": "hidden-domain",
        "useWebSocket": false,
    });
    let made = mutates(&function, "createGroup", asked).await;
    let here = json!({"groupId": made["id"], "domain": "hidden-domain", "nodeId": "hidden-kitten"});
    let with = |name: &str, list: Value| {
        let mut arguments = here.clone();
        arguments[name] = list;
        arguments
    };
    mutates(&function, "joinGroup", with("useWebSocket", json!(false))).await;
    let data = json!([{"key": "hidden-key", "value": "hidden-value"}]);
    for _ in 0..2 {
        mutates(&function, "reportDataByNode", with("data", data.clone())).await;
    }
    let event_of_a_child = json!({
        "eventName": "hidden-event",
        "payload": "hidden-payload",
        "firedAt": "2026-11-21T04:40:35Z",
    });
    let events = json!([event_of_a_child]);
    mutates(&function, "recordEventsByNode", with("events", events)).await;
    mutates(&function, "createDomain", json!({})).await;
    mutates(
        &function,
        "renewHeartbeat",
        json!({"groupId": made["id"], "domain": "hidden-domain", "hostId": "hidden-other"}),
    )
    .await;
    let failed = function.invoke(json!({"hidden": "hidden-odd"})).await;
    failed.expect_err("no event");
    let failed = function
        .invoke(event(
            "Query",
            "getNodeStatus",
            &json!({"nodeId": "n", "x": "hidden-argument"}),
        ))
        .await;
    failed.expect_err("no such argument");

    let log = function.log();
    for private in ["ひみつ", "hidden", "203.0.113.77", SECRET, "spec-kitchen"] {
        assert!(!log.contains(private), "{private} is in the log");
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for told in [
        "createGroup fallback to Polling",
        "joinGroup fallback to Polling",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}");
    }
}
