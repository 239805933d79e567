//! The memory of the running program (decision D26): a client with the API key that fills it
//! as fast as it can is refused before memory is exhausted, running lessons continue, and the
//! memory of ended groups is released.

use std::time::Duration;

use futures_util::future::{join_all, select_all};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::json::text;
use crate::support::program::{Server, folder};
use crate::support::raw::Wire;
use crate::support::{Group, Node, TestMesh};

const KEY: &str = "da2-of-this-test";
/// The server's budget.
const BUDGET: u64 = 48 << 20;
/// How much of it the server may hold beside what it held at the start, in percent
/// (docs/performance.md, "Memory").
const MOST_PERCENT: u64 = 150;
/// Calls in one document of small calls and of large ones, and documents in flight.
const CALLS: usize = 40;
const LARGE_CALLS: usize = 10;
const AT_ONCE: usize = 4;

/// A server with a small budget, and a lesson that continues while others fill it.
struct Filled {
    server: Server,
    mesh: TestMesh,
    /// What the process held when nothing was stored.
    at_first: u64,
    _folder: TempDir,
}

impl Filled {
    fn start() -> Self {
        let folder = folder();
        let budget = BUDGET.to_string();
        let many = "1000000000";
        let settings = [
            ("MESH_API_KEYS", KEY),
            ("MESH_MAX_MEMORY", &budget),
            ("MESH_DURABILITY", "everysec"),
            ("MESH_REQUEST_PATIENCE_SECONDS", "600"),
            ("MESH_MAX_GROUPS", many),
            ("MESH_MAX_GROUPS_PER_DOMAIN", many),
            ("MESH_MAX_GROUPS_PER_ADDRESS", many),
            ("MESH_MAX_NODES_PER_GROUP", many),
            ("MESH_MAX_REPORTERS_PER_GROUP", many),
            ("MESH_MAX_STATUS_BYTES_PER_GROUP", many),
            ("MESH_MAX_ANSWER_BYTES", "2000000000"),
            ("MESH_MAX_CALLS_PER_GROUP", many),
            ("MESH_MAX_EVENT_BYTES_PER_GROUP", many),
            // Nothing expires meanwhile, also on a busy machine.
            ("MESH_HOST_HEARTBEAT_TTL_SECONDS", "3000"),
            ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", "3000"),
            ("MESH_EVENT_TTL_SECONDS", "3000"),
            ("MESH_MAX_CONNECTION_TIME_SECONDS", "6000"),
        ];
        let server = Server::start(folder.path(), &settings);
        Self {
            mesh: server.mesh(KEY),
            at_first: server.rss(),
            server,
            _folder: folder,
        }
    }

    /// Runs numbered calls of `field` until one is refused; returns the answers.
    async fn floods(
        &self,
        calls: usize,
        field: &str,
        arguments: impl Fn(usize) -> String,
        fields: &str,
    ) -> Vec<Value> {
        let begun = std::time::Instant::now();
        let mut answered = Vec::new();
        for round in 0.. {
            let documents = (0..AT_ONCE).map(|document| {
                let first = (round * AT_ONCE + document) * calls;
                let calls = (first..first + calls)
                    .map(|n| format!("a{n}: {field}({}) {fields}", arguments(n)));
                let calls: String = calls.collect();
                async move { self.mesh.executes(&format!("mutation {{ {calls} }}")).await }
            });
            let mut refused = false;
            for reply in join_all(documents).await {
                for error in reply.json["errors"].as_array().into_iter().flatten() {
                    assert_eq!(error["errorType"], "LimitExceeded", "{error}");
                    let message = text(&error["message"]);
                    assert!(message.contains("memory"), "{message}");
                    refused = true;
                }
                // A document is refused as a whole where there is no memory for it.
                let data = reply.json["data"].as_object().into_iter().flatten();
                let data = data.map(|(_, answer)| answer.clone());
                answered.extend(data.filter(|answer| !answer.is_null()));
            }
            if refused {
                break;
            }
        }
        let held = self.server.peak_rss() - self.at_first;
        eprintln!(
            "{field}: {} taken, {held} bytes held in {:?}",
            answered.len(),
            begun.elapsed()
        );
        answered
    }

    /// Checks that the process stayed within its budget, and used it.
    fn is_within_its_budget(&self, least_percent: u64) {
        let held = (self.server.peak_rss() - self.at_first) * 100 / BUDGET;
        assert!(held <= MOST_PERCENT, "{held} % of the budget");
        assert!(held >= least_percent, "{held} % of the budget");
    }

    /// Checks that the existing class continues: messages, reads, heartbeats and renewals.
    async fn goes_on(&self, group: &Group<'_>, pupil: &Node<'_>) {
        let mut subscriber = group.subscribe().await;
        pupil.reports([("score", "2")]).await;
        assert_eq!(
            subscriber.status().await.data,
            [("score".into(), "2".into())]
        );
        pupil.fires(["go"]).await;
        assert_eq!(subscriber.events().await, ["go"]);
        pupil.sends_heartbeat().await.value();
        group.renews().await.value();
        assert_eq!(group.members().await.len(), 1);
    }

