//! Creating and finding groups.

mod listing;

use serde_json::{Value, json};

use crate::support::json::{list, text};
use crate::support::{Setup, TestMesh};

/// Milliseconds since 1970 of a time in an answer.
pub fn millis(time: &Value) -> i64 {
    let time: jiff::Timestamp = text(time).parse().expect("a time");
    time.as_millisecond()
}

/// Whether a time is in UTC with milliseconds.
pub fn has_milliseconds(time: &str) -> bool {
    time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.'
}

#[apply(case!)]
async fn creating_answers_the_whole_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let expected = json!({
        "id": group.id,
        "domain": mesh.domain,
        "fullId": format!("{}@{}", group.id, mesh.domain),
        "name": "class",
        "hostId": host.id,
        "expiresAt": group.record["expiresAt"],
        "heartbeatIntervalSeconds": 15,
        "useWebSocket": true,
        "pollingIntervalSeconds": null,
        "__typename": "Group",
    });
    assert_eq!(group.record, expected);
    let id = uuid::Uuid::parse_str(&group.id).expect("a UUID");
    assert_eq!(
        (id.get_version_num(), id.hyphenated().to_string()),
        (4, group.id)
    );
    assert!(has_milliseconds(&text(&group.record["expiresAt"])));
}

#[apply(case!)]
async fn a_polling_group_has_a_polling_interval() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    assert_eq!(group.record["useWebSocket"], false);
    assert_eq!(group.record["pollingIntervalSeconds"], 2);
}

#[apply(case!)]
async fn a_group_expires_after_the_lifetime_its_host_requests() {
    let mesh = TestMesh::still().await;
    let ends = async |host: &str, seconds: Value| {
        let arguments = json!({"maxConnectionTimeSeconds": seconds});
        millis(
            &mesh
                .host(host)
                .calls_create_group("class", arguments)
                .await
                .value()["expiresAt"],
        )
    };
    let (minute, most) = (ends("a", json!(60)).await, ends("b", json!(300)).await);
    let without = ends("c", Value::Null).await;
    assert!(
        (240_000..250_000).contains(&(most - minute)),
        "{}",
        most - minute
    );
    assert!(
        (0..10_000).contains(&(without - most)),
        "{}",
        without - most
    );
}

#[apply(case!)]
async fn a_group_without_a_requested_lifetime_has_the_default() {
    let lives = |setup: &mut Setup| {
        setup.timings.default_connection = 120;
        setup.timings.host_ttl = 600;
    };
    let mesh = TestMesh::own(lives).await;
    let without = mesh.host("a").creates("class").await;
    let arguments = json!({"maxConnectionTimeSeconds": 300});
    let requested = mesh
        .host("b")
        .calls_create_group("class", arguments)
        .await
        .value();
    let longer = millis(&requested["expiresAt"]) - millis(&without.record["expiresAt"]);
    assert!((180_000..190_000).contains(&longer), "{longer}");
    let beyond = mesh
        .host("c")
        .calls_create_group("class", json!({"maxConnectionTimeSeconds": 301}))
        .await;
    beyond.is_refused(
        "ValidationError",
        "maxConnectionTimeSeconds cannot exceed 300",
    );
    mesh.passes_seconds(122).await;
    let (kind, words) = without.node("kitten").sends_heartbeat().await.error();
    assert_eq!(kind, "GroupNotFound", "{words}");
}

#[apply(case!)]
async fn d4_creating_again_gives_the_same_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    mesh.passes_seconds(1).await;
    let arguments = json!({"maxConnectionTimeSeconds": 10});
    assert_eq!(
        host.calls_create_group("another name", arguments)
            .await
            .value(),
        group.record
    );
}

#[apply(case!)]
async fn d4_the_arguments_of_a_repeated_create_are_checked_like_any() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    host.creates("class").await;
    let again = host
        .calls_create_group("class", json!({"maxConnectionTimeSeconds": 0}))
        .await;
    again.is_refused(
        "ValidationError",
        "maxConnectionTimeSeconds must be at least 1",
    );
}

#[apply(case!)]
async fn d4_creating_again_in_the_other_mode_switches_the_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let polling = host.creates_polling("class").await;
    assert_eq!(polling.id, group.id);
    assert_eq!(polling.record["expiresAt"], group.record["expiresAt"]);
    assert_eq!(polling.record["useWebSocket"], false);
    let joined = group
        .node("kitten")
        .calls("joinGroup", json!({}))
        .await
        .value();
    assert_eq!(joined["pollingIntervalSeconds"], 2, "{joined}");
    assert_eq!(host.creates("class").await.record, group.record);
}

#[apply(parallel_case!)]
async fn d4_a_hundred_simultaneous_creates_give_one_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let creates = (0..100).map(|_| host.creates("class"));
    let groups = futures_util::future::join_all(creates).await;
    assert!(groups.iter().all(|group| group.record == groups[0].record));
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await
        .value();
    assert_eq!(list(&listed).len(), 1, "{listed}");
}

#[apply(case!)]
async fn a_host_may_have_a_group_in_each_domain() {
    let mesh = TestMesh::still().await;
    let here = mesh.host("teacher").creates("class").await;
    let elsewhere = format!("{}-b", mesh.domain);
    let there = mesh
        .host("teacher")
        .moves_to(&elsewhere)
        .creates("class")
        .await;
    assert_ne!(here.id, there.id);
    assert_eq!(there.domain, elsewhere);
}

#[apply(case!)]
async fn renewing_answers_the_same_expiry_to_the_byte() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    mesh.passes_seconds(2).await;
    let expected = json!({
        "groupId": group.id, "domain": group.domain, "expiresAt": group.record["expiresAt"],
        "heartbeatIntervalSeconds": 15, "__typename": "HeartbeatPayload",
    });
    assert_eq!(group.renews().await.value(), expected);
}

#[apply(case!)]
async fn the_groups_of_a_server_and_of_a_domain_are_limited() {
    let small = |setup: &mut Setup| {
        setup.limits.groups = 3;
        setup.limits.groups_per_domain = 2;
    };
    let mesh = TestMesh::own(small).await;
    mesh.host("a").creates("a").await;
    mesh.host("b").creates("b").await;
    let refused = mesh.host("c").calls_create_group("c", json!({})).await;
    refused.is_refused("LimitExceeded", "the domain is full: at most 2");
    let elsewhere = mesh.host("c").moves_to("elsewhere").creates("c").await;
    let refused = mesh
        .host("d")
        .moves_to("a third")
        .calls_create_group("d", json!({}))
        .await;
    refused.is_refused("LimitExceeded", "the server is full: at most 3");
    elsewhere.dissolves().await.value();
    mesh.host("d").moves_to("a third").creates("d").await;
}
