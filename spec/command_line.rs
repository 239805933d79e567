//! The program as a user starts it: settings, commands, and what it never prints.

use std::fs;

use serde_json::json;

use crate::support::clients::event;
use crate::support::program::{Server, folder, program, runs, utf8};
use crate::support::{Reply, TestMesh};

#[apply(case!)]
fn it_prints_the_contract() {
    let output = runs(folder().path(), &["schema"]);
    assert!(output.status.success());
    assert_eq!(
        utf8(&output.stdout),
        include_str!("../schema/schema.graphql")
    );
}

#[apply(case!)]
fn it_prints_its_settings_without_secrets() {
    let folder = folder();
    let mut check = program(folder.path());
    check
        .env("MESH_API_KEYS", "da2-first,da2-second")
        .env("MESH_SECRET_KEY", "the-kings-beard");
    let output = check
        .args(["check", "--event-ttl", "20"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", utf8(&output.stderr));
    let text = utf8(&output.stdout) + &utf8(&output.stderr);
    for line in [
        "STAGE=stg",
        "MESH_LISTEN=127.0.0.1:4000",
        "MESH_STORE=embedded",
        "MESH_DATA=data",
        "MESH_DURABILITY=everysec",
        "# MESH_API_KEYS: 2 set",
        "# MESH_SECRET_KEY: set",
        "MESH_HOST_HEARTBEAT_INTERVAL_SECONDS=15",
        "MESH_HOST_HEARTBEAT_TTL_SECONDS=60",
        "MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS=15",
        "MESH_MEMBER_HEARTBEAT_TTL_SECONDS=60",
        "MESH_DEFAULT_CONNECTION_TIME_SECONDS=300",
        "MESH_MAX_CONNECTION_TIME_SECONDS=300",
        "MESH_EVENT_TTL_SECONDS=20",
        "MESH_POLLING_INTERVAL_SECONDS=2",
        "MESH_NEXT_SINCE=empty",
    ] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line} in {text}"
        );
    }
    for secret in ["da2-first", "da2-second", "the-kings-beard"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[apply(case!)]
async fn it_prints_everything_a_client_needs_at_start() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let mesh = server.mesh("da2-mesh-development");
    for expected in [
        format!("endpoint  {}", server.endpoint),
        format!("realtime  ws://{}/graphql/realtime", mesh.address()),
        "environment stg".into(),
        format!("Mesh v2 {}", env!("CARGO_PKG_VERSION")),
        "store     memory".into(),
        "da2-mesh-development".into(),
        format!("url: \"{}\"", server.endpoint),
    ] {
        assert!(
            server.greeting.contains(&expected),
            "{expected} in {}",
            server.greeting
        );
    }
    mesh.still_serves().await;
}

#[apply(case!)]
async fn keys_that_are_set_replace_the_development_key_and_are_not_shown() {
    let folder = folder();
    let keys = [
        ("MESH_STORE", "memory"),
        ("MESH_API_KEYS", "da2-one, da2-two"),
    ];
    let server = Server::start(folder.path(), &keys);
    assert!(!server.greeting.contains("da2-"), "{}", server.greeting);
    for key in ["da2-one", "da2-two"] {
        server.mesh(key).still_serves().await;
    }
    let developer = server
        .mesh("da2-mesh-development")
        .executes("{ __typename }")
        .await;
    assert_eq!(developer.status, 401);
}

#[apply(case!)]
async fn it_also_serves_tls_with_a_self_signed_certificate() {
    let folder = folder();
    let mut command = program(folder.path());
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--store",
        "memory",
    ]);
    command.args(["--tls-self-signed", "tls"]);
    let server = Server::run(folder.path(), command);
    let secure = server
        .greeting
        .split_whitespace()
        .find(|word| word.starts_with("https://"));
    let secure = secure.expect("an endpoint over TLS").to_owned();
    let ca = fs::read(folder.path().join("tls/ca.pem")).expect("a certificate to trust");
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::support::trust::only(&ca))
        .no_proxy()
        .build()
        .expect("a client");
    for host in ["127.0.0.1", "localhost"] {
        let url = secure.replace("127.0.0.1", host);
        let request = client.post(url).header("x-api-key", "da2-mesh-development");
        let reply = Reply::to(request.json(&json!({"query": "{ __typename }"}))).await;
        assert_eq!(reply.value(), "Query");
    }
}

/// A whole lesson with words that occur nowhere else.
async fn lesson(mesh: &TestMesh) {
    let host = mesh.host("teacher-Xanthippe").moves_to("domain-Quetzal");
    host.creates_polling("name-Brontosaurus")
        .await
        .dissolves()
        .await
        .value();
    let group = host.creates("name-Brontosaurus").await;
    let mut subscriber = group.subscribe().await;
    let node = group.join_polling("node-Pterodactyl").await;
    node.reports([("key-Wombat", "value-Axolotl")]).await;
    subscriber.status().await;
    let events = json!({"events": [event("event-Okapi", json!({"payload": "payload-Tapir"}))]});
    node.calls("fireEventsByNode", events.clone()).await.value();
    node.calls("recordEventsByNode", events).await.value();
    group
        .calls("pollGroupData", json!({"since": ""}))
        .await
        .value();
    mesh.calls("createDomain", json!({})).await.value();
    // Errors and invalid documents as well.
    group
        .calls("joinGroup", json!({"nodeId": "bad-Narwhal#"}))
        .await
        .error();
    mesh.executes("{ broken-Capybara(").await;
    let get = format!("{}?query={{nothing(x:%22text-Manatee%22)}}", mesh.endpoint);
    let get = mesh.http().get(get).header("x-api-key", &mesh.key);
    Reply::to(get).await.error();
    mesh.executes("{ nothing(x: \"text-Manatee\") }")
        .await
        .error();
    let stranger = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", "da2-wrong-Platypus");
    let stranger = stranger.header("x-forwarded-for", "198.51.100.77");
    assert_eq!(
        Reply::to(stranger.json(&json!({"query": "{ x }"})))
            .await
            .status,
        401
    );
    node.leaves().await.value();
    group.dissolves().await.value();
}

#[apply(case!)]
async fn the_log_contains_no_key_and_no_content_of_pupils() {
    let folder = folder();
    let mut server = Server::start(
        folder.path(),
        &[
            ("MESH_LOG", "debug"),
            ("MESH_DRAIN_SECONDS", "0"),
            ("MESH_API_KEYS", "da2-key-Salamander"),
            ("MESH_SECRET_KEY", "secret-Hippocampus"),
            ("MESH_TRUSTED_PROXIES", "127.0.0.1/32"),
        ],
    );
    lesson(&server.mesh("da2-key-Salamander")).await;
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    let log = server.log();
    assert!(log.contains("stopping"), "{log}");
    assert!(
        log.contains("createGroup") && log.contains("joinGroup"),
        "{log}"
    );
    for word in [
        // A WebSocket's query has the key in base64, and a GET's the document.
        "header=",
        "query=",
        "Xanthippe",
        "Quetzal",
        "Brontosaurus",
        "Pterodactyl",
        "Wombat",
        "Axolotl",
        "Okapi",
        "Tapir",
        "Narwhal",
        "Capybara",
        "Manatee",
        "Platypus",
        "Salamander",
        "Hippocampus",
        "198.51.100.77",
    ] {
        assert!(!log.contains(word), "{word} in {log}");
    }
    // The only measure of blocked networks: groups that fall back to polling.
    for expected in [
        "createGroup fallback to Polling",
        "joinGroup fallback to Polling",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
}
