//! GET /metrics (docs/monitoring.md).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::mesh::TIMEOUT;
use crate::support::program::{Server, folder};
use crate::support::{Reply, Socket, TestMesh};

/// The value of a metric, by its name with its labels.
pub async fn metric(mesh: &TestMesh, name: &str) -> u64 {
    let reply = Reply::to(mesh.http().get(format!("{}/metrics", mesh.origin()))).await;
    let mut lines = reply.text.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(known, _)| *known == name);
    let (_, value) = found.unwrap_or_else(|| panic!("{name} in {}", reply.text));
    value.parse().expect("a number")
}

#[apply(case!)]
async fn metrics_count_connections_by_protocol_and_name_nobody() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.fires(["meow"]).await;
    let appsync = group.subscribe().await;
    let transport = Socket::transport(&mesh).await;
    assert_eq!(
        metric(&mesh, "mesh_sockets{protocol=\"graphql-ws\"}").await,
        1
    );
    assert_eq!(
        metric(&mesh, "mesh_sockets{protocol=\"graphql-transport-ws\"}").await,
        1
    );
    assert!(metric(&mesh, "mesh_connections").await >= 3);
    let reply = Reply::to(mesh.http().get(format!("{}/metrics", mesh.origin()))).await;
    assert!(
        reply
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    assert!(reply.text.ends_with("# EOF\n"));
    for secret in [
        &*group.id,
        &group.domain,
        "teacher",
        "kitten",
        "meow",
        "127.0.0.1",
        &mesh.key,
    ] {
        assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
    }
    drop((appsync, transport));
}

#[apply(case!)]
async fn metrics_behind_a_proxy_need_a_key() {
    let mesh = TestMesh::own(|_| {}).await;
    let get = |key: &str| {
        let request = mesh.http().get(format!("{}/metrics", mesh.origin()));
        request
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-api-key", key)
    };
    let refused = Reply::to(get("da2-wrong")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("x-amzn-errortype"), "UnauthorizedException");
    let shown = Reply::to(get(&mesh.key)).await;
    assert_eq!(shown.status, 200);
    assert!(
        shown.text.contains("mesh_connections "),
        "{}",
        json!(shown.text)
    );
}

/// All values of a scrape.
async fn scrape(mesh: &TestMesh, url: &str) -> HashMap<String, f64> {
    let reply = Reply::to(mesh.http().get(url)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let lines = reply.text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.rsplit_once(' '));
    let values = pairs.map(|(name, value)| (name.to_owned(), value.parse().expect("a number")));
    values.collect()
}

