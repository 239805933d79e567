//! The direct way answers what the engine answers, and takes only what it may.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::resolvers::DocumentLimits;
use crate::resolvers::document::GraphQlRequest;
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
const STATUSES: &str = "query S($groupId: ID!, $domain: String!) {
  all: listGroupStatuses(groupId: $groupId, domain: $domain) {
    nodeId ... on NodeStatus { data { __typename key value } timestamp } } }";
const POLL: &str = "query P($groupId: ID!, $domain: String!, $since: String!) {
  pollGroupData(groupId: $groupId, domain: $domain, since: $since) {
    nodeStatuses { nodeId timestamp } __typename again: events { name } events { cursor orderKey } } }";
const DOCUMENTS: [&str; 4] = [REPORT, FIRE, STATUSES, POLL];

fn runner() -> Runner {
    let mesh = Mesh::in_memory();
    Runner::new(mesh, DocumentLimits::default(), TaskTracker::new())
}

async fn by_engine(runner: &Runner, query: &str, variables: &str) -> String {
    let text = format!(
        r#"{{"query":{},"variables":{variables}}}"#,
        Value::from(query)
    );
    let ask = GraphQlRequest::read(text.as_bytes()).unwrap();
    let document = runner.documents().get(&ask).unwrap();
    let variables = ask.variables().unwrap();
    let answered = runner.answer(document, variables, Caller::default()).await;
    String::from_utf8(answered.text).unwrap()
}

async fn directly(runner: &Runner, query: &str, variables: &str) -> Option<String> {
    let text = format!(
        r#"{{"query":{},"variables":{variables}}}"#,
        Value::from(query)
    );
    let ask = GraphQlRequest::read(text.as_bytes()).unwrap();
    let document = runner.documents().get(&ask).unwrap();
    let answered = runner.answer_directly(&document, &ask).await?;
    Some(String::from_utf8(answered.text).unwrap())
}

