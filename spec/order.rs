//! All members receive a group's messages in the log's order (decision D18), also under
//! concurrent senders and after a restart. `.ci/nightly order` repeats more.

use std::path::Path;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::clients::{Host, event};
use crate::support::json::{all, list, text};
use crate::support::program::{Server, folder};
use crate::support::socket::TestSubscriber;
use crate::support::{Group, Node, TestMesh};

const KEY: &str = "da2-of-this-test";
/// Concurrent senders.
const SENDERS: usize = 16;
/// The name of the last event.
const LAST: &str = "last";

/// A number of the environment, else the gate's.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn starts(folder: &Path, store: &str) -> Server {
    let settings = [
        ("MESH_STORE", store),
        ("MESH_API_KEYS", KEY),
        ("MESH_EVENT_TTL_SECONDS", "60"),
        ("MESH_MAX_CALLS_PER_GROUP", "200000"),
        ("MESH_MAX_EVENT_BYTES_PER_GROUP", "100000000"),
        ("MESH_HOST_HEARTBEAT_TTL_SECONDS", "3600"),
        ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", "3600"),
        ("MESH_MAX_CONNECTION_TIME_SECONDS", "6000"),
        ("MESH_START_HOLD_MILLISECONDS", "0"),
    ];
    Server::start(folder, &settings)
}

/// What a subscriber received: its events' names, and the times of all messages.
#[derive(Debug, Default)]
struct Delivered {
    events: Vec<String>,
    times: Vec<String>,
}

/// Receives until the last event.
async fn receives(mut subscriber: TestSubscriber) -> Delivered {
    let mut delivered = Delivered::default();
    while delivered.events.last().is_none_or(|last| last != LAST) {
        let message = subscriber.message().await;
        let batch = &message["batchEvent"];
        if batch.is_null() {
            delivered
                .times
                .push(text(&message["nodeStatus"]["timestamp"]));
        } else {
            delivered.times.push(text(&batch["timestamp"]));
            delivered.events.extend(all("name", list(&batch["events"])));
        }
    }
    delivered
}

/// Reads the log as it grows, until the last event; `field` is one of the two queries for it.
async fn reads(group: &Group<'_>, field: &str, since: &str) -> Vec<Value> {
    let mut log: Vec<Value> = Vec::new();
    let mut since = since.to_owned();
    while log.last().is_none_or(|last| last["name"] != LAST) {
        let page = group.calls(field, json!({"since": since})).await.value();
        let page = if field == "pollGroupData" {
            &page["events"]
        } else {
            &page
        };
        if let Some(last) = list(page).last() {
            since = text(&last["cursor"]);
        } else {
            sleep(Duration::from_millis(5)).await;
        }
        log.extend(list(page).iter().cloned());
    }
    log
}

/// Reports and fires by turns; two senders are one node.
async fn sends(group: &Group<'_>, sender: usize, pairs: usize) {
    let node = group.node(&format!("node {}", sender / 2));
    for pair in 0..pairs {
        let name = format!("{sender}-{pair}");
        node.reports([("k", &name)]).await;
        node.fires([&name]).await;
    }
}

/// Sends from all senders while all receive; returns how many neighbouring events were compared.
async fn compares(group: &Group<'_>, since: &str, pairs: usize) -> (usize, String) {
    let subscribers = join_all((0..2).map(|_| group.subscribe())).await;
    let host = group.hosting_node();
    let sending = async {
        join_all((0..SENDERS).map(|sender| sends(group, sender, pairs.div_ceil(SENDERS)))).await;
        host.fires([LAST]).await;
    };
    let reading = join(
        reads(group, "getEventsSince", since),
        reads(group, "pollGroupData", since),
    );
    let receiving = join_all(subscribers.into_iter().map(receives));
    let ((), (delivered, (log, polled))) = join(sending, join(receiving, reading)).await;
    let names = all("name", &log);
    assert_eq!(
        all("name", &polled),
        names,
        "pollGroupData and getEventsSince differ"
    );
    for delivered in &delivered {
        assert_eq!(delivered.events, names, "a subscriber and the log differ");
        assert!(delivered.times.is_sorted(), "times step back");
    }
    assert!(
        all("timestamp", &log).is_sorted(),
        "the log's times step back"
    );
    let last = log.last().expect("the last event");
    (names.len() - 1, text(&last["cursor"]))
}

