//! Expiry of groups. With the times of stg, groups live 60 s after their host's last
//! heartbeat and 300 s at most.

use serde_json::json;

use crate::support::clients::event;
use crate::support::json::{list, text};
use crate::support::{Group, Reply, TestMesh};

/// The five mutations that the shared group check guards (docs/api.md, The group check).
pub const GUARDED: [&str; 5] = [
    "joinGroup",
    "renewHeartbeat",
    "sendMemberHeartbeat",
    "reportDataByNode",
    "fireEventsByNode",
];

/// Calls a mutation with arguments that are valid for a live group.
pub async fn call(group: &Group<'_>, field: &str) -> Reply {
    let mut more = match field {
        "renewHeartbeat" | "dissolveGroup" => json!({"hostId": group.host}),
        _ => json!({"nodeId": group.mesh.id("kitten")}),
    };
    match field {
        "reportDataByNode" => more["data"] = json!([{"key": "a", "value": "1"}]),
        "fireEventsByNode" | "recordEventsByNode" => {
            more["events"] = json!([event("go", json!({}))]);
        }
        _ => {}
    }
    group.calls(field, more).await
}

/// Checks that calls are refused from the group's end on, for as long as a host may be silent,
/// whether the reaper has removed the group or not (decision D30).
async fn is_refused_from_its_end_on(group: &Group<'_>, text: &str) {
    for later in [0, 20, 20] {
        group.mesh.passes_seconds(later).await;
        for field in GUARDED {
            call(group, field).await.is_refused("GroupNotFound", text);
        }
        let plain = format!("Group not found: {}@{}", group.id, group.domain);
        let dissolved = call(group, "dissolveGroup").await;
        dissolved.is_refused("GroupNotFound", &plain);
        let recorded = call(group, "recordEventsByNode").await;
        recorded.is_refused("GroupNotFound", "Group not found");
    }
}

fn expired(group: &Group<'_>) -> String {
    let ends = text(&group.record["expiresAt"]);
    let (id, domain) = (&group.id, &group.domain);
    format!("Group expired: {id}@{domain} (expiresAt: {ends})")
}

fn silent(group: &Group<'_>) -> String {
    let (id, domain) = (&group.id, &group.domain);
    format!("Group not found: {id}@{domain} (heartbeat expired)")
}

async fn short_lived(mesh: &TestMesh, seconds: u32) -> Group<'_> {
    let host = mesh.host("teacher");
    let arguments = json!({"maxConnectionTimeSeconds": seconds});
    let group = host.group(&host.calls_create_group("class", arguments).await);
    group.join("kitten").await;
    group
}

#[apply(case!)]
async fn calls_to_an_expired_group_are_refused_with_its_expiry() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 30).await;
    mesh.passes_seconds(32).await;
    is_refused_from_its_end_on(&group, &expired(&group)).await;
}

#[apply(case!)]
async fn calls_to_a_group_without_host_heartbeats_are_refused_as_such() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 300).await;
    mesh.passes_seconds(62).await;
    is_refused_from_its_end_on(&group, &silent(&group)).await;
}

#[apply(case!)]
async fn d30_a_tombstone_remains_after_the_end_was_published() {
    for (seconds, wait) in [(30, 31), (300, 61)] {
        let mesh = TestMesh::own_still(|_| {}).await;
        let group = short_lived(&mesh, seconds).await;
        let mut subscriber = group.subscribe().await;
        mesh.passes_seconds(wait).await;
        // The reaper removes the group before it publishes the end.
        subscriber.dissolution().await;
        let text = if seconds == 30 {
            expired(&group)
        } else {
            silent(&group)
        };
        is_refused_from_its_end_on(&group, &text).await;
    }
}

#[apply(case!)]
async fn d30_a_dissolved_group_is_refused_like_one_that_never_existed() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 30).await;
    group.dissolves().await.value();
    let plain = format!("Group not found: {}@{}", group.id, group.domain);
    is_refused_from_its_end_on(&group, &plain).await;
}

#[apply(case!)]
async fn d23_dissolving_and_recording_have_their_own_errors_for_an_ended_group() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.join("kitten").await;
    mesh.passes_seconds(62).await;
    let full = format!("Group not found: {}@{}", group.id, group.domain);
    call(&group, "dissolveGroup")
        .await
        .is_refused("GroupNotFound", &full);
    call(&group, "recordEventsByNode")
        .await
        .is_refused("GroupNotFound", "Group not found");
}

