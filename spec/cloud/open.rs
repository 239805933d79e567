//! With `--cloud-open`, a project id makes a group of its own.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::json::{list, text};
use crate::support::project::Project;
use crate::support::{Setup, TestMesh};

async fn server(more: impl FnOnce(&mut Setup)) -> TestMesh {
    let set_up = |setup: &mut Setup| {
        setup.cloud.open = true;
        setup.cloud.leave = Duration::ZERO;
        more(setup);
    };
    TestMesh::own(set_up).await
}

async fn groups(mesh: &TestMesh) -> Vec<Value> {
    let listed = mesh.calls("listGroupsByDomain", json!({"domain": "cloud"}));
    list(&listed.await.value()).clone()
}

#[apply(case!)]
async fn projects_with_one_id_share_a_group_that_members_find() {
    let mesh = server(|_| {}).await;
    let mut ann = Project::opens(&mesh, "p4-@mine", "ann").await;
    let mut ben = Project::opens(&mesh, "p4-@mine", "ben").await;
    let mut other = Project::opens(&mesh, "104", "ann").await;
    ann.sets("a", "1").await;
    assert_eq!(ben.gets().await, "a=1");
    other.sets("a", "9").await;
    ben.gets_nothing().await;
    let groups = groups(&mesh).await;
    let mine = groups.iter().find(|group| group["name"] == "p4-@mine");
    let mine = mine.expect("the project's group");
    let named = json!({"groupId": mine["id"], "domain": mine["domain"]});
    let statuses = mesh.calls("listGroupStatuses", named.clone()).await.value();
    assert_eq!(list(&statuses).len(), 1);
    let mut dissolve = named;
    dissolve["hostId"] = mine["hostId"].clone();
    let (kind, _) = mesh.calls("dissolveGroup", dissolve).await.error();
    assert_eq!(kind, "Unauthorized", "the host has a token");
}

#[apply(case!)]
async fn a_group_that_ended_is_followed_by_one_with_its_values() {
    let mesh = server(|setup| setup.timings.host_ttl = 20).await;
    let mut ann = Project::opens(&mesh, "1", "ann").await;
    let mut ben = Project::opens(&mesh, "1", "ben").await;
    ann.sets("a", "1").await;
    assert_eq!(ben.gets().await, "a=1");
    let before = text(&groups(&mesh).await[0]["id"]);
    mesh.passes_seconds(1000).await;
    assert_eq!(ann.is_closed().await, 4000, "it connects again");
    assert_eq!(ben.is_closed().await, 4000);
    let mut cat = Project::opens(&mesh, "1", "cat").await;
    assert_eq!(cat.gets().await, "a=1");
    let after = groups(&mesh).await;
    assert_eq!(after.len(), 1);
    assert_ne!(text(&after[0]["id"]), before);
    let named = json!({"groupId": after[0]["id"], "domain": "cloud"});
    let statuses = mesh.calls("listGroupStatuses", named).await.value();
    assert_eq!(list(&statuses)[0]["data"][0]["value"], "1");
}

#[apply(case!)]
async fn the_server_hosts_the_group_while_a_project_is_open() {
    let mesh = server(|setup| {
        (setup.timings.host_interval, setup.timings.host_ttl) = (1, 3);
    })
    .await;
    let mut ann = Project::opens(&mesh, "1", "ann").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(groups(&mesh).await.len(), 1);
    ann.sets("a", "1").await;
    drop(ann);
    mesh.passes_seconds(10).await;
    assert_eq!(groups(&mesh).await.len(), 0);
}

#[apply(case!)]
async fn groups_of_projects_count_towards_the_quotas() {
    let mesh = server(|setup| setup.limits.groups_per_domain = 2).await;
    for id in ["1", "2"] {
        let mut project = Project::opens(&mesh, id, "u").await;
        project.gets_nothing().await;
    }
    let mut third = Project::opens(&mesh, "3", "u").await;
    assert_eq!(third.is_closed().await, 4003);
}
