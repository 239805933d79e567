//! The fast path gives the engine's responses, and accepts only eligible requests.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::resolvers::DocumentLimits;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::run::Runner;

const REPORT: &str =
    "mutation R($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
  report: reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) {
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

async fn on_engine(runner: &Runner, query: &str, variables: &str) -> String {
    let text = format!(
        r#"{{"query":{},"variables":{variables}}}"#,
        Value::from(query)
    );
    let request = GraphQlRequest::parse(text.as_bytes()).unwrap();
    let document = runner.documents().get(&request).unwrap();
    let variables = request.variables().unwrap();
    let response = runner.execute_on_engine(document, variables, Caller::default());
    String::from_utf8(response.await.text).unwrap()
}

async fn on_fast_path(runner: &Runner, query: &str, variables: &str) -> Option<String> {
    let text = format!(
        r#"{{"query":{},"variables":{variables}}}"#,
        Value::from(query)
    );
    let request = GraphQlRequest::parse(text.as_bytes()).unwrap();
    let document = runner.documents().get(&request).unwrap();
    let response = runner
        .execute_on_fast_path(&document, &request, Caller::default())
        .await?;
    Some(String::from_utf8(response.text).unwrap())
}

async fn group(runner: &Runner) -> String {
    let query = "mutation { createGroup(name: \"n\", hostId: \"h\", domain: \"d\", useWebSocket: false) { id } }";
    let created: Value = serde_json::from_str(&on_engine(runner, query, "{}").await).unwrap();
    created["data"]["createGroup"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Valid variables for a document.
fn valid_variables(document: &str, group: &str) -> Vec<(&'static str, Value)> {
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
async fn a_validated_document_gets_the_response_of_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for document in DOCUMENTS {
        let variables = object(&valid_variables(document, &group));
        let early = on_fast_path(&runner, document, &variables).await;
        assert_eq!(early, None, "the engine has not validated it yet");
        let engine = on_engine(&runner, document, &variables).await;
        assert!(!engine.contains("errors"), "{engine}");
        let fast = on_fast_path(&runner, document, &variables).await;
        assert_eq!(fast, Some(engine));
    }
}

/// Values that a client may set a variable to.
fn values() -> impl Strategy<Value = Value> {
    let values = [
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
    prop::sample::select(values.to_vec())
}

/// A change to the variables, by index or name.
#[derive(Clone, Debug)]
enum Change {
    Remove(usize),
    Set(usize, Value),
    Add(&'static str, Value),
    Duplicate(usize, Value),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let names = [
        "list", "data", "events", "since", "group_id", "GroupId", "x", "",
    ];
    let one = prop_oneof![
        (0usize..4).prop_map(Change::Remove),
        (0usize..4, values()).prop_map(|(at, value)| Change::Set(at, value)),
        (prop::sample::select(names.to_vec()), values()).prop_map(|(n, v)| Change::Add(n, v)),
        (0usize..4, values()).prop_map(|(at, value)| Change::Duplicate(at, value)),
    ];
    prop::collection::vec(one, 0..3)
}

fn changed(mut variables: Vec<(&'static str, Value)>, changes: &[Change]) -> String {
    for change in changes {
        let many = variables.len().max(1);
        match change.clone() {
            Change::Remove(at) if at < variables.len() => drop(variables.remove(at)),
            Change::Remove(_) => {}
            Change::Set(at, value) => {
                if let Some((_, old)) = variables.get_mut(at % many) {
                    *old = value;
                }
            }
            Change::Add(name, value) => variables.insert(0, (name, value)),
            Change::Duplicate(at, value) => {
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
    fn both_paths_give_equal_responses_for_any_variables(which in 0usize..4, changes in changes()) {
        Runtime::new().unwrap().block_on(async {
            let runner = runner();
            let group = group(&runner).await;
            let document = DOCUMENTS[which];
            on_engine(&runner, document, &object(&valid_variables(document, &group))).await;
            let variables = changed(valid_variables(document, &group), &changes);
            if let Some(fast) = on_fast_path(&runner, document, &variables).await {
                // Equal events are stored once: the log has them from the calls above.
                let engine = on_engine(&runner, document, &variables).await;
                prop_assert_eq!(fast, engine, "{}", variables);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn an_error_equals_that_of_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for document in DOCUMENTS {
        on_engine(
            &runner,
            document,
            &object(&valid_variables(document, &group)),
        )
        .await;
        for change in [
            Change::Set(0, json!("")),
            Change::Set(0, json!("a#b")),
            Change::Set(1, json!("x".repeat(257))),
        ] {
            let variables = changed(valid_variables(document, &group), &[change]);
            let engine = on_engine(&runner, document, &variables).await;
            assert!(engine.contains("errorType"), "{engine}");
            let fast = on_fast_path(&runner, document, &variables).await;
            assert_eq!(fast, Some(engine));
        }
    }
}

#[tokio::test]
async fn a_list_with_another_name_needs_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    for (document, other) in [(REPORT, "list"), (REPORT, "events"), (FIRE, "data")] {
        let mut variables = valid_variables(document, &group);
        on_engine(&runner, document, &object(&variables)).await;
        variables[3].0 = other;
        assert_eq!(
            on_fast_path(&runner, document, &object(&variables)).await,
            None,
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_document_of_more_than_one_plain_field_needs_the_engine() {
    let runner = runner();
    let group = group(&runner).await;
    let variables = object(&valid_variables(REPORT, &group));
    for query in [
        REPORT.replace(
            "__typename groupId",
            "__typename @include(if: true) groupId",
        ),
        REPORT.replace("report:", "a: createDomain report:"),
        REPORT
            .replace("nodeId: $nodeId", "nodeId: \"me\"")
            .replace("$nodeId: ID!, ", ""),
    ] {
        let engine = on_engine(&runner, &query, &variables).await;
        assert!(!engine.contains("errors"), "{engine}");
        assert_eq!(
            on_fast_path(&runner, &query, &variables).await,
            None,
            "{query}"
        );
    }
}

#[test]
fn a_document_with_a_cycle_of_fragments_is_rejected() {
    let cycle = REPORT.replace("domain nodeStatus", "domain ...F nodeStatus");
    let request = GraphQlRequest::new(cycle.as_str().into(), None, None).unwrap();
    assert!(runner().documents().get(&request).is_err());
}
