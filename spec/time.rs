//! What time does to groups. Groups of stage stg live 60 s after their host's last
//! heartbeat and 300 s at most.

use serde_json::json;

use crate::support::people::{event, list, text};
use crate::support::{Group, Reply, TestMesh};

/// The five mutations that the shared group check guards (contract 1.2).
pub const GUARDED: [&str; 5] = [
    "joinGroup",
    "renewHeartbeat",
    "sendMemberHeartbeat",
    "reportDataByNode",
    "fireEventsByNode",
];

/// Calls any mutation about the group with arguments that would do for a living one.
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

/// That the check says so from the group's end on, for as long as a host may be silent,
/// whether the reaper has tidied the group away or not (decision D30).
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
    let wish = json!({"maxConnectionTimeSeconds": seconds});
    let group = host.group(&host.wishes("class", wish).await);
    group.join("kitten").await;
    group
}

#[apply(case!)]
async fn a_group_past_its_end_is_refused_with_its_end() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 30).await;
    mesh.passes_seconds(32).await;
    is_refused_from_its_end_on(&group, &expired(&group)).await;
}

#[apply(case!)]
async fn a_group_without_its_hosts_heartbeat_is_refused_as_such() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 300).await;
    mesh.passes_seconds(62).await;
    is_refused_from_its_end_on(&group, &silent(&group)).await;
}

#[apply(case!)]
async fn d30_a_group_is_remembered_after_its_members_were_told_its_end() {
    for (seconds, wait) in [(30, 31), (300, 61)] {
        let mesh = TestMesh::own_still(|_| {}).await;
        let group = short_lived(&mesh, seconds).await;
        let mut ear = group.listen().await;
        mesh.passes_seconds(wait).await;
        // The reaper removes the group before it tells the end.
        ear.dissolution().await;
        let text = if seconds == 30 {
            expired(&group)
        } else {
            silent(&group)
        };
        is_refused_from_its_end_on(&group, &text).await;
    }
}

#[apply(case!)]
async fn d30_a_dissolved_group_is_refused_like_one_that_never_was() {
    let mesh = TestMesh::still().await;
    let group = short_lived(&mesh, 30).await;
    group.dissolves().await.value();
    let plain = format!("Group not found: {}@{}", group.id, group.domain);
    is_refused_from_its_end_on(&group, &plain).await;
}

#[apply(case!)]
async fn d23_dissolving_and_recording_are_refused_for_a_dead_group_in_their_own_words() {
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
async fn d23_queries_on_a_dead_group_are_empty() {
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
async fn a_beating_group_lives_until_its_end_and_no_longer() {
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
    let (kind, message) = group.renews().await.refusal();
    assert_eq!(kind, "GroupNotFound", "{message}");
}

#[apply(case!)]
async fn a_listing_hides_groups_whose_host_fell_silent_or_whose_time_is_up() {
    let mesh = TestMesh::still().await;
    let prefix = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
    let beating = mesh.host("beating").creates(&prefix).await;
    mesh.host("silent").creates(&prefix).await;
    mesh.host("short")
        .wishes(&prefix, json!({"maxConnectionTimeSeconds": 40}))
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
    beating.renews().await.value();
    assert_eq!(shown().await.len(), 2);
    mesh.passes_seconds(20).await;
    assert_eq!(shown().await, [&*beating.host]);
}

#[apply(case!)]
async fn a_host_whose_group_died_gets_a_new_one() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let former = host.creates("class").await;
    mesh.passes_seconds(62).await;
    let next = host.creates("class").await;
    assert_ne!(next.id, former.id);
    next.join("kitten").await;
}

#[apply(case!)]
async fn d5_a_renew_never_revives() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.dissolves().await.value();
    let full = format!("Group not found: {}@{}", group.id, group.domain);
    group.renews().await.is_refused("GroupNotFound", &full);
    let silent = mesh.host("silent").creates("class").await;
    mesh.passes_seconds(62).await;
    assert_eq!(silent.renews().await.refusal().0, "GroupNotFound");
    assert_eq!(silent.renews().await.refusal().0, "GroupNotFound");
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await
        .value();
    assert_eq!(listed, json!([]));
}

/// The group's end comes after `seconds`, and does not come again before that of another
/// group, which only a later look of the reaper can tell.
async fn ends_once(group: &Group<'_>, seconds: u64, because: &str) {
    let mesh = group.mesh;
    let mut ear = group.listen().await;
    mesh.passes_seconds(seconds).await;
    let end = format!("Group {}@{} has ended: {because}.", group.id, group.domain);
    assert_eq!(ear.dissolution().await, end);
    let next = mesh.host("next").creates("class").await;
    ear.socket.listens("next", &next.id, &next.domain).await;
    mesh.passes_seconds(61).await;
    let heard = ear.socket.hears_news().await;
    assert_eq!(heard["id"], "next", "the end is told once: {heard}");
}

#[apply(case!)]
async fn d7_the_end_of_a_group_whose_host_fell_silent_is_told_once_within_two_seconds() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    ends_once(&group, 61, "its host fell silent").await;
}

#[apply(case!)]
async fn d7_the_end_of_a_group_whose_time_is_up_is_told_once_within_two_seconds() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let host = mesh.host("teacher");
    let wish = json!({"maxConnectionTimeSeconds": 30});
    let group = host.group(&host.wishes("class", wish).await);
    ends_once(&group, 31, "its time is up").await;
}

#[apply(case!)]
async fn d7_a_group_that_its_host_replaces_is_told_too() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let mut ear = group.listen().await;
    mesh.passes_seconds(60).await;
    host.creates("class").await;
    let end = ear.dissolution().await;
    assert!(
        end.starts_with(&format!("Group {}@{} has ended: ", group.id, group.domain)),
        "{end}"
    );
}
