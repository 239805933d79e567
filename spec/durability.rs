//! What the real program keeps: through kills, restarts and a full disk.

mod kills;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::people::{all, event, text};
use crate::support::program::{self, Server, folder, size_of};
use crate::support::stage::PATIENCE;
use crate::support::{Group, Node, Reply, Socket, TestMesh};
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

/// What a stage knows of a group.
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

/// Fills a stage; answers the group as its host was answered.
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
    // What was taken away must stay away.
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
    for durability in ["power", "process"] {
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
    server.dies();

    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    let kitten = group.node("kitten");
    assert_eq!(all_of(&group, &kitten).await, before);
    // And it is the same group to work with: order, idempotence and ends hold on.
    let renewed = group.renews().await.value();
    assert_eq!(renewed["expiresAt"], group.record["expiresAt"]);
    let host = mesh.host("teacher").moves_to(&group.domain);
    assert_eq!(host.creates_polling("授業").await.record, group.record);
    kitten.beats().await.value();
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
    server.dies();

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

/// In real time, with the reaper at work: told apart after it and after a restart.
#[apply(case!)]
async fn d30_ended_groups_are_remembered_through_kill_9() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut settings = settings(&data);
    settings.push(("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", "1"));
    settings.push(("MESH_HOST_HEARTBEAT_TTL_SECONDS", "2"));
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    let short = mesh.host("short");
    let wish = json!({"maxConnectionTimeSeconds": 1});
    let short = short.group(&short.wishes("class", wish).await);
    let silent = mesh.host("silent").creates("class").await;
    let mut ears = [short.listen().await, silent.listen().await];
    for ear in &mut ears {
        // The reaper removes a group before it tells its end.
        ear.dissolution().await;
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
    server.dies();
    let server = Server::start(folder.path(), &settings);
    refused(&server.mesh(KEY)).await;
}

#[apply(case!)]
async fn each_acknowledged_call_is_on_disk_when_it_is_answered() {
    let folder = folder();
    let data = folder.path().join("data");
    for (i, durability) in ["power", "process", "power", "process"].iter().enumerate() {
        // Killed right after the answer, in the midst of other writes.
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
        server.dies();
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
        server.dies();
    }
}

#[apply(case!)]
async fn sigterm_says_goodbye_to_sockets_ends_well_and_keeps_everything() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = lesson(&mesh).await;
    let before = all_of(&group, &group.node("kitten")).await;
    let mut ear = group.listen().await;
    let mut newer = Socket::transport(&mesh).await;
    server.is_asked_to_stop();
    assert_eq!(ear.socket.is_closed().await, 1012);
    assert_eq!(newer.is_closed().await, 1012);
    drop((ear, newer));
    assert_eq!(server.ends(), Some(0));
    let server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    assert_eq!(all_of(&group, &group.node("kitten")).await, before);
}

#[apply(case!)]
async fn one_folder_has_one_server() {
    let folder = folder();
    let data = folder.path().join("data");
    let _server = Server::start(folder.path(), &settings(&data));
    let mut second = program::program(folder.path());
    second
        .args(["--listen", "127.0.0.1:0"])
        .envs(settings(&data));
    let output = second.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = program::said(&output.stderr);
    assert!(
        said.contains("another mesh-v2 uses this data folder"),
        "{said}"
    );
}

#[apply(case!)]
async fn a_memory_store_forgets() {
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
    server.dies();
    let server = start();
    let mesh = server.mesh(KEY);
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": "d"}))
        .await
        .value();
    assert_eq!(listed, json!([]));
    assert!(!folder.path().join("data").exists(), "nothing is written");
}

#[apply(case!)]
async fn overwriting_does_not_grow_the_folder_without_bound() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let value = "x".repeat(4000);
    let overwrite = async |times: usize| {
        join_all((0..30).map(|i| {
            let (node, value) = (group.node(&format!("node {i}")), &value);
            async move {
                for _ in 0..times / 30 {
                    node.reports([("temp", value)]).await;
                }
            }
        }))
        .await;
        size_of(&data)
    };
    let early = overwrite(600).await;
    let late = overwrite(2400).await;
    // 3000 reports are 12 MB of values, of which 120 KB are worth keeping.
    assert!(late < 6 * 1024 * 1024, "{early} bytes, then {late}");
    assert!(late <= early * 2, "{early} bytes, then {late}");
}

#[apply(case!)]
async fn d21_a_failing_disk_is_no_missing_group() {
    let folder = folder();
    let data = folder.path().join("data");
    // Files may not grow past 4 MB: the store fails as on a full disk.
    let mut command = Command::new("sh");
    let script = format!(
        "trap '' XFSZ; ulimit -S -f 8192; exec '{}' --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_mesh-v2")
    );
    command
        .args(["-c", &script])
        .current_dir(folder.path())
        .env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(settings(&data))
        .env("MESH_MAX_STATUS_BYTES_PER_GROUP", "100000000")
        .env("MESH_MAX_ANSWER_BYTES", "200000000");
    let server = Server::run(folder.path(), command);
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let value = "x".repeat(60_000);
    let (mut failed, mut reported) = (None, 0);
    for i in 0..200 {
        let data = json!({"data": [{"key": "a", "value": value}]});
        let reply = group
            .node(&format!("node {i}"))
            .calls("reportDataByNode", data)
            .await;
        if reply.json.get("errors").is_some() {
            failed = Some(reply);
            break;
        }
        reported += 1;
    }
    let failed = failed.expect("the disk is full at some time");
    failed.is_refused(
        "InternalFailure",
        "The service is busy or out of order. Please try again.",
    );
    assert_eq!(failed.json["data"], json!({"reportDataByNode": null}));
    let ready = Reply::to(mesh.http().get(format!("{}/readyz", mesh.origin()))).await;
    assert_eq!(
        (ready.status, &*ready.text),
        (503, "the store does not take writes\n")
    );
    let alive = Reply::to(mesh.http().get(format!("{}/healthz", mesh.origin()))).await;
    assert_eq!(alive.status, 200);
    // Reads go on, and what was acknowledged before is still there.
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": group.domain}))
        .await
        .value();
    assert_eq!(listed, json!([group.record]));
    // Room again: the stage goes on from what it acknowledged, and what failed may be repeated.
    let room = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &server.pid().to_string()])
        .status();
    assert!(room.expect("prlimit of util-linux runs").success());
    let ready = async || {
        let ready = mesh.http().get(format!("{}/readyz", mesh.origin()));
        Reply::to(ready).await.status == 200
    };
    let patience = Instant::now() + PATIENCE;
    while !ready().await {
        assert!(Instant::now() < patience, "the store takes writes again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(group.statuses().await.len(), reported);
    group.join("puppy").await;
    server.dies();
    let server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    assert_eq!(group.statuses().await[0].data[0].1, value);
    group.join("kitten").await;
}