async fn group(runner: &Runner) -> String {
    let query = "mutation { createGroup(name: \"n\", hostId: \"h\", domain: \"d\", useWebSocket: false) { id } }";
    let made: Value = serde_json::from_str(&by_engine(runner, query, "{}").await).unwrap();
    made["data"]["createGroup"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Variables that suit a document.
fn suiting(document: &str, group: &str) -> Vec<(&'static str, Value)> {
    let mut all = vec![("groupId", json!(group)), ("domain", json!("d"))];
    let node = ("nodeId", json!("こ\"\n".trim()));
    let event = json!({"eventName": "go", "payload": "", "firedAt": "2026-11-21T04:40:35+09:00"});
    match document {
        REPORT => all.extend([node, ("data", json!([{"key": "🎈", "value": "\\"}]))]),
        FIRE => all.extend([node, ("events", json!([event]))]),
        POLL => all.push(("since", json!(""))),
        _ => {}
    }
    all
}

fn object(members: &[(&str, Value)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(*name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_proven_document_is_answered_as_by_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for document in DOCUMENTS {
        let variables = object(&suiting(document, &group));
        let early = directly(&runner, document, &variables).await;
        assert_eq!(early, None, "not before the engine has proven it");
        let engine = by_engine(&runner, document, &variables).await;
        assert!(!engine.contains("errors"), "{engine}");
        let ours = directly(&runner, document, &variables).await;
        assert_eq!(ours, Some(engine));
    }
}

/// What a client may put in place of a variable, or among them.
fn values() -> impl Strategy<Value = Value> {
    let given = [
        Value::Null,
        json!(7),
        json!(7.5),
        json!(true),
        json!(""),
        json!("gone"),
        json!("a#b"),
        json!("x".repeat(257)),
        json!([]),
        json!([[]]),
        json!([["k", "v"]]),
        json!([["go", null, "2026-11-21T04:40:35Z", null]]),
        json!({}),
        json!("2026-11-21T04:40:35Z"),
        json!([{"key": "k", "value": "v"}]),
        json!({"key": "k", "value": "v"}),
        json!([{"key": "k"}]),
        json!([{"key": null, "value": "v"}]),
        json!([{"key": 1, "value": "v"}]),
        json!([{"key": "k", "value": "v", "more": 1}]),
        json!([null]),
        json!([{"eventName": "go", "firedAt": "2026-11-21T04:40:35Z"}]),
        json!({"eventName": "go", "firedAt": "2026-11-21T04:40:35Z"}),
        json!([{"eventName": "go", "firedAt": "2026-11-21T04:40:35Z", "payload": null, "orderKey": "1"}]),
        json!([{"eventName": "go", "firedAt": "yesterday"}]),
        json!([{"eventName": "go"}]),
        json!([{"eventName": "go", "firedAt": 3}]),
    ];
    prop::sample::select(given.to_vec())
}

/// A change to the variables: which, and how.
#[derive(Clone, Debug)]
enum Change {
    Leave(usize),
    Set(usize, Value),
    Add(&'static str, Value),
    Twice(usize, Value),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let names = [
        "list", "data", "events", "since", "group_id", "GroupId", "x", "",
    ];
    let one = prop_oneof![
        (0usize..4).prop_map(Change::Leave),
        (0usize..4, values()).prop_map(|(at, value)| Change::Set(at, value)),
        (prop::sample::select(names.to_vec()), values()).prop_map(|(n, v)| Change::Add(n, v)),
        (0usize..4, values()).prop_map(|(at, value)| Change::Twice(at, value)),
    ];
    prop::collection::vec(one, 0..3)
}

fn changed(mut variables: Vec<(&'static str, Value)>, changes: &[Change]) -> String {
    for change in changes {
        let many = variables.len().max(1);
        match change.clone() {
            Change::Leave(at) if at < variables.len() => drop(variables.remove(at)),
            Change::Leave(_) => {}
            Change::Set(at, value) => {
                if let Some((_, old)) = variables.get_mut(at % many) {
                    *old = value;
                }
            }
            Change::Add(name, value) => variables.insert(0, (name, value)),
            Change::Twice(at, value) => {
                if let Some((name, _)) = variables.get(at % many).cloned() {
                    variables.push((name, value));
                }
            }
        }
    }
    object(&variables)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::property::cases(400)))]

    #[test]
    fn whatever_the_variables_are_both_ways_answer_the_same(which in 0usize..4, changes in changes()) {
        Runtime::new().unwrap().block_on(async {
            let runner = runner();
            let group = group(&runner).await;
            let document = DOCUMENTS[which];
            by_engine(&runner, document, &object(&suiting(document, &group))).await;
            let variables = changed(suiting(document, &group), &changes);
            if let Some(ours) = directly(&runner, document, &variables).await {
                // Fired events are kept once: what was said above stands in the log already.
                let engine = by_engine(&runner, document, &variables).await;
                prop_assert_eq!(ours, engine, "{}", variables);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_refusal_reads_as_the_engines() {
    let runner = runner();
    let group = group(&runner).await;
    for document in DOCUMENTS {
        by_engine(&runner, document, &object(&suiting(document, &group))).await;
        for change in [
            Change::Set(0, json!("")),
            Change::Set(0, json!("a#b")),
            Change::Set(1, json!("x".repeat(257))),
        ] {
            let variables = changed(suiting(document, &group), &[change]);
            let engine = by_engine(&runner, document, &variables).await;
            assert!(engine.contains("errorType"), "{engine}");
            let ours = directly(&runner, document, &variables).await;
            assert_eq!(ours, Some(engine));
        }
    }
}

#[tokio::test]
async fn a_list_under_another_name_is_left_to_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for (document, other) in [(REPORT, "list"), (REPORT, "events"), (FIRE, "data")] {
        let mut variables = suiting(document, &group);
        by_engine(&runner, document, &object(&variables)).await;
        variables[3].0 = other;
        assert_eq!(
            directly(&runner, document, &object(&variables)).await,
            None,
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_more_than_one_plain_field_is_left_to_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    let variables = object(&suiting(REPORT, &group));
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
    let ask = GraphQlRequest::new(circle.as_str().into(), None, None).unwrap();
    assert!(runner().documents().get(&ask).is_err());
}