/// Scrapes until the values are these: what lives is counted once a second.
async fn shows(mesh: &TestMesh, url: &str, expected: &[(&str, f64)]) -> HashMap<String, f64> {
    let since = Instant::now();
    loop {
        let shown = scrape(mesh, url).await;
        let wrong = expected
            .iter()
            .find(|(name, value)| shown.get(*name) != Some(value));
        match wrong {
            None => return shown,
            Some((name, value)) => assert!(
                since.elapsed() < TIMEOUT,
                "{name} is {:?}, and not {value}",
                shown.get(*name)
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[apply(case!)]
async fn a_lesson_is_seen_in_the_metrics() {
    let mesh = TestMesh::own(|_| {}).await;
    let url = format!("{}/metrics", mesh.origin());
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let subscriber = group.subscribe().await;
    for meow in ["one", "two", "three"] {
        kitten.fires([meow]).await;
    }
    let foreign = json!({"groupId": "g-none", "domain": mesh.domain, "hostId": "h"});
    assert_eq!(
        mesh.calls("dissolveGroup", foreign).await.error().0,
        "GroupNotFound"
    );
    let shown = shows(
        &mesh,
        &url,
        &[
            ("mesh_published_messages_total{kind=\"events\"}", 3.0),
            ("mesh_delivered_messages_total", 3.0),
            ("mesh_delivery_seconds_count", 3.0),
            ("mesh_subscriptions{transport=\"websocket\"}", 1.0),
            ("mesh_opened_sockets_total{protocol=\"graphql-ws\"}", 1.0),
            ("mesh_store_call_seconds_count{call=\"append\"}", 3.0),
            ("mesh_store_call_seconds_count{call=\"host_group\"}", 1.0),
            ("mesh_store_failures_total{call=\"append\"}", 0.0),
            ("mesh_errors_total{type=\"GroupNotFound\"}", 1.0),
        ],
    )
    .await;
    assert!(shown["mesh_uptime_seconds"] > 0.0);
    assert!(
        shown
            .keys()
            .any(|name| name.starts_with("mesh_build_info{version="))
    );
    drop(subscriber);
    shows(
        &mesh,
        &url,
        &[("mesh_subscriptions{transport=\"websocket\"}", 0.0)],
    )
    .await;
}

#[apply(case!)]
async fn what_lives_and_the_journal_are_shown_on_a_listener_of_its_own() {
    let folder = folder();
    let metrics = [
        ("MESH_METRICS_LISTEN", "127.0.0.1:0"),
        ("MESH_DURABILITY", "always"),
    ];
    let server = Server::start(folder.path(), &metrics);
    let mut lines = server.greeting.lines();
    let own = lines.find_map(|line| line.trim().strip_prefix("metrics"));
    let own = own.expect("its address").trim();
    let mesh = server.mesh("da2-mesh-development");
    let beside = Reply::to(mesh.http().get(format!("{}/metrics", mesh.origin()))).await;
    assert_eq!(beside.status, 404, "only there");
    for path in ["graphql", "graphql/realtime", "teach", "cloud", ""] {
        let request = mesh.http().post(own.replace("metrics", path)).body("{}");
        assert!(
            [404, 405].contains(&Reply::to(request).await.status),
            "{path}"
        );
    }
    for path in ["healthz", "readyz"] {
        let request = mesh.http().get(own.replace("metrics", path));
        assert_eq!(Reply::to(request).await.status, 200, "{path}");
    }
    let group = mesh.host("teacher").creates("class").await;
    group.join("kitten").await;
    let polls = json!({"nodeId": "poller", "nodeName": "p", "useWebSocket": false});
    group.calls("joinGroup", group.and(polls)).await.value();
    let shown = shows(
        &mesh,
        own,
        &[
            ("mesh_groups", 1.0),
            ("mesh_members{delivery=\"subscription\"}", 1.0),
            ("mesh_members{delivery=\"polling\"}", 1.0),
            ("mesh_journal_unsynced_seconds", 0.0),
        ],
    )
    .await;
    for positive in [
        "mesh_nodes",
        "mesh_journal_bytes",
        "mesh_journal_syncs_total",
        "mesh_journal_written_bytes_total",
        "mesh_memory_limit_bytes",
        "mesh_memory_bytes{purpose=\"stored\"}",
    ] {
        assert!(shown[positive] > 0.0, "{positive}");
    }
}

#[apply(case!)]
async fn members_of_a_polling_group_poll_although_they_ask_for_a_websocket() {
    let folder = folder();
    for store in ["memory", "embedded"] {
        let server = Server::start(folder.path(), &[("MESH_STORE", store)]);
        let mesh = server.mesh("da2-mesh-development");
        let group = mesh.host("teacher").creates_polling("class").await;
        for id in ["kitten", "cat"] {
            let joins = json!({"nodeId": id, "useWebSocket": true});
            group.calls("joinGroup", group.and(joins)).await.value();
        }
        let url = format!("{}/metrics", mesh.origin());
        let members = [
            ("mesh_members{delivery=\"polling\"}", 2.0),
            ("mesh_members{delivery=\"subscription\"}", 0.0),
        ];
        shows(&mesh, &url, &members).await;
        let log = server.log();
        for (line, text) in [
            (1, "createGroup fallback to Polling"),
            (1, "joinGroup fallback to Polling"),
            (0, "\"WebSocket\""),
        ] {
            assert_eq!(log.matches(text).count(), line, "{text} in {log}");
        }
    }
}

#[apply(case!)]
async fn a_prod_server_shows_metrics_to_operators_alone() {
    let folder = folder();
    let keys = folder.path().join("keys");
    let lines = "class public da2-the-key-of-the-class\ndesk operator da2-the-key-of-the-desk\n";
    std::fs::write(&keys, lines).expect("a file");
    let settings = [
        ("STAGE", "prod"),
        ("MESH_KEYS_FILE", keys.to_str().expect("a path of text")),
        ("MESH_SECRET_KEY", "0123456789abcdef0123"),
    ];
    let server = Server::start(folder.path(), &settings);
    for (key, status) in [
        ("da2-the-key-of-the-class", 403),
        ("da2-the-key-of-the-desk", 200),
        ("da2-another-key-of-someone", 401),
    ] {
        let mesh = server.mesh(key);
        let request = mesh.http().get(format!("{}/metrics", mesh.origin()));
        let request = request.header("x-forwarded-for", "203.0.113.7");
        let reply = Reply::to(request.header("x-api-key", key)).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
    let mesh = server.mesh("none");
    let local = mesh.http().get(format!("{}/metrics", mesh.origin()));
    assert_eq!(
        Reply::to(local).await.status,
        200,
        "this machine needs no key"
    );
}
