//! What the host of the group decides holds for projects too.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{HOST, class, code, data, has_members, members, server};
use crate::support::TestMesh;
use crate::support::clients::Group;
use crate::support::json::text;
use crate::support::project::Project;

async fn controls(group: &Group<'_>, field: &str, more: Value) {
    let mut arguments = more;
    arguments["hostId"] = group.host.as_str().into();
    arguments["hostToken"] = HOST.into();
    group.calls(field, arguments).await.value();
}

#[apply(case!)]
async fn a_locked_group_admits_those_who_come_back_and_no_others() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut subscriber = group.subscribe().await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "1").await;
    subscriber.status().await;
    controls(&group, "lockGroup", json!({"locked": true})).await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    assert_eq!(ben.is_closed().await, 4004);
    ann.sets("a", "2").await;
    assert_eq!(data(&subscriber.status().await), [("a".into(), "2".into())]);
}

#[apply(case!)]
async fn while_the_group_is_paused_the_last_value_of_each_variable_waits() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ann.sets("a", "1").await;
    assert_eq!(ben.gets().await, "a=1");
    controls(&group, "pauseGroup", json!({"seconds": 1})).await;
    for number in 2..=5 {
        ann.sets("a", number).await;
    }
    ben.gets_nothing().await;
    mesh.passes_seconds(2).await;
    assert_eq!(ben.gets().await, "a=5");
}

#[apply(case!)]
async fn a_removed_project_is_closed_and_does_not_come_back() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "1").await;
    has_members(&group, 1).await;
    let node = text(&members(&group).await[0]["id"]);
    controls(&group, "removeNode", json!({"nodeId": node})).await;
    ann.sets("a", "2").await;
    assert_eq!(ann.is_closed().await, 4004);
    let mut again = Project::enters(&mesh, &code(&group), "ann").await;
    assert_eq!(again.is_closed().await, 4004);
    let mut late = Project::enters(&mesh, &code(&group), "late").await;
    late.gets_nothing().await;
}

#[apply(case!)]
async fn the_end_of_the_group_closes_its_projects() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "1").await;
    has_members(&group, 1).await;
    group
        .calls(
            "dissolveGroup",
            json!({"hostId": group.host, "hostToken": HOST}),
        )
        .await
        .value();
    assert_eq!(ann.is_closed().await, 4004);
}

#[apply(case!)]
async fn a_cleared_variable_is_empty_in_every_project() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ann.sets("a", "1").await;
    assert_eq!(ben.gets().await, "a=1");
    controls(&group, "clearGroupData", json!({})).await;
    sleep(Duration::from_millis(100)).await;
    let mut late = Project::enters(&mesh, &code(&group), "late").await;
    late.gets_nothing().await;
    late.sets("b", "2").await;
    assert_eq!(ben.gets().await, "b=2");
    ben.sets("a", "3").await;
    assert_eq!(late.gets().await, "a=3");
}

#[apply(case!)]
async fn values_of_projects_that_left_do_not_grow_past_the_groups_limit() {
    let mesh = TestMesh::own(|setup| {
        setup.cloud.leave = Duration::ZERO;
        setup.limits.status_bytes_per_group = 100_000;
    })
    .await;
    let group = class(&mesh).await;
    let mut watcher = Project::enters(&mesh, &code(&group), "watcher").await;
    let mut user = Project::enters(&mesh, &code(&group), "user").await;
    for number in 0..8 {
        user.sets(&format!("v{number}"), 1).await;
        watcher.gets().await;
    }
    user.socket.breaks();
    has_members(&group, 1).await;
    for number in 0..8 {
        let key = format!("v{number}");
        let mut user = Project::enters(&mesh, &code(&group), "user").await;
        user.sets(&key, "1".repeat(30_000)).await;
        assert_eq!(watcher.gets().await.len(), 30_000 + key.len() + 1);
        user.socket.breaks();
        has_members(&group, 1).await;
    }
    let mut late = Project::enters(&mesh, &code(&group), "late").await;
    late.sets("end", 1).await;
    watcher.gets_at_last("end=1").await;
    watcher.sets("end", 2).await;
    let kept = late.gets_at_last("end=2").await;
    let bytes: usize = kept.iter().map(String::len).sum();
    assert!(bytes > 60_000 && bytes <= 100_000, "{bytes} bytes");
}
