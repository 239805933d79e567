//! What the benchmarks share: a mesh, a group, a node, a report and an event.

use std::sync::Arc;

use mesh_v2::auth::Policy;
use mesh_v2::domains::DomainKey;
use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::heartbeat::hold::StartHold;
use mesh_v2::hub::Hub;
use mesh_v2::memory::Memory;
use mesh_v2::mesh::{Mesh, NextSince};
use mesh_v2::metrics::Metrics;
use mesh_v2::model::event::{EventCall, EventInput, EventKind};
use mesh_v2::model::group::{Delivery, GroupKey};
use mesh_v2::model::ids::{Domain, GroupName, NodeId};
use mesh_v2::model::join_code::JoinCode;
use mesh_v2::model::limits::Limits;
use mesh_v2::model::message::Message;
use mesh_v2::model::rules::{Rules, Timings};
use mesh_v2::model::status::{NodeStatus, SensorData};
use mesh_v2::model::time::Timestamp;
use mesh_v2::store::embedded::Embedded;
use mesh_v2::store::{CreateGroup, Publisher, Store};
use tokio::runtime::Runtime;

/// The editor's report, as a document.
pub const REPORT: &str = "mutation ReportDataByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) { reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } } }";
/// The editor's subscription, as a document.
pub const SUBSCRIPTION: &str = "subscription OnMessageInGroup($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } groupDissolve { groupId domain message } } }";

/// A time before the end of every group.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
/// A number of seconds that no benchmark reaches.
const FOREVER: u32 = 1_000_000_000;

/// Rules under which only events expire.
pub fn rules() -> Rules {
    let timings = Timings {
        host_ttl: FOREVER,
        member_ttl: FOREVER,
        default_connection: FOREVER,
        max_connection: FOREVER,
        ..Timings::STG
    };
    Rules::new(timings).expect("valid times")
}

/// The default limits, with room for all the nodes that report without having joined.
pub fn limits() -> Limits {
    Limits {
        reporters_per_group: 10_000,
        ..Limits::default()
    }
}

/// A store in memory.
pub fn in_memory() -> Embedded {
    Embedded::in_memory(rules(), limits())
}

/// A mesh with a store in memory.
pub fn mesh() -> Arc<Mesh> {
    let hub = Hub::new();
    let (memory, publisher) = (Memory::unlimited(), Arc::clone(&hub) as Arc<dyn Publisher>);
    let store = Embedded::in_memory_within(memory, publisher, rules(), limits());
    Arc::new(Mesh {
        store: Arc::new(store),
        hub,
        rules: rules(),
        clock: Clock::system(),
        limits: limits(),
        memory: Memory::unlimited(),
        metrics: Metrics::default(),
        polling_lines: Arc::default(),
        rate_limits: mesh_v2::rate_limits::RateLimits::off(),
        start_hold: StartHold::NONE,
        projects: mesh_v2::projects::Projects::default(),
        domains: DomainKey::new(b"a secret of the benchmarks"),
        policy: Policy::default(),
        next_since: NextSince::default(),
    })
}

/// A single-threaded runtime.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Creates a group in a store.
pub fn group(runtime: &Runtime, store: &dyn Store, now: Timestamp) -> GroupKey {
    let request = CreateGroup {
        token: None,
        domain: Domain::parse("domain", "0123456789abcdef").expect("a domain"),
        host: node("teacher"),
        name: GroupName::parse("name", "class").expect("a name"),
        delivery: Delivery::WebSocket,
        lifetime: FOREVER,
        origin: None,
        host_ttl: None,
        is_exempt: false,
        join_code: JoinCode::random(),
        name_is_join_code: false,
    };
    let outcome = runtime.block_on(store.host_group(request, now));
    outcome.expect("a group").group.key
}

/// A node.
pub fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).expect("a node")
}

/// One variable with its value.
pub fn data() -> Vec<SensorData> {
    vec![SensorData {
        key: "temperature".into(),
        value: "a value of about forty bytes, as it comes".into(),
    }]
}

/// A report, as subscribers receive it.
pub fn report(group: &GroupKey) -> Message {
    Message::Status(NodeStatus {
        node: node("kitten"),
        group: group.clone(),
        data: data().into(),
        timestamp: NOW,
    })
}

/// A call that fires or records one event.
pub fn event(group: &GroupKey, kind: EventKind, number: u64) -> EventCall {
    EventCall {
        token: None,
        group: group.clone(),
        node: node("kitten"),
        kind,
        events: vec![EventInput {
            name: "go".into(),
            payload: Some(String::new()),
            fired_at: "2026-02-07T01:02:03.456Z".into(),
            order_key: Some(format!("20260207010203-{number:07}")),
        }]
        .into(),
    }
}
