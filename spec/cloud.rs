//! Cloud variables of Scratch and TurboWarp projects (docs/protocols.md, Cloud variables).

mod admission;
mod lesson;
mod open;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::support::clients::{Group, Status};
use crate::support::json::{list, text};
use crate::support::project::Project;
use crate::support::{Setup, TestMesh};

/// The token of every host.
const HOST: &str = "the host's own token";
const CREATE: &str = "mutation ($name: String!, $hostId: ID!, $domain: String!, $token: String) {
    createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true, hostToken: $token) {
        id domain joinCode } }";

/// A group with a join code.
async fn class(mesh: &TestMesh) -> Group<'_> {
    let host = mesh.host("teacher");
    let arguments =
        json!({"name": "class", "hostId": host.id, "domain": host.domain, "token": HOST});
    host.group(&mesh.executes_with(CREATE, arguments).await)
}

fn code(group: &Group<'_>) -> String {
    text(&group.record["joinCode"])
}

/// A server whose closed sockets leave at once.
async fn server() -> TestMesh {
    TestMesh::own(|setup| setup.cloud.leave = Duration::ZERO).await
}

async fn members(group: &Group<'_>) -> Vec<Value> {
    let fields = "id nickname transport";
    let document = format!(
        "query ($groupId: ID!, $domain: String!) {{ \
         listNodesInGroup(groupId: $groupId, domain: $domain) {{ {fields} }} }}"
    );
    let found = group
        .mesh
        .executes_with(&document, group.and(json!({})))
        .await;
    list(&found.value()).clone()
}

async fn has_members(group: &Group<'_>, wanted: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = members(group).await;
        if found.len() == wanted || began.elapsed() > Duration::from_secs(20) {
            assert_eq!(found.len(), wanted, "{found:?}");
            return found;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn data(status: &Status) -> Vec<(String, String)> {
    status.data.clone()
}

#[apply(case!)]
async fn a_variable_crosses_between_projects_and_members_both_ways() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut subscriber = group.subscribe().await;
    let pupil = group.join("pupil").await;
    pupil.reports([("score", "1"), ("☁ odd", "x")]).await;
    subscriber.status().await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut first = [ann.gets().await, ann.gets().await];
    first.sort();
    assert_eq!(first, ["odd=x", "score=1"], "one prefix alone");
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ben.gets_at_last("odd=x").await;

    ann.sets("score", "2").await;
    assert_eq!(ben.gets_at_last("score=2").await.len(), 0);
    let status = subscriber.status().await;
    assert_eq!(data(&status), [("score".into(), "2".into())]);
    ben.sends(json!({"method": "create", "name": "☁ score", "value": 3.5}))
        .await;
    assert_eq!(ann.gets().await, "score=3.5", "without its own before");
    pupil.reports([("score", "text")]).await;
    assert_eq!(ann.gets().await, "score=text");
    assert_eq!(ben.gets().await, "score=text");
    ann.gets_nothing().await;

    let nodes = has_members(&group, 3).await;
    let mut nicknames: Vec<_> = nodes.iter().map(|node| node["nickname"].clone()).collect();
    nicknames.sort_by_key(ToString::to_string);
    assert_eq!(nicknames, [json!("ann"), json!("ben"), Value::Null]);
}

#[apply(case!)]
async fn what_a_project_sets_as_it_connects_is_not_set_back() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut subscriber = group.subscribe().await;
    let pupil = group.join("pupil").await;
    pupil.reports([("score", "6"), ("turn", "1")]).await;
    subscriber.status().await;
    let mut project = Project::enters(&mesh, &code(&group), "ann").await;
    // As TurboWarp does: what was set meanwhile follows the handshake.
    sleep(Duration::from_millis(10)).await;
    project.sets("score", 7).await;
    assert_eq!(project.gets().await, "turn=1");
    let status = subscriber.status().await;
    assert_eq!(data(&status), [("score".into(), "7".into())]);
    project.gets_nothing().await;
}

#[apply(case!)]
async fn a_flood_of_values_becomes_few_reports_and_the_last_value_is_the_last() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut subscriber = group.subscribe().await;
    let mut other = Project::enters(&mesh, &code(&group), "other").await;
    let mut flood = Project::enters(&mesh, &code(&group), "flood").await;
    let began = Instant::now();
    for number in 1..=10_000 {
        flood.sets("n", number).await;
    }
    flood.sets("end", 1).await;
    let got = other.gets_at_last("end=1").await;
    let numbers: Vec<u32> = got.iter().map(|it| it[2..].parse().expect("n")).collect();
    assert!(numbers.is_sorted(), "in order");
    assert_eq!(numbers.last(), Some(&10_000));
    let most = began.elapsed().as_millis() / 40 + 2;
    assert!(numbers.len() as u128 <= most, "{} reports", numbers.len());
    for number in numbers {
        let status = subscriber.status().await;
        assert_eq!(data(&status)[0], ("n".into(), number.to_string()));
    }
}