/// A polling group; members on WebSockets receive its messages too.
async fn creates_long<'a>(host: &Host<'a>) -> Group<'a> {
    let arguments = json!({"useWebSocket": false, "maxConnectionTimeSeconds": 6000});
    host.group(&host.calls_create_group("class", arguments).await)
}

#[apply(case!)]
async fn d18_subscribers_pollers_and_the_log_agree_also_after_a_restart() {
    let pairs = number("MESH_ORDER_PAIRS", 2_000);
    let folder = folder();
    let server = starts(folder.path(), "embedded");
    let mesh = server.mesh(KEY);
    let group = creates_long(&mesh.host("teacher")).await;
    let (first, since) = compares(&group, "", pairs / 2).await;
    server.gets_killed();
    let server = starts(folder.path(), "embedded");
    let mesh = server.mesh(KEY);
    let group = Group {
        mesh: &mesh,
        id: group.id,
        domain: group.domain,
        host: group.host,
        record: group.record,
    };
    let (second, _) = compares(&group, &since, pairs / 2).await;
    println!("{} neighbouring pairs in one order", first + second);
}

#[apply(case!)]
async fn d18_subscribers_pollers_and_the_log_agree_in_memory() {
    let folder = folder();
    let server = starts(folder.path(), "memory");
    let mesh = server.mesh(KEY);
    let group = creates_long(&mesh.host("teacher")).await;
    let (pairs, _) = compares(&group, "", number("MESH_ORDER_PAIRS", 2_000) / 2).await;
    println!("{pairs} neighbouring pairs in one order in memory");
}

#[apply(case!)]
async fn d18_the_last_value_delivered_is_the_value_kept() {
    let folder = folder();
    let server = starts(folder.path(), "embedded");
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    for round in 0..number("MESH_ORDER_ROUNDS", 300) {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        join(kitten.reports([("k", &*a)]), kitten.reports([("k", &*b)])).await;
        subscriber.status().await;
        let last = subscriber.status().await;
        let kept = kitten.status().await.expect("a status");
        assert_eq!(last.data, kept.data, "in round {round}");
    }
}

/// Reports and fires until the group has ended.
async fn sends_until_the_end(node: &Node<'_>) {
    for call in 0.. {
        let value = call.to_string();
        let data = json!({"data": [{"key": "k", "value": value}]});
        let events = json!({"events": [event(&value, json!({}))]});
        for (field, arguments) in [("reportDataByNode", data), ("fireEventsByNode", events)] {
            if node
                .calls(field, arguments)
                .await
                .json
                .get("errors")
                .is_some()
            {
                return;
            }
        }
    }
}

/// Dissolves a group while nodes send, and returns what its subscriber received.
async fn ends_under_fire(mesh: &TestMesh, name: &str) -> Vec<Value> {
    let group = mesh.host(name).creates(name).await;
    let mut subscriber = group.subscribe().await;
    let nodes = ["a", "b", "c", "d"].map(|name| group.node(name));
    let sending = join_all(nodes.iter().map(sends_until_the_end));
    let ending = async {
        for _ in 0..8 {
            subscriber.message().await;
        }
        group.dissolves().await.value();
    };
    join(sending, ending).await;
    let mut received = Vec::new();
    // All calls are answered, so all messages are published.
    while let Some(frame) = subscriber.socket.next(Duration::from_millis(300)).await {
        let frame: Value = serde_json::from_str(&frame.into_text().expect("text")).expect("JSON");
        if frame["type"] == "data" {
            received.push(frame["payload"]["data"]["onMessageInGroup"].clone());
        }
    }
    received
}

#[apply(case!)]
async fn d18_nothing_is_delivered_after_the_dissolution() {
    /// Groups at a time.
    const GROUPS: usize = 12;
    let folder = folder();
    let server = starts(folder.path(), "embedded");
    let mesh = server.mesh(KEY);
    for round in 0..number("MESH_ORDER_GROUPS", 60).div_ceil(GROUPS) {
        let names: Vec<_> = (0..GROUPS).map(|n| format!("class {round} {n}")).collect();
        let all = join_all(names.iter().map(|name| ends_under_fire(&mesh, name))).await;
        for received in all {
            let ends = received
                .iter()
                .map(|message| !message["groupDissolve"].is_null());
            let at: Vec<_> = ends.enumerate().filter(|(_, is_end)| *is_end).collect();
            assert_eq!(at, [(received.len() - 1, true)], "{received:?}");
        }
    }
}
