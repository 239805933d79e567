//! What clients miss by a restart (decision D32).

use std::path::Path;
use std::time::Duration;

use mesh_v2::model::time::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::clients::event;
use crate::support::json::text;
use crate::support::mesh::TIMEOUT;
use crate::support::program::{Server, folder};
use crate::support::{Group, TestMesh};

const KEY: &str = "da2-of-this-test";
/// How long a client of AppSync waits before it connects again, about (measured).
const PAUSE: Duration = Duration::from_millis(260);

fn starts(folder: &Path, hold: &str) -> Server {
    let settings = [
        ("MESH_API_KEYS", KEY),
        ("MESH_START_HOLD_MILLISECONDS", hold),
    ];
    Server::start(folder, &settings)
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

/// Ends a server with two groups by `ends`, and starts it again.
async fn nothing_is_missed(ends: impl FnOnce(Server)) {
    let folder = folder();
    let server = starts(folder.path(), "1000");
    let mesh = server.mesh(KEY);
    let class = mesh.host("teacher").creates("class").await;
    let over = mesh.host("other").creates("over").await;
    class.join("pupil").await;
    ends(server);

    // Longer than usual, for a busy machine.
    let server = starts(folder.path(), "6000");
    let mesh = server.mesh(KEY);
    let (class, over) = (again(&class, &mesh), again(&over, &mesh));
    let pupil = class.node("pupil");
    let recorded = json!({"events": [event("recorded", json!({"orderKey": "1"}))]});
    let publishers = async {
        tokio::join!(
            pupil.reports([("score", "1")]),
            pupil.fires(["fired"]),
            pupil.calls("recordEventsByNode", recorded),
            over.dissolves(),
        )
    };
    let subscribers = async {
        // The clients' own pause: calls that do not wait are ahead of them.
        sleep(PAUSE).await;
        tokio::join!(class.subscribe(), over.subscribe())
    };
    let (answers, (mut in_class, mut in_over)) = tokio::join!(publishers, subscribers);
    answers.2.value();
    answers.3.value();
    let mut received = Vec::new();
    for _ in 0..3 {
        let message = in_class.message().await;
        received.push(match &message["batchEvent"]["events"][0]["name"] {
            Value::Null => text(&message["nodeStatus"]["data"][0]["key"]),
            name => text(name),
        });
    }
    received.sort_unstable();
    assert_eq!(received, ["fired", "recorded", "score"]);
    assert!(!in_over.dissolution().await.is_empty());
    // The hold is over: the next call does not wait.
    pupil.reports([("score", "2")]).await;
    assert_eq!(in_class.status().await.data[0].1, "2");
}

#[apply(case!)]
async fn d32_after_a_kill_nothing_is_published_before_clients_are_back() {
    Box::pin(nothing_is_missed(Server::gets_killed)).await;
}

#[apply(case!)]
async fn d32_after_a_stop_nothing_is_published_before_clients_are_back() {
    let stops = |mut server: Server| {
        server.is_terminated();
        assert_eq!(server.ends(), Some(0));
    };
    Box::pin(nothing_is_missed(stops)).await;
}

#[apply(case!)]
async fn d32_without_live_groups_no_call_waits() {
    const LONG: &str = "60000";
    let folder = folder();
    let publishes = async |server: &Server| {
        let mesh = server.mesh(KEY);
        let group = mesh.host("teacher").creates("class").await;
        let pupil = group.join("pupil").await;
        let calls = async {
            pupil.reports([("score", "1")]).await;
            pupil.fires(["go"]).await;
            pupil.records(["noted"]).await;
            group.dissolves().await.value();
        };
        timeout(TIMEOUT, calls).await.expect("nothing is held");
    };
    let server = starts(folder.path(), LONG);
    publishes(&server).await;
    // The groups in the store have ended.
    server.gets_killed();
    publishes(&starts(folder.path(), LONG)).await;
}

#[apply(case!)]
async fn d32_a_stop_does_not_wait_for_slow_clients() {
    let folder = folder();
    let mut server = starts(folder.path(), "0");
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    // One client that does not read, and one whose body does not arrive.
    let _silent = group.subscribe().await;
    let address = mesh.address();
    let mut half = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    half.write_all(head.as_bytes()).await.expect("half a call");
    mesh.executes("{ __typename }").await;
    server.is_terminated();
    let log = {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while !server.log().contains("stopped without waiting") {
            assert!(tokio::time::Instant::now() < deadline, "{}", server.log());
            sleep(Duration::from_millis(50)).await;
        }
        server.log()
    };
    let at = |what: &str| {
        let line = log.lines().find(|line| line.contains(what));
        let line: Value = serde_json::from_str(line.expect(what)).expect("JSON");
        Timestamp::parse(&text(&line["timestamp"])).expect("a time")
    };
    let took = at("stopped without waiting").millis() - at("\"stopping\"").millis();
    assert!(took < 5_000, "{took} ms");
    assert_eq!(server.ends(), Some(0));
}

#[apply(case!)]
async fn a_hangup_changes_nothing() {
    let folder = folder();
    let server = starts(folder.path(), "0");
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    server.receives_signal("-HUP");
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !server.log().contains("SIGHUP") {
        assert!(tokio::time::Instant::now() < deadline, "{}", server.log());
        sleep(Duration::from_millis(20)).await;
    }
    group.hosting_node().fires(["on"]).await;
    assert_eq!(subscriber.events().await, ["on"]);
}
