//! How the function starts, and what it logs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{SECRET, Table, event, mutates};
use crate::support::mesh::TIMEOUT;
use crate::support::program::{folder, utf8};
use crate::support::runtime_api::ends_at_once;

#[apply(case!)]
fn d1_production_does_not_start_without_a_configured_secret() {
    for secret in [None, Some(""), Some("default-secret-key"), Some("short")] {
        let mut settings = vec![("STAGE", "prod"), ("MESH_API_KEYS", "da2-spec-kitchen-key")];
        settings.extend(secret.map(|secret| ("MESH_SECRET_KEY", secret)));
        let output = ends_at_once(&settings);
        let stderr = utf8(&output.stderr);
        assert!(!output.status.success(), "{secret:?}: {stderr}");
        assert!(stderr.contains("MESH_SECRET_KEY"), "{secret:?}: {stderr}");
        assert!(!stderr.contains("spec-kitchen"), "{stderr}");
    }
}

#[apply(case!)]
fn invalid_settings_are_named_at_the_start() {
    for (name, value) in [
        ("STAGE", "production-2"),
        ("MESH_EVENT_TTL_SECONDS", "2"),
        ("MESH_LOG", "info,="),
    ] {
        let output = ends_at_once(&[(name, value)]);
        let stderr = utf8(&output.stderr);
        assert!(!output.status.success(), "{name}: {stderr}");
        let flag = name
            .trim_start_matches("MESH_")
            .trim_end_matches("_SECONDS");
        let flag = format!("--{}", flag.to_lowercase().replace('_', "-"));
        assert!(
            stderr.contains(name) || stderr.contains(&flag),
            "{name}: {stderr}"
        );
    }
}

#[apply(case!)]
fn outside_of_lambda_the_program_names_mesh_v2() {
    let folder = folder();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mesh-v2-lambda"));
    let output = command.current_dir(folder.path()).env_clear().output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(utf8(&output.stderr).contains("run mesh-v2"), "{output:?}");
}

#[apply(case!)]
async fn the_log_contains_no_content_and_notes_a_blocked_network() {
    let table = Table::new().await;
    let settings = [("MESH_LOG", "trace"), ("MESH_SECRET_KEY", SECRET)];
    let function = table.function(&settings).await;
    let arguments = json!({
        "name": "ひみつの組",
        "hostId": "hidden-host",
        "domain": "hidden-domain",
        "useWebSocket": false,
    });
    let made = mutates(&function, "createGroup", arguments).await;
    let here = json!({"groupId": made["id"], "domain": "hidden-domain", "nodeId": "hidden-kitten"});
    let with = |name: &str, list: Value| {
        let mut arguments = here.clone();
        arguments[name] = list;
        arguments
    };
    mutates(&function, "joinGroup", with("useWebSocket", json!(false))).await;
    let data = json!([{"key": "hidden-key", "value": "hidden-value"}]);
    for _ in 0..2 {
        mutates(&function, "reportDataByNode", with("data", data.clone())).await;
    }
    let event_of_a_child = json!({
        "eventName": "hidden-event",
        "payload": "hidden-payload",
        "firedAt": "2026-11-21T04:40:35Z",
    });
    let events = json!([event_of_a_child]);
    mutates(&function, "recordEventsByNode", with("events", events)).await;
    mutates(&function, "createDomain", json!({})).await;
    mutates(
        &function,
        "renewHeartbeat",
        json!({"groupId": made["id"], "domain": "hidden-domain", "hostId": "hidden-other"}),
    )
    .await;
    let failed = function.invoke(json!({"hidden": "hidden-odd"})).await;
    failed.expect_err("no event");
    let failed = function
        .invoke(event(
            "Query",
            "getNodeStatus",
            &json!({"nodeId": "n", "x": "hidden-argument"}),
        ))
        .await;
    failed.expect_err("no such argument");

    let log = function.log();
    for private in ["ひみつ", "hidden", "203.0.113.77", SECRET, "spec-kitchen"] {
        assert!(!log.contains(private), "{private} is in the log");
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for expected in [
        "createGroup fallback to Polling",
        "joinGroup fallback to Polling",
    ] {
        assert_eq!(log.matches(expected).count(), 1, "{expected}");
    }
}

#[apply(case!)]
async fn calls_become_metrics_of_cloudwatch_in_few_lines() {
    let table = Table::new().await;
    let settings = [
        ("MESH_SECRET_KEY", SECRET),
        ("MESH_LOG", "warn"),
        ("MESH_LAMBDA_METRICS_SECONDS", "1"),
    ];
    let function = table.function(&settings).await;
    let since = Instant::now();
    let line = loop {
        let domain = mutates(&function, "createDomain", json!({})).await;
        assert!(domain.is_string() || domain.is_object(), "{domain}");
        let log = function.log();
        if let Some(line) = log.lines().find(|line| line.contains("\"_aws\"")) {
            break serde_json::from_str::<Value>(line).expect("JSON");
        }
        assert!(since.elapsed() < TIMEOUT, "{log}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "MeshV2");
    assert_eq!(line["Stage"], "stg");
    assert_eq!(line["Polls"], 0);
    assert!(line["Calls"].as_u64() >= Some(2), "{line}");
    let secret = ["203.0.113.77", SECRET, "spec-kitchen"];
    assert!(
        !secret.iter().any(|it| line.to_string().contains(it)),
        "{line}"
    );
}