#[apply(case!)]
async fn d23_queries_on_an_ended_group_are_empty() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join("kitten").await;
    mesh.passes_seconds(55).await;
    kitten.reports([("temp", "21")]).await;
    kitten.records(["go"]).await;
    assert_eq!(group.events_since("").await.len(), 1);
    mesh.passes_seconds(7).await;
    for field in ["listGroupStatuses", "listNodesInGroup"] {
        assert_eq!(
            group.calls(field, json!({})).await.value(),
            json!([]),
            "{field}"
        );
    }
    assert!(group.events_since("").await.is_empty());
    let polled = group
        .calls("pollGroupData", json!({"since": ""}))
        .await
        .value();
    let empty = json!({"events": [], "nodeStatuses": [], "__typename": "PollGroupData"});
    assert_eq!(polled, empty);
    assert_eq!(kitten.status().await, None);
}

#[apply(case!)]
async fn a_group_with_heartbeats_lives_until_its_expiry() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    for _ in 0..5 {
        mesh.passes_seconds(55).await;
        assert_eq!(
            group.renews().await.value()["expiresAt"],
            group.record["expiresAt"]
        );
    }
    mesh.passes_seconds(28).await;
    let (kind, message) = group.renews().await.error();
    assert_eq!(kind, "GroupNotFound", "{message}");
}

#[apply(case!)]
async fn a_listing_omits_expired_groups_and_those_without_host_heartbeats() {
    let mesh = TestMesh::still().await;
    let prefix = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
    let live = mesh.host("live").creates(&prefix).await;
    mesh.host("silent").creates(&prefix).await;
    mesh.host("short")
        .calls_create_group(&prefix, json!({"maxConnectionTimeSeconds": 40}))
        .await
        .value();
    let shown = async || {
        let listed = mesh
            .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
            .await
            .value();
        let found = mesh.calls("searchGroupsByNamePrefix", json!({"namePrefix": prefix}));
        assert_eq!(found.await.value(), listed);
        list(&listed)
            .iter()
            .map(|group| text(&group["hostId"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown().await.len(), 3);
    mesh.passes_seconds(41).await;
    live.renews().await.value();
    assert_eq!(shown().await.len(), 2);
    mesh.passes_seconds(20).await;
    assert_eq!(shown().await, [&*live.host]);
}

#[apply(case!)]
async fn a_host_whose_group_ended_creates_a_new_one() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let former = host.creates("class").await;
    mesh.passes_seconds(62).await;
    let next = host.creates("class").await;
    assert_ne!(next.id, former.id);
    next.join("kitten").await;
}

#[apply(case!)]
async fn d5_a_renew_does_not_revive_an_ended_group() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.dissolves().await.value();
    let full = format!("Group not found: {}@{}", group.id, group.domain);
    group.renews().await.is_refused("GroupNotFound", &full);
    let silent = mesh.host("silent").creates("class").await;
    mesh.passes_seconds(62).await;
    assert_eq!(silent.renews().await.error().0, "GroupNotFound");
    assert_eq!(silent.renews().await.error().0, "GroupNotFound");
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await
        .value();
    assert_eq!(listed, json!([]));
}

/// Checks that the group's end is published after `seconds`, and not again before that of
/// another group, which only a later run of the reaper can publish.
async fn ends_once(group: &Group<'_>, seconds: u64, because: &str) {
    let mesh = group.mesh;
    let mut subscriber = group.subscribe().await;
    mesh.passes_seconds(seconds).await;
    let end = format!("Group {}@{} has ended: {because}.", group.id, group.domain);
    assert_eq!(subscriber.dissolution().await, end);
    let next = mesh.host("next").creates("class").await;
    subscriber
        .socket
        .subscribes("next", &next.id, &next.domain)
        .await;
    mesh.passes_seconds(61).await;
    let received = subscriber.socket.receives().await;
    assert_eq!(
        received["id"], "next",
        "the end is published once: {received}"
    );
}

#[apply(case!)]
async fn d7_the_end_of_a_group_without_host_heartbeats_is_published_once_within_two_seconds() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    ends_once(&group, 61, "its host fell silent").await;
}

#[apply(case!)]
async fn d7_the_end_of_an_expired_group_is_published_once_within_two_seconds() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let host = mesh.host("teacher");
    let arguments = json!({"maxConnectionTimeSeconds": 30});
    let group = host.group(&host.calls_create_group("class", arguments).await);
    ends_once(&group, 31, "its time is up").await;
}

#[apply(case!)]
async fn d7_the_end_of_a_group_that_its_host_replaces_is_published() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let mut subscriber = group.subscribe().await;
    mesh.passes_seconds(60).await;
    host.creates("class").await;
    let end = subscriber.dissolution().await;
    assert!(
        end.starts_with(&format!("Group {}@{} has ended: ", group.id, group.domain)),
        "{end}"
    );
}