#[apply(case!)]
async fn a_rename_copies_the_value_and_a_delete_changes_nothing() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ann.sets("a", "5").await;
    assert_eq!(ben.gets().await, "a=5");
    ben.sends(json!({"method": "rename", "name": "☁ a", "new_name": "☁ b"}))
        .await;
    assert_eq!(ann.gets().await, "b=5");
    ben.sends(json!({"method": "delete", "name": "☁ a"})).await;
    ben.sends(json!({"method": "rename", "name": "☁ none", "new_name": "☁ c"}))
        .await;
    ann.gets_nothing().await;
    let mut late = Project::enters(&mesh, &code(&group), "late").await;
    assert_eq!([late.gets().await, late.gets().await], ["a=5", "b=5"]);
}

#[apply(case!)]
async fn values_stay_while_any_project_is_open_and_nodes_leave_with_theirs() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ann.sets("a", "5").await;
    assert_eq!(ben.gets().await, "a=5");
    let before = has_members(&group, 2).await;
    ann.socket.breaks();
    has_members(&group, 1).await;
    let mut cat = Project::enters(&mesh, &code(&group), "cat").await;
    assert_eq!(cat.gets().await, "a=5", "the project that set it has left");
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    assert_eq!(ann.gets().await, "a=5");
    let after = has_members(&group, 3).await;
    let is_same = |node: &&Value| before.contains(node);
    assert_eq!(
        after.iter().filter(is_same).count(),
        2,
        "ann is the same node"
    );
}

#[apply(case!)]
async fn a_class_of_one_user_name_and_address_has_a_node_each() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut all = Vec::new();
    for number in 0..40 {
        let mut pupil = Project::enters(&mesh, &code(&group), "player").await;
        pupil.sets(&format!("v{number}"), number).await;
        all.push(pupil);
    }
    has_members(&group, 40).await;
    for pupil in &mut all[..39] {
        pupil.gets_at_last("v39=39").await;
    }
}

#[apply(case!)]
async fn what_a_project_sets_as_it_is_closed_is_shared() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    has_members(&group, 1).await;
    for number in 0..3 {
        let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
        for step in 0..10 {
            ann.sets("a", number * 10 + step).await;
        }
        ann.socket.sends_frame(Message::Close(None)).await;
        ben.gets_at_last(&format!("a={}", number * 10 + 9)).await;
    }
}

#[apply(case!)]
async fn a_project_that_comes_back_soon_keeps_its_node_and_its_variables() {
    let mesh = TestMesh::own(|setup| setup.cloud.leave = Duration::from_secs(2)).await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut twin = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "5").await;
    assert_eq!(twin.gets().await, "a=5", "the same user twice is two nodes");
    has_members(&group, 2).await;
    ann.socket.breaks();
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    assert_eq!(ann.gets().await, "a=5");
    sleep(Duration::from_secs(3)).await;
    has_members(&group, 2).await;
    assert_eq!(group.statuses().await.len(), 1);
}

#[apply(case!)]
async fn values_that_the_group_refuses_are_set_back() {
    let set_up = |setup: &mut Setup| setup.limits.status_bytes = 100;
    let mesh = TestMesh::own(set_up).await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "5").await;
    let mut subscriber = Project::enters(&mesh, &code(&group), "ben").await;
    subscriber.gets_at_last("a=5").await;
    ann.sets("a", "1".repeat(200)).await;
    assert_eq!(ann.gets().await, "a=5");
    ann.sets("a", "6").await;
    assert_eq!(subscriber.gets().await, "a=6");
}

#[apply(case!)]
async fn a_project_that_reads_nothing_is_closed_and_holds_nobody_up() {
    let set_up = |setup: &mut Setup| {
        setup.sockets.outbox_bytes = 512 * 1024;
        setup.rates = None;
    };
    let mesh = TestMesh::own(set_up).await;
    let group = class(&mesh).await;
    let mut slow = Project::enters(&mesh, &code(&group), "slow").await;
    let mut quick = Project::enters(&mesh, &code(&group), "quick").await;
    let pupil = group.join("pupil").await;
    let large = "x".repeat(50_000);
    for number in 0..400 {
        pupil.reports([("n", &format!("{number}{large}"))]).await;
        assert!(quick.gets().await.starts_with(&format!("n={number}")));
    }
    assert_eq!(slow.is_closed().await, 1013);
}

#[apply(case!)]
async fn a_stop_closes_with_a_code_after_which_projects_connect_again() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    ann.sets("a", "1").await;
    has_members(&group, 1).await;
    mesh.stops().await;
    assert_eq!(ann.is_closed().await, 1012);
}

#[apply(case!)]
async fn binary_messages_are_ignored_and_pings_are_answered() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let mut ann = Project::enters(&mesh, &code(&group), "ann").await;
    let mut ben = Project::enters(&mesh, &code(&group), "ben").await;
    ann.socket
        .sends_frame(Message::Binary(vec![0, 255].into()))
        .await;
    ann.socket.sends_frame(Message::Ping("p".into())).await;
    let pong = ann.socket.next(Duration::from_secs(20)).await;
    assert_eq!(pong, Some(Message::Pong("p".into())));
    ann.sets("a", "1").await;
    assert_eq!(ben.gets().await, "a=1");
}