    /// Checks that memory was released and new groups are accepted.
    async fn is_given_back(&self) {
        let most = self.server.peak_rss();
        let wanted = self.at_first + (most - self.at_first) / 2;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
        while self.server.rss() > wanted {
            let (now, first) = (self.server.rss(), self.at_first);
            assert!(
                tokio::time::Instant::now() < deadline,
                "{first} bytes, then {most}, still {now}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        eprintln!(
            "{} at first, {most} at most, {} given back",
            self.at_first,
            self.server.rss()
        );
        self.mesh.host("another").creates("new").await;
    }
}

#[apply(case!)]
fn the_memory_of_a_running_server_can_be_read() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let (now, peak) = (server.rss(), server.peak_rss());
    assert!(now > 1_000_000, "{now}");
    assert!(peak >= now / 2 && peak < 1_000_000_000, "{peak}");
}

#[apply(case!)]
async fn d26_endless_groups_are_refused_within_the_budget() {
    let filled = Filled::start();
    let group = filled.mesh.host("teacher").creates("class").await;
    let pupil = group.join("pupil").await;
    pupil.reports([("score", "1")]).await;
    let name = "な".repeat(200);
    let host = |n: usize| format!("{name}{n}");
    let create = |n: usize| {
        let domain = &group.domain;
        format!(
            r#"name: "{name}", hostId: "{}", domain: "{domain}", useWebSocket: true"#,
            host(n)
        )
    };
    let others = filled
        .floods(CALLS, "createGroup", create, "{ id hostId }")
        .await;
    filled.is_within_its_budget(40);
    // Existing groups still accept members and reports.
    group.join("second").await.leaves().await.value();
    filled.goes_on(&group, &pupil).await;
    for some in others.chunks(CALLS) {
        let ends = some.iter().enumerate().map(|(n, other)| {
            let (id, host, domain) = (&other["id"], &other["hostId"], &group.domain);
            format!(r#"a{n}: dissolveGroup(groupId: {id}, domain: "{domain}", hostId: {host}) {{ groupId }}"#)
        });
        let ends: String = ends.collect();
        let reply = filled
            .mesh
            .executes(&format!("mutation {{ {ends} }}"))
            .await;
        assert!(reply.json.get("errors").is_none(), "{}", reply.text);
    }
    filled.is_given_back().await;
    filled.goes_on(&group, &pupil).await;
}

/// Fills one group, whose end releases everything, while the class continues.
async fn one_group_is_filled(
    calls: usize,
    field: &str,
    fields: &str,
    arguments: impl Fn(usize) -> String,
) {
    let filled = Filled::start();
    let group = filled.mesh.host("teacher").creates("class").await;
    let pupil = group.join("pupil").await;
    pupil.reports([("score", "1")]).await;
    let flooded = filled.mesh.host("another").creates_polling("flooded").await;
    let of_group = |n| {
        let (id, domain) = (&flooded.id, &flooded.domain);
        format!(r#"groupId: "{id}", domain: "{domain}", {}"#, arguments(n))
    };
    filled.floods(calls, field, of_group, fields).await;
    filled.is_within_its_budget(40);
    filled
        .mesh
        .host("late")
        .calls_create_group("late", json!({}))
        .await
        .is_refused(
            "LimitExceeded",
            &format!("the server's memory is full: at most {BUDGET}"),
        );
    filled.goes_on(&group, &pupil).await;
    flooded.dissolves().await.value();
    filled.is_given_back().await;
    filled.goes_on(&group, &pupil).await;
}

#[apply(case!)]
async fn d26_endless_nodes_are_refused_within_the_budget() {
    let name = "🐱".repeat(200);
    one_group_is_filled(CALLS, "reportDataByNode", "{ groupId }", |n| {
        format!(r#"nodeId: "{name}{n}", data: [{{key: "k", value: "v"}}]"#)
    })
    .await;
}

#[apply(case!)]
async fn d26_endless_large_variables_are_refused_within_the_budget() {
    let value = "v".repeat(20_000);
    one_group_is_filled(LARGE_CALLS, "reportDataByNode", "{ groupId }", |n| {
        // Three variables of each node.
        let (node, key) = (n / 3, n % 3);
        format!(r#"nodeId: "node {node}", data: [{{key: "k{key}", value: "{value}"}}]"#)
    })
    .await;
}

#[apply(case!)]
async fn d26_large_bodies_are_refused_before_they_are_read_and_small_ones_are_not() {
    let filled = Filled::start();
    let group = filled.mesh.host("teacher").creates("class").await;
    // Announced bodies count at once, twice: as they come and as values.
    let announced = BUDGET / 200;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {announced}\r\n\r\n",
        filled.mesh.address()
    );
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::to(&filled.mesh).await;
        wire.writes(head.as_bytes()).await;
        open.push(wire);
    }
    // Which of them is refused depends on which is read last.
    let answers = open
        .iter_mut()
        .map(|wire| Box::pin(wire.reads_to_the_end()));
    let (answer, _, others) = select_all(answers).await;
    drop(others);
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"LimitExceeded\""), "{answer}");
    assert!(answer.contains("The server's memory is full"), "{answer}");
    group.renews().await.value();
}

#[apply(case!)]
async fn d26_endless_events_are_refused_within_the_budget() {
    let payload = "p".repeat(10_000);
    let at = "2026-11-21T04:40:35.740Z";
    one_group_is_filled(LARGE_CALLS, "recordEventsByNode", "{ recordedCount }", |n| {
        let event = |key| {
            format!(
                r#"{{eventName: "e", payload: "{payload}", firedAt: "{at}", orderKey: "{key}"}}"#
            )
        };
        format!(
            r#"nodeId: "node", events: [{}, {}]"#,
            event(n * 2),
            event(n * 2 + 1)
        )
    })
    .await;
}
