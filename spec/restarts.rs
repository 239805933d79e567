//! What a restart costs those who are there (decision D32).

use std::path::Path;
use std::time::Duration;

use mesh_v2::model::time::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::people::{event, text};
use crate::support::program::{Server, folder};
use crate::support::stage::PATIENCE;
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

/// A server ends with two groups in it, in the way of `ends`, and comes back.
async fn nothing_is_missed(ends: impl FnOnce(Server)) {
    let folder = folder();
    let server = starts(folder.path(), "1000");
    let mesh = server.mesh(KEY);
    let class = mesh.host("teacher").creates("class").await;
    let over = mesh.host("other").creates("over").await;
    class.join("pupil").await;
    ends(server);

    // Longer than usual, so that this machine may be as busy as it likes.
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
        // The clients' own pause: whoever publishes without waiting is ahead of them.
        sleep(PAUSE).await;
        tokio::join!(class.listen(), over.listen())
    };
    let (answers, (mut in_class, mut in_over)) = tokio::join!(publishers, subscribers);
    answers.2.value();
    answers.3.value();
    let mut told = Vec::new();
    for _ in 0..3 {
        let message = in_class.message().await;
        told.push(match &message["batchEvent"]["events"][0]["name"] {
            Value::Null => text(&message["nodeStatus"]["data"][0]["key"]),
            name => text(name),
        });
    }
    told.sort_unstable();
    assert_eq!(told, ["fired", "recorded", "score"]);
    assert!(!in_over.dissolution().await.is_empty());
    // The hold is over: the next call waits for nobody.
    pupil.reports([("score", "2")]).await;
    assert_eq!(in_class.status().await.data[0].1, "2");
}

#[apply(case!)]
async fn d32_after_a_kill_nothing_is_published_before_clients_are_back() {
    Box::pin(nothing_is_missed(Server::dies)).await;
}

#[apply(case!)]
async fn d32_after_a_stop_nothing_is_published_before_clients_are_back() {
    let stops = |mut server: Server| {
        server.is_asked_to_stop();
        assert_eq!(server.ends(), Some(0));
    };
    Box::pin(nothing_is_missed(stops)).await;
}

#[apply(case!)]
async fn d32_without_living_groups_nobody_waits() {
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
        timeout(PATIENCE, calls).await.expect("nothing is held");
    };
    let server = starts(folder.path(), LONG);
    publishes(&server).await;
    // What is in the store now has ended.
    server.dies();
    publishes(&starts(folder.path(), LONG)).await;
}

#[apply(case!)]
async fn d32_a_stop_waits_for_nobody_who_is_slow_to_leave() {
    let folder = folder();
    let mut server = starts(folder.path(), "0");
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    // One that never reads on, and one whose body does not come.
    let _silent = group.listen().await;
    let address = mesh.address();
    let mut half = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    half.write_all(head.as_bytes()).await.expect("half a call");
    mesh.asks("{ __typename }").await;
    server.is_asked_to_stop();
    let log = {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !server.log().contains("stopped without waiting") {
            assert!(tokio::time::Instant::now() < patience, "{}", server.log());
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
    let mut subscriber = group.listen().await;
    server.gets("-HUP");
    let patience = tokio::time::Instant::now() + PATIENCE;
    while !server.log().contains("SIGHUP") {
        assert!(tokio::time::Instant::now() < patience, "{}", server.log());
        sleep(Duration::from_millis(20)).await;
    }
    group.hosting_node().fires(["on"]).await;
    assert_eq!(subscriber.events().await, ["on"]);
}
