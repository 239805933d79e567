//! What runs how often, and what happens when the work breaks.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::memory::Memory;
use crate::model::cursor::Since;
use crate::model::event::{Event, EventCall};
use crate::model::group::{Group, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::{AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, Result, Store};

/// A store that counts, and breaks when it is told to.
struct Probe {
    inner: Arc<dyn Store>,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    breaks: Breaks,
}

#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Never,
    AtOnce,
    AfterWaiting,
}

impl Probe {
    async fn may_break(&self) {
        if self.breaks == Breaks::AfterWaiting {
            tokio::task::yield_now().await;
        }
        assert!(self.breaks == Breaks::Never, "the store broke");
    }
}

#[async_trait]
impl Store for Probe {
    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.may_break().await;
        self.inner.statuses(group, now).await
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &NodeId,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let status = self.inner.report(group, node, data, now).await;
        self.may_break().await;
        status
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        self.inner.any_group_lives(now).await
    }

    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.inner.host_group(request, now).await
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        self.inner.groups_in(domain, now).await
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        self.inner.groups_named(prefix, limit, now).await
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        self.inner.join(group, node, use_websocket, now).await
    }

    async fn leave(&self, group: &GroupKey, node: &NodeId) -> Result<()> {
        self.inner.leave(group, node).await
    }

    async fn dissolve(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<()> {
        self.inner.dissolve(group, host, now).await
    }

    async fn renew(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<Group> {
        self.inner.renew(group, host, now).await
    }

    async fn heartbeat(
        &self,
        group: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Timestamp> {
        self.inner.heartbeat(group, node, now).await
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        self.inner.status_of(node, now).await
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        self.inner.members(group, now).await
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        self.inner.append(call, now).await
    }

    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        self.inner.events_since(group, since, max_bytes, now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.inner.reap(now).await
    }

    async fn ready(&self) -> Result<(), Failure> {
        self.inner.ready().await
    }
}

/// A stage with a group `g` of domain `d`, and how often it was read and written.
struct Stage {
    runner: Runner,
    group: String,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

async fn stage(breaks: Breaks, memory: Memory) -> Stage {
    let mesh = Mesh::in_memory();
    let (reads, writes) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let of = |breaks| {
        let store = Arc::new(Probe {
            inner: Arc::clone(&mesh.store),
            reads: Arc::clone(&reads),
            writes: Arc::clone(&writes),
            breaks,
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
    let made = asked(&of(Breaks::Never), create, &json!({})).await;
    let group = made["data"]["createGroup"]["id"].as_str().unwrap().into();
    Stage {
        runner: of(breaks),
        group,
        reads,
        writes,
    }
}

async fn asked(runner: &Runner, query: &str, variables: &Value) -> Value {
    let text = json!({"query": query, "variables": variables}).to_string();
    let ask = GraphQlRequest::read(text.as_bytes()).unwrap();
    let document = runner.documents().get(&ask).unwrap();
    let answered = runner.ask(document, &ask, Caller::default()).await.unwrap();
    serde_json::from_slice(&answered.text).unwrap()
}

const REPORT: &str =
    "mutation R($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
  reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { domain } }";

impl Stage {
    async fn asked(&self, query: &str) -> Value {
        asked(
            &self.runner,
            &query.replace("GROUP", &self.group),
            &json!({}),
        )
        .await
    }

    fn report(&self, bytes: usize) -> Value {
        json!({"groupId": self.group, "domain": "d", "nodeId": "n",
            "data": [{"key": "k", "value": "v".repeat(bytes)}]})
    }

    fn counts(&self) -> (usize, usize) {
        (
            self.reads.swap(0, Ordering::Relaxed),
            self.writes.swap(0, Ordering::Relaxed),
        )
    }
}

#[tokio::test]
async fn equal_fields_of_a_query_are_fetched_once_and_mutations_run_each_time() {
    let stage = stage(Breaks::Never, Memory::unlimited()).await;
    asked(&stage.runner, REPORT, &stage.report(3)).await;
    assert_eq!(stage.counts(), (0, 1));
    let list = "listGroupStatuses(groupId: \"GROUP\", domain: \"d\")";
    let told = stage
        .asked(&format!(
            "{{ a: {list} {{ nodeId }} b: {list} {{ data {{ value }} }} a: {list} {{ domain }} \
             other: listGroupStatuses(groupId: \"GROUP\", domain: \"e\") {{ nodeId }} c: {list} {{ nodeId }} }}"
        ))
        .await;
    let expected = json!({"data": {
        "a": [{"nodeId": "n", "domain": "d"}], "b": [{"data": [{"value": "vvv"}]}],
        "other": [], "c": [{"nodeId": "n"}],
    }});
    assert_eq!(told, expected);
    assert_eq!(stage.counts(), (2, 0));
    let report =
        "reportDataByNode(groupId: \"GROUP\", domain: \"d\", nodeId: \"n\", data: []) { domain }";
    stage
        .asked(&format!("mutation {{ a: {report} b: {report} }}"))
        .await;
    assert_eq!(stage.counts(), (0, 2));
    assert_eq!(
        stage.runner.mesh().memory.total(),
        0,
        "nothing is held any more"
    );
}

#[tokio::test]
async fn whatever_breaks_is_told_once_and_runs_once() {
    for breaks in [Breaks::AtOnce, Breaks::AfterWaiting] {
        let stage = stage(breaks, Memory::unlimited()).await;
        let broken = |told: &Value| {
            assert_eq!(told["data"], Value::Null, "{told}");
            assert_eq!(told["errors"][0]["errorType"], "InternalFailure", "{told}");
        };
        broken(&asked(&stage.runner, REPORT, &stage.report(3)).await);
        assert_eq!(stage.counts(), (0, 1), "by the engine");
        let ask = GraphQlRequest::new(REPORT.into(), None, None).unwrap();
        let document = stage.runner.documents().get(&ask).unwrap();
        let direct = document.direct().unwrap();
        direct.prove(document.parsed(), document.operation());
        broken(&asked(&stage.runner, REPORT, &stage.report(3)).await);
        assert_eq!(stage.counts(), (0, 1), "directly");
        broken(
            &stage
                .asked("{ listGroupStatuses(groupId: \"GROUP\", domain: \"d\") { nodeId } }")
                .await,
        );
        assert_eq!(stage.counts(), (1, 0));
        assert_eq!(stage.runner.mesh().memory.total(), 0);
    }
}

#[tokio::test]
async fn an_answer_is_held_until_it_is_dropped_and_a_large_one_needs_memory() {
    let stage = stage(Breaks::Never, Memory::new(1_000_000)).await;
    asked(&stage.runner, REPORT, &stage.report(60_000)).await;
    let memory = &stage.runner.mesh().memory;
    let list = "listGroupStatuses(groupId: \"GROUP\", domain: \"d\") { data { value } }";
    let (two, one) = (
        format!("{{ a: {list} b: {list} }}"),
        format!("{{ {list} }}"),
    );
    let two = json!({"query": two.replace("GROUP", &stage.group)}).to_string();
    let ask = GraphQlRequest::read(two.as_bytes()).unwrap();
    let document = || stage.runner.documents().get(&ask).unwrap();
    let held = stage.runner.ask(document(), &ask, Caller::default()).await;
    let held = held.unwrap();
    assert!(held.text.len() > 120_000);
    assert_eq!(memory.held(Purpose::Answers), held.text.len());
    drop(held);
    assert_eq!(memory.total(), 0);
    // Nine tenths of the memory are taken: a small answer goes, a large one is refused.
    let _others = memory.lease(Purpose::Stored, 880_000);
    let told = stage.asked(&one).await;
    assert_eq!(told["errors"], Value::Null, "{told}");
    let told = stage
        .asked(&one.replace("value", "value again: value"))
        .await;
    assert_eq!(told["errors"][0]["errorType"], "LimitExceeded", "{told}");
    assert_eq!(memory.held(Purpose::Answers), 0);
}
