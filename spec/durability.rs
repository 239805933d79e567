//! What the program keeps through kills, restarts and a full disk.

mod backup;
#[cfg(target_os = "linux")]
mod committed;
mod damage;
mod disk;
mod erasure;
mod kills;
#[cfg(target_os = "linux")]
mod powercut;

use std::path::Path;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::clients::event;
use crate::support::json::{all, text};
use crate::support::program::{self, Server, folder};
use crate::support::{Group, Node, Socket, TestMesh};
use crate::time::{GUARDED, call};

const KEY: &str = "da2-of-this-test";

/// Settings under which events and members outlive a restart.
fn settings(data: &Path) -> Vec<(&'static str, &str)> {
    let data = data.to_str().expect("a path of text");
    vec![
        ("MESH_API_KEYS", KEY),
        ("MESH_DATA", data),
        ("MESH_DRAIN_SECONDS", "0"),
        ("MESH_EVENT_TTL_SECONDS", "120"),
    ]
}

/// All that a server returns about a group.
async fn all_of(group: &Group<'_>, kitten: &Node<'_>) -> Vec<Value> {
    let mesh = group.mesh;
    vec![
        mesh.calls("listGroupsByDomain", json!({"domain": group.domain}))
            .await
            .value(),
        group.calls("listNodesInGroup", json!({})).await.value(),
        group.calls("listGroupStatuses", json!({})).await.value(),
        group
            .calls("pollGroupData", json!({"since": ""}))
            .await
            .value(),
        mesh.calls("getNodeStatus", json!({"nodeId": kitten.id}))
            .await
            .value(),
    ]
}

/// Writes groups and nodes; returns the group as its host received it.
async fn lesson(mesh: &TestMesh) -> Group<'_> {
    let group = mesh.host("teacher").creates_polling("授業").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21"), ("名前", "ミケ🐱")]).await;
    kitten.reports([("temp", "22")]).await;
    group.hosting_node().reports([("round", "3")]).await;
    let keyed = json!({"events": [event("go", json!({"orderKey": "1", "payload": "x"}))]});
    kitten.calls("recordEventsByNode", keyed).await.value();
    kitten.records(["one", "two"]).await;
    kitten.fires(["fired"]).await;
    // What was removed must stay removed.
    group.join("bird").await.leaves().await.value();
    mesh.host("other")
        .creates("dissolved")
        .await
        .dissolves()
        .await
        .value();
    group
}

fn again<'a>(group: &Group<'_>, mesh: &'a TestMesh) -> Group<'a> {
    Group {
        mesh,
        id: group.id.clone(),
        domain: group.domain.clone(),
        host: group.host.clone(),
        record: group.record.clone(),
    }
}

#[apply(case!)]
async fn everything_acknowledged_survives_kill_9() {
    for durability in ["always", "everysec", "no"] {
        survives_kill_9(durability).await;
    }
}

async fn survives_kill_9(durability: &'static str) {
    let folder = folder();
    let data = folder.path().join("data");
    let mut settings = settings(&data);
    settings.push(("MESH_DURABILITY", durability));
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let group = lesson(&mesh).await;
    let before = all_of(&group, &group.node("kitten")).await;
    assert_eq!(
        all("name", before[3]["events"].as_array().expect("events")),
        ["go", "one", "two", "fired"]
    );
    server.gets_killed();

    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    let kitten = group.node("kitten");
    assert_eq!(all_of(&group, &kitten).await, before);
    // The group continues: order, idempotence and expiry are as before.
    let renewed = group.renews().await.value();
    assert_eq!(renewed["expiresAt"], group.record["expiresAt"]);
    let host = mesh.host("teacher").moves_to(&group.domain);
    assert_eq!(host.creates_polling("授業").await.record, group.record);
    kitten.sends_heartbeat().await.value();
    let keyed = json!({"events": [event("go", json!({"orderKey": "1", "payload": "x"}))]});
    kitten.calls("recordEventsByNode", keyed).await.value();
    kitten.records(["later"]).await;
    let names = all("name", &group.events_since("").await);
    assert_eq!(
        names,
        ["go", "one", "two", "fired", "later"],
        "d15: a repeated batch is still one"
    );
    group.dissolves().await.value();
    server.gets_killed();

    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": group.domain}))
        .await;
    assert_eq!(
        listed.value(),
        json!([]),
        "d6: a dissolved group does not come back"
    );
}

