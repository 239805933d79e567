//! How often operations run, and what happens when the store panics.

mod faulty_store;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::memory::Memory;
use crate::resolvers::run::tests::faulty_store::{FaultyStore, Panics};

/// A runner with one group in domain `d`, and the counts of reads and writes.
struct Fixture {
    runner: Runner,
    group: String,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

async fn fixture(panics: Panics, memory: Memory) -> Fixture {
    let mesh = Mesh::in_memory();
    let (reads, writes) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let runner = |panics| {
        let store = Arc::new(FaultyStore {
            inner: Arc::clone(&mesh.store),
            reads: Arc::clone(&reads),
            writes: Arc::clone(&writes),
            panics,
        });
        let mesh = Mesh {
            store,
            memory: memory.clone(),
            ..(*mesh).clone()
        };
        Runner::new(
            Arc::new(mesh),
            DocumentLimits::default(),
            TaskTracker::new(),
        )
    };
    let create = "mutation { createGroup(name: \"n\", hostId: \"h\", domain: \"d\", useWebSocket: true) { id } }";
    let created = execute(&runner(Panics::Never), create, &json!({})).await;
    let group = created["data"]["createGroup"]["id"]
        .as_str()
        .unwrap()
        .into();
    Fixture {
        runner: runner(panics),
        group,
        reads,
        writes,
    }
}

async fn execute(runner: &Runner, query: &str, variables: &Value) -> Value {
    let text = json!({"query": query, "variables": variables}).to_string();
    let request = GraphQlRequest::parse(text.as_bytes()).unwrap();
    let document = runner.documents().get(&request).unwrap();
    let response = runner.execute(document, &request, Caller::default()).await;
    serde_json::from_slice(&response.unwrap().text).unwrap()
}

const REPORT: &str =
    "mutation R($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
  reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { domain } }";

impl Fixture {
    async fn execute(&self, query: &str) -> Value {
        execute(
            &self.runner,
            &query.replace("GROUP", &self.group),
            &json!({}),
        )
        .await
    }

    fn report_variables(&self, bytes: usize) -> Value {
        json!({"groupId": self.group, "domain": "d", "nodeId": "n",
            "data": [{"key": "k", "value": "v".repeat(bytes)}]})
    }

    fn take_counts(&self) -> (usize, usize) {
        (
            self.reads.swap(0, Ordering::Relaxed),
            self.writes.swap(0, Ordering::Relaxed),
        )
    }
}

#[tokio::test]
async fn equal_fields_of_a_query_are_fetched_once_and_mutations_run_each_time() {
    let fixture = fixture(Panics::Never, Memory::unlimited()).await;
    execute(&fixture.runner, REPORT, &fixture.report_variables(3)).await;
    assert_eq!(fixture.take_counts(), (0, 1));
    let list = "listGroupStatuses(groupId: \"GROUP\", domain: \"d\")";
    let response = fixture
        .execute(&format!(
            "{{ a: {list} {{ nodeId }} b: {list} {{ data {{ value }} }} a: {list} {{ domain }} \
             other: listGroupStatuses(groupId: \"GROUP\", domain: \"e\") {{ nodeId }} c: {list} {{ nodeId }} }}"
        ))
        .await;
    let expected = json!({"data": {
        "a": [{"nodeId": "n", "domain": "d"}], "b": [{"data": [{"value": "vvv"}]}],
        "other": [], "c": [{"nodeId": "n"}],
    }});
    assert_eq!(response, expected);
    assert_eq!(fixture.take_counts(), (2, 0));
    let report =
        "reportDataByNode(groupId: \"GROUP\", domain: \"d\", nodeId: \"n\", data: []) { domain }";
    fixture
        .execute(&format!("mutation {{ a: {report} b: {report} }}"))
        .await;
    assert_eq!(fixture.take_counts(), (0, 2));
    assert_eq!(
        fixture.runner.mesh().memory.total(),
        0,
        "no bytes are leased"
    );
}

#[tokio::test]
async fn a_panic_gives_one_internal_failure_and_the_operation_runs_once() {
    for panics in [Panics::AtOnce, Panics::AfterYield] {
        let fixture = fixture(panics, Memory::unlimited()).await;
        let assert_failed = |response: &Value| {
            assert_eq!(response["data"], Value::Null, "{response}");
            let kind = &response["errors"][0]["errorType"];
            assert_eq!(kind, "InternalFailure", "{response}");
        };
        assert_failed(&execute(&fixture.runner, REPORT, &fixture.report_variables(3)).await);
        assert_eq!(fixture.take_counts(), (0, 1), "on the engine");
        let request = GraphQlRequest::new(REPORT.into(), None, None).unwrap();
        let document = fixture.runner.documents().get(&request).unwrap();
        let fast_path = document.fast_path().unwrap();
        fast_path.mark_validated(document.parsed(), document.operation());
        assert_failed(&execute(&fixture.runner, REPORT, &fixture.report_variables(3)).await);
        assert_eq!(fixture.take_counts(), (0, 1), "on the fast path");
        assert_failed(
            &fixture
                .execute("{ listGroupStatuses(groupId: \"GROUP\", domain: \"d\") { nodeId } }")
                .await,
        );
        assert_eq!(fixture.take_counts(), (1, 0));
        assert_eq!(fixture.runner.mesh().memory.total(), 0);
    }
}

#[tokio::test]
async fn a_response_is_counted_until_it_is_dropped_and_a_large_one_needs_memory() {
    let fixture = fixture(Panics::Never, Memory::new(1_000_000)).await;
    execute(&fixture.runner, REPORT, &fixture.report_variables(60_000)).await;
    let memory = &fixture.runner.mesh().memory;
    let list = "listGroupStatuses(groupId: \"GROUP\", domain: \"d\") { data { value } }";
    let (two, one) = (
        format!("{{ a: {list} b: {list} }}"),
        format!("{{ {list} }}"),
    );
    let two = json!({"query": two.replace("GROUP", &fixture.group)}).to_string();
    let request = GraphQlRequest::parse(two.as_bytes()).unwrap();
    let document = || fixture.runner.documents().get(&request).unwrap();
    let caller = Caller::default();
    let response = fixture.runner.execute(document(), &request, caller).await;
    let response = response.unwrap();
    assert!(response.text.len() > 120_000);
    assert_eq!(memory.leased(Purpose::Responses), response.text.len());
    drop(response);
    assert_eq!(memory.total(), 0);
    // Nine tenths of the memory are leased: a small response is written, a large one rejected.
    let _others = memory.lease(Purpose::Stored, 880_000);
    let response = fixture.execute(&one).await;
    assert_eq!(response["errors"], Value::Null, "{response}");
    let response = fixture
        .execute(&one.replace("value", "value again: value"))
        .await;
    assert_eq!(
        response["errors"][0]["errorType"], "LimitExceeded",
        "{response}"
    );
    assert_eq!(memory.leased(Purpose::Responses), 0);
}
