//! The end of a group by its host (decision D6).

use futures_util::future::join_all;
use serde_json::json;

use crate::support::json::list;
use crate::support::{Group, TestMesh};
use crate::time::{GUARDED, call};

/// No query returns anything of the group.
async fn nothing_is_left_of(group: &Group<'_>) {
    let mesh = group.mesh;
    assert!(group.members().await.is_empty());
    assert!(group.statuses().await.is_empty());
    assert!(group.events_since("").await.is_empty());
    let polled = group
        .calls("pollGroupData", json!({"since": ""}))
        .await
        .value();
    assert_eq!(
        (&polled["events"], &polled["nodeStatuses"]),
        (&json!([]), &json!([]))
    );
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": group.domain}))
        .await
        .value();
    assert!(
        list(&listed).iter().all(|other| other["id"] != group.id),
        "{listed}"
    );
}

#[apply(case!)]
async fn d6_a_dissolved_group_is_deleted_with_its_contents() {
    let mesh = TestMesh::still().await;
    let prefix = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
    let group = mesh.host("teacher").creates_polling(&prefix).await;
    let mut nodes = Vec::new();
    for i in 0..60 {
        let node = group.join(&format!("node {i}")).await;
        node.reports([("a", "1")]).await;
        node.records(["go"]).await;
        nodes.push(node);
    }
    group.dissolves().await.value();
    nothing_is_left_of(&group).await;
    for node in &nodes {
        assert_eq!(node.status().await, None);
    }
    let found = mesh
        .calls("searchGroupsByNamePrefix", json!({"namePrefix": prefix}))
        .await;
    assert_eq!(found.value(), json!([]));
    for field in GUARDED
        .into_iter()
        .chain(["dissolveGroup", "recordEventsByNode"])
    {
        assert_eq!(
            call(&group, field).await.error().0,
            "GroupNotFound",
            "{field}"
        );
    }
    nothing_is_left_of(&group).await;
}

#[apply(case!)]
async fn a_dissolved_groups_host_may_create_a_new_one() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let former = host.creates("class").await;
    former.join("kitten").await.reports([("a", "1")]).await;
    former.dissolves().await.value();
    let next = host.creates("class").await;
    assert_ne!(next.id, former.id);
    assert!(next.statuses().await.is_empty() && next.members().await.is_empty());
}

#[apply(case!)]
async fn dissolving_twice_reports_that_the_group_is_not_found() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.dissolves().await.value();
    let message = format!("Group not found: {}@{}", group.id, group.domain);
    group
        .dissolves()
        .await
        .is_refused("GroupNotFound", &message);
}

#[apply(parallel_case!)]
async fn d6_calls_that_race_with_a_dissolve_leave_nothing_behind() {
    let mesh = TestMesh::still().await;
    for round in 0..5 {
        let group = mesh
            .host(&format!("teacher {round}"))
            .creates_polling("class")
            .await;
        let group = &group;
        let writes = (0..24).map(|i| async move {
            let node = group.node(&format!("node {i}"));
            match i % 4 {
                0 => node.calls("joinGroup", json!({})).await,
                1 => node.calls("reportDataByNode", json!({"data": []})).await,
                2 => {
                    node.calls("recordEventsByNode", json!({"events": []}))
                        .await
                }
                _ => group.renews().await,
            }
        });
        let (replies, dissolved) = tokio::join!(join_all(writes), group.dissolves());
        dissolved.value();
        // Each call either came before the end or was refused for it.
        for reply in replies
            .iter()
            .filter(|reply| reply.json.get("errors").is_some())
        {
            assert_eq!(reply.error().0, "GroupNotFound");
        }
        nothing_is_left_of(group).await;
        for i in 0..24 {
            assert_eq!(group.node(&format!("node {i}")).status().await, None);
        }
    }
}

#[apply(parallel_case!)]
async fn d6_a_group_is_dissolved_once_when_many_dissolve_it() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let replies = join_all((0..10).map(|_| group.dissolves())).await;
    let done = replies
        .iter()
        .filter(|reply| reply.json.get("errors").is_none())
        .count();
    assert_eq!(done, 1);
    subscriber.dissolution().await;
    // A subscriber of a dissolved group receives nothing more of it.
    let next = mesh.host("teacher").creates("class").await;
    subscriber
        .socket
        .subscribes("next", &next.id, &next.domain)
        .await;
    next.node("kitten").fires(["go"]).await;
    assert_eq!(subscriber.socket.receives().await["id"], "next");
}
