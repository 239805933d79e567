//! The size of the data folder, and a full disk.

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::{KEY, again, settings};
use crate::support::Reply;
use crate::support::TestMesh;
use crate::support::mesh::TIMEOUT;
use crate::support::probe::Probe;
use crate::support::program::{Server, folder, size_of};

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
async fn d21_a_failing_disk_is_an_internal_error_and_no_missing_group() {
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
    // What is refused is not shown, now and later.
    let full = format!("node {reported}");
    for i in 0..20 {
        let data = json!({"data": [{"key": "a", "value": format!("{i}{value}")}]});
        let node = group.node(if i % 2 == 0 { &full } else { "node 0" });
        let reply = node.calls("reportDataByNode", data).await;
        reply.is_refused(
            "InternalFailure",
            "The service is busy or out of order. Please try again.",
        );
        let shown = group.statuses().await;
        assert_eq!(shown.len(), reported);
        assert!(shown.iter().all(|status| status.data[0].1 == value));
    }
    // With space again, the server continues from what it acknowledged, and failed calls may be repeated.
    let raised = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &server.pid().to_string()])
        .status();
    assert!(raised.expect("prlimit of util-linux runs").success());
    let ready = async || {
        let ready = mesh.http().get(format!("{}/readyz", mesh.origin()));
        Reply::to(ready).await.status == 200
    };
    let deadline = Instant::now() + TIMEOUT;
    while !ready().await {
        assert!(Instant::now() < deadline, "the store takes writes again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = group.statuses().await;
    assert_eq!(shown.len(), reported);
    assert!(shown.iter().all(|status| status.data[0].1 == value));
    group.join("puppy").await;
    server.gets_killed();
    let server = Server::start(folder.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    let shown = group.statuses().await;
    assert_eq!(shown.len(), reported);
    assert!(shown.iter().all(|status| status.data[0].1 == value));
    group.join("kitten").await;
}

/// Waits until the server says that it takes writes, or that it does not.
async fn is_ready(mesh: &TestMesh, expected: bool) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let ready = Reply::to(mesh.http().get(format!("{}/readyz", mesh.origin()))).await;
        if (ready.status == 200) == expected {
            return;
        }
        assert!(Instant::now() < deadline, "ready: {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[apply(case!)]
async fn d21_a_sync_that_fails_loses_nothing_that_was_answered() {
    let folder = folder();
    let data = folder.path().join("data");
    let probe = Probe::new();
    let mut settings = settings(&data);
    settings.push(("MESH_DURABILITY", "everysec"));
    let mut probed = settings.clone();
    probed.extend(probe.settings());
    let server = Server::start(folder.path(), &probed);
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let pupil = group.join("pupil").await;
    pupil.reports([("n", "1")]).await;
    probe.fails(true);
    // Writes are answered until the next sync.
    let mut answered = 1;
    let refused = loop {
        let value = (answered + 1).to_string();
        let data = json!({"data": [{"key": "n", "value": value}]});
        let reply = pupil.calls("reportDataByNode", data).await;
        if reply.json.get("errors").is_some() {
            break reply;
        }
        answered += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    refused.is_refused(
        "InternalFailure",
        "The service is busy or out of order. Please try again.",
    );
    is_ready(&mesh, false).await;
    let answered = answered.to_string();
    // Queries go on with what was answered, also while recovering fails.
    assert_eq!(group.statuses().await[0].data[0].1, answered);
    probe.fails(false);
    is_ready(&mesh, true).await;
    assert_eq!(group.statuses().await[0].data[0].1, answered);
    pupil.reports([("n", "last")]).await;
    server.gets_killed();
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh(KEY);
    assert_eq!(again(&group, &mesh).statuses().await[0].data[0].1, "last");
}
