//! The direct way answers what the engine answers, and takes only what it may.

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::resolvers::DocumentLimits;
use crate::resolvers::answer::Answer;
use crate::resolvers::document::Ask;
use crate::resolvers::run::Runner;

const REPORT: &str =
    "mutation R($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
  told: reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) {
    __typename groupId ...F batchEvent { timestamp } nodeStatus { data { v: value key } } } }
  fragment F on MeshMessage { domain nodeStatus { nodeId __typename } groupDissolve { message } }";
const FIRE: &str =
    "mutation F($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) {
  fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) {
    batchEvent { firedByNodeId events { name payload timestamp orderKey cursor __typename } } } }";

fn runner() -> Runner {
    Runner::new(
        Mesh::in_memory(),
        DocumentLimits::default(),
        TaskTracker::new(),
    )
}

async fn by_engine(runner: &Runner, query: &str, variables: &Value) -> String {
    let text = serde_json::to_string(&json!({"query": query, "variables": variables})).unwrap();
    let ask = Ask::read(text.as_bytes()).unwrap();
    let document = runner.documents().get(&ask).unwrap();
    let response = runner
        .answer(document, ask.variables().unwrap(), Caller::default())
        .await
        .unwrap();
    serde_json::to_string(&Answer(&response)).unwrap()
}

async fn directly(runner: &Runner, query: &str, variables: &Value) -> Option<String> {
    let ask = Ask::new(query.into(), None, None).unwrap();
    let document = runner.documents().get(&ask).unwrap();
    let body = runner
        .answer_directly(&document, &variables.to_string())
        .await?;
    Some(String::from_utf8(body).unwrap())
}

async fn group(runner: &Runner) -> String {
    let query = "mutation { createGroup(name: \"n\", hostId: \"h\", domain: \"d\", useWebSocket: true) { id } }";
    let made: Value = serde_json::from_str(&by_engine(runner, query, &json!({})).await).unwrap();
    made["data"]["createGroup"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn report(group: &str) -> Value {
    json!({"groupId": group, "domain": "d", "nodeId": "こ\"\n".trim(), "data": [{"key": "🎈", "value": "\\"}]})
}

fn fire(group: &str) -> Value {
    let event = json!({"eventName": "go", "payload": "", "firedAt": "2026-11-21T04:40:35+09:00"});
    json!({"groupId": group, "domain": "d", "nodeId": "n", "events": [event]})
}

#[tokio::test]
async fn a_proven_document_is_answered_as_by_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for (query, variables) in [(REPORT, report(&group)), (FIRE, fire(&group))] {
        assert_eq!(
            directly(&runner, query, &variables).await,
            None,
            "not before the engine has proven it"
        );
        let engine = by_engine(&runner, query, &variables).await;
        assert!(!engine.contains("errors"), "{engine}");
        assert_eq!(directly(&runner, query, &variables).await, Some(engine));
    }
}

#[tokio::test]
async fn a_refusal_reads_as_the_engines() {
    let runner = runner();
    let group = group(&runner).await;
    by_engine(&runner, REPORT, &report(&group)).await;
    for changed in [
        json!({"groupId": "gone"}),
        json!({"nodeId": ""}),
        json!({"domain": "a#b"}),
    ] {
        let mut variables = report(&group);
        variables
            .as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        let engine = by_engine(&runner, REPORT, &variables).await;
        assert!(engine.contains("errorType"), "{engine}");
        assert_eq!(directly(&runner, REPORT, &variables).await, Some(engine));
    }
}

#[tokio::test]
async fn what_is_not_plain_is_left_to_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    by_engine(&runner, REPORT, &report(&group)).await;
    by_engine(&runner, FIRE, &fire(&group)).await;
    let change = |mut variables: Value, name: &str, value: Value| {
        variables[name] = value;
        variables
    };
    for variables in [
        change(report(&group), "nodeId", json!(7)),
        change(report(&group), "nodeId", Value::Null),
        change(report(&group), "data", json!({"key": "k", "value": "v"})),
        change(
            report(&group),
            "data",
            json!([{"key": "k", "value": "v", "x": 1}]),
        ),
        change(report(&group), "data", json!([{"key": "k"}])),
    ] {
        assert_eq!(
            directly(&runner, REPORT, &variables).await,
            None,
            "{variables}"
        );
    }
    let no_time = json!([{"eventName": "go", "firedAt": "yesterday"}]);
    assert_eq!(
        directly(&runner, FIRE, &change(fire(&group), "events", no_time)).await,
        None
    );
}

#[tokio::test]
async fn a_document_that_is_more_than_one_plain_mutation_is_left_to_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    let variables = report(&group);
    for query in [
        REPORT.replace(
            "__typename groupId",
            "__typename @include(if: true) groupId",
        ),
        REPORT.replace("told:", "a: createDomain told:"),
        REPORT
            .replace("nodeId: $nodeId", "nodeId: \"me\"")
            .replace("$nodeId: ID!, ", ""),
    ] {
        let engine = by_engine(&runner, &query, &variables).await;
        assert!(!engine.contains("errors"), "{engine}");
        assert_eq!(directly(&runner, &query, &variables).await, None, "{query}");
    }
}

#[test]
fn fragments_in_a_circle_never_become_a_document() {
    let circle = REPORT.replace("domain nodeStatus", "domain ...F nodeStatus");
    let ask = Ask::new(circle.as_str().into(), None, None).unwrap();
    assert!(runner().documents().get(&ask).is_err());
}