/// In real time, with the reaper: both ends are distinguished after it and after a restart.
#[apply(case!)]
async fn d30_tombstones_survive_kill_9() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut settings = settings(&data);
    settings.push(("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", "1"));
    settings.push(("MESH_HOST_HEARTBEAT_TTL_SECONDS", "2"));
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let short = mesh.host("short");
    let arguments = json!({"maxConnectionTimeSeconds": 1});
    let short = short.group(&short.calls_create_group("class", arguments).await);
    let silent = mesh.host("silent").creates("class").await;
    let mut subscribers = [short.subscribe().await, silent.subscribe().await];
    for subscriber in &mut subscribers {
        // The reaper removes a group before it publishes its end.
        subscriber.dissolution().await;
    }
    let refused = async |mesh: &TestMesh| {
        for (group, text) in [
            (
                &short,
                format!(
                    "Group expired: {}@{} (expiresAt: {})",
                    short.id,
                    short.domain,
                    text(&short.record["expiresAt"])
                ),
            ),
            (
                &silent,
                format!(
                    "Group not found: {}@{} (heartbeat expired)",
                    silent.id, silent.domain
                ),
            ),
        ] {
            for field in GUARDED {
                let reply = call(&again(group, mesh), field).await;
                reply.is_refused("GroupNotFound", &text);
            }
        }
    };
    refused(&mesh).await;
    server.gets_killed();
    let server = Server::start(folder.path(), &settings);
    refused(&server.mesh(KEY)).await;
}

#[apply(case!)]
async fn each_acknowledged_call_is_on_disk_when_it_is_answered() {
    let folder = folder();
    let data = folder.path().join("data");
    for (i, durability) in ["always", "everysec", "no", "everysec"].iter().enumerate() {
        // Killed right after the answer, during other writes.
        let mut settings = settings(&data);
        settings.push(("MESH_DURABILITY", durability));
        let server = Server::start(folder.path(), &settings);
        let mesh = server.mesh(KEY);
        let group = mesh
            .host("teacher")
            .moves_to("d")
            .creates_polling("class")
            .await;
        let name = format!("node {i}");
        let others = join_all((0..20).map(|k| {
            let node = group.node(&format!("other {k}"));
            async move { node.calls("joinGroup", json!({})).await }
        }));
        let mine = async {
            let node = group.join(&name).await;
            node.reports([("i", &*i.to_string())]).await;
            node.records([&*name]).await;
        };
        tokio::join!(others, mine);
        server.gets_killed();
        let server = Server::start(folder.path(), &settings);
        let mesh = server.mesh(KEY);
        let group = again(&group, &mesh);
        assert_eq!(group.members().await.len(), 20 + i + 1);
        let status = group.node(&name).status().await.expect("a status");
        assert_eq!(status, (&*name, [("i", &*i.to_string())]));
        assert_eq!(
            all("name", &group.events_since("").await).last(),
            Some(&name)
        );
        server.gets_killed();
    }
}

#[apply(case!)]
async fn sigterm_closes_sockets_exits_with_0_and_keeps_everything() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = lesson(&mesh).await;
    let before = all_of(&group, &group.node("kitten")).await;
    let mut subscriber = group.subscribe().await;
    let mut newer = Socket::transport(&mesh).await;
    server.is_terminated();
    assert_eq!(subscriber.socket.is_closed().await, 1012);
    assert_eq!(newer.is_closed().await, 1012);
    drop((subscriber, newer));
    assert_eq!(server.ends(), Some(0));
    let server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    assert_eq!(all_of(&group, &group.node("kitten")).await, before);
}

#[apply(case!)]
async fn a_second_server_on_one_folder_is_refused() {
    let folder = folder();
    let data = folder.path().join("data");
    let _server = Server::start(folder.path(), &settings(&data));
    let mut second = program::program(folder.path());
    second
        .args(["--listen", "127.0.0.1:0"])
        .envs(settings(&data));
    let output = second.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let stderr = program::utf8(&output.stderr);
    assert!(
        stderr.contains("another mesh-v2 uses this data folder"),
        "{stderr}"
    );
}

#[apply(case!)]
async fn a_memory_store_loses_everything_at_a_restart() {
    let folder = folder();
    let start = || {
        Server::start(
            folder.path(),
            &[("MESH_API_KEYS", KEY), ("MESH_STORE", "memory")],
        )
    };
    let server = start();
    let mesh = server.mesh(KEY);
    mesh.host("teacher").moves_to("d").creates("class").await;
    server.gets_killed();
    let server = start();
    let mesh = server.mesh(KEY);
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": "d"}))
        .await
        .value();
    assert_eq!(listed, json!([]));
    assert!(!folder.path().join("data").exists(), "nothing is written");
}
