//! Joining, leaving and heartbeats.

use std::time::Instant;

use serde_json::json;

use crate::groups::millis;
use crate::support::TestMesh;
use crate::support::json::text;

#[apply(case!)]
async fn joining_answers_the_groups_times_and_mode() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.node("kitten");
    let joined = kitten
        .calls("joinGroup", json!({"useWebSocket": true}))
        .await
        .value();
    let expected = json!({
        "id": kitten.id,
        "name": format!("Node {}", kitten.id),
        "groupId": group.id,
        "domain": group.domain,
        "expiresAt": group.record["expiresAt"],
        "heartbeatIntervalSeconds": 15,
        "useWebSocket": true,
        "pollingIntervalSeconds": null,
        "__typename": "Node",
    });
    assert_eq!(joined, expected);
}

#[apply(case!)]
async fn joining_a_polling_group_answers_its_polling_interval() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    for arguments in [
        json!({}),
        json!({"useWebSocket": null}),
        json!({"useWebSocket": true}),
    ] {
        let joined = group
            .node("kitten")
            .calls("joinGroup", arguments)
            .await
            .value();
        assert_eq!(
            (&joined["useWebSocket"], &joined["pollingIntervalSeconds"]),
            (&json!(false), &json!(2))
        );
    }
}

#[apply(case!)]
async fn members_are_listed_by_id_without_the_host() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.join("kitten").await;
    group.join("bird").await;
    group.join("kitten").await;
    let nodes = group.calls("listNodesInGroup", json!({})).await.value();
    let listed = ["bird", "kitten"].map(|name| {
        let id = mesh.id(name);
        json!({
            "id": id, "name": format!("Node {id}"), "groupId": group.id, "domain": group.domain,
            "expiresAt": null, "heartbeatIntervalSeconds": null, "useWebSocket": null,
            "pollingIntervalSeconds": null, "__typename": "Node",
        })
    });
    assert_eq!(nodes, json!(listed));
}

#[apply(case!)]
async fn leaving_removes_the_node_and_its_variables() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    let expected = json!({
        "peerId": kitten.id, "groupId": group.id, "domain": group.domain,
        "message": format!("Peer {} successfully left group {}", kitten.id, group.id),
        "__typename": "LeaveGroupPayload",
    });
    assert_eq!(kitten.leaves().await.value(), expected);
    assert!(group.members().await.is_empty());
    assert!(group.statuses().await.is_empty());
    assert_eq!(kitten.status().await, None);
}

#[apply(case!)]
async fn leaving_succeeds_for_unknown_nodes_and_groups() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let stranger = group.node("stranger");
    assert_eq!(stranger.leaves().await.value()["peerId"], stranger.id);
    let nowhere = stranger
        .calls("leaveGroup", json!({"groupId": "nowhere"}))
        .await
        .value();
    assert_eq!(nowhere["groupId"], "nowhere");
}

#[apply(case!)]
async fn a_host_that_leaves_does_not_end_its_group() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.hosting_node().leaves().await.value();
    group.join("kitten").await;
}

#[apply(case!)]
async fn a_heartbeat_answers_until_when_the_membership_lasts() {
    let mesh = TestMesh::still().await;
    let begin = Instant::now();
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let heartbeat = kitten.sends_heartbeat().await.value();
    // As much later may the heartbeat come, on a server with its own clock.
    let took = i64::try_from(begin.elapsed().as_millis()).expect("a short time");
    let expected = json!({
        "nodeId": kitten.id, "groupId": group.id, "domain": group.domain,
        "expiresAt": heartbeat["expiresAt"], "heartbeatIntervalSeconds": 15,
        "__typename": "MemberHeartbeatPayload",
    });
    assert_eq!(heartbeat, expected);
    let until = millis(&heartbeat["expiresAt"]);
    assert_eq!(until % 1000, 0, "a whole second");
    let group_ends = millis(&group.record["expiresAt"]);
    assert!(
        (238_000 - took..=241_000).contains(&(group_ends - until)),
        "a member counts for 60 s: {heartbeat}"
    );
}

#[apply(case!)]
async fn only_members_have_heartbeats() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    for who in [group.node("stranger"), group.hosting_node()] {
        who.reports([("a", "1")]).await;
        who.sends_heartbeat()
            .await
            .is_refused("NodeNotFound", "Node not found");
    }
}

#[apply(case!)]
async fn a_member_without_heartbeats_is_not_listed_until_a_late_heartbeat() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    mesh.passes_seconds(40).await;
    group.renews().await.value();
    assert_eq!(group.members().await, [&*kitten.id]);
    mesh.passes_seconds(25).await;
    assert!(group.members().await.is_empty());
    assert!(group.statuses().await.is_empty());
    assert_eq!(kitten.status().await, None);
    kitten.sends_heartbeat().await.value();
    assert_eq!(group.members().await, [&*kitten.id]);
    // d31: and its variables with it.
    assert_eq!(group.statuses().await, [(&*kitten.id, [("temp", "21")])]);
}

#[apply(case!)]
async fn d10_every_call_of_a_member_renews_its_membership_and_variables() {
    for sign in [
        "sendMemberHeartbeat",
        "reportDataByNode",
        "fireEventsByNode",
        "recordEventsByNode",
    ] {
        let mesh = TestMesh::own_still(|_| {}).await;
        let group = mesh.host("teacher").creates("class").await;
        let kitten = group.join("kitten").await;
        kitten.reports([("temp", "21")]).await;
        mesh.passes_seconds(40).await;
        group.renews().await.value();
        kitten
            .calls(sign, json!({"data": [], "events": []}))
            .await
            .value();
        mesh.passes_seconds(40).await;
        group.renews().await.value();
        assert_eq!(group.members().await, [&*kitten.id], "{sign}");
        let statuses = group.statuses().await;
        assert_eq!(statuses.len(), 1, "{sign}");
        assert_eq!(statuses[0], (&*kitten.id, [("temp", "21")]), "{sign}");
        assert_eq!(
            kitten.status().await.expect("a status"),
            statuses[0],
            "{sign}"
        );
    }
}

#[apply(case!)]
async fn d10_renewing_keeps_the_hosts_variables() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    group.hosting_node().reports([("round", "3")]).await;
    for _ in 0..3 {
        mesh.passes_seconds(30).await;
        group.renews().await.value();
    }
    assert_eq!(group.statuses().await[0], (&*group.host, [("round", "3")]));
}

#[apply(case!)]
async fn d11_joining_another_group_leaves_the_former_one() {
    let mesh = TestMesh::still().await;
    let red = mesh.host("red").creates("red").await;
    let blue = mesh.host("blue").creates("blue").await;
    let kitten = red.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    let kitten_in_blue = blue.join("kitten").await;
    assert!(red.members().await.is_empty());
    assert!(red.statuses().await.is_empty());
    assert_eq!(blue.members().await, [&*kitten.id]);
    kitten_in_blue.reports([("temp", "22")]).await;
    // A late leave of the former group does not affect the membership in the new one.
    kitten.leaves().await.value();
    red.dissolves().await.value();
    assert_eq!(
        kitten_in_blue.status().await.expect("a status"),
        (&*kitten.id, [("temp", "22")])
    );
    assert_eq!(blue.members().await, [text(&json!(kitten.id))]);
}

#[apply(case!)]
async fn the_nodes_of_a_group_are_limited() {
    let mesh = TestMesh::own(|setup| setup.limits.nodes_per_group = 2).await;
    let group = mesh.host("teacher").creates("class").await;
    group.join("a").await;
    group.join("b").await;
    let refused = group.node("c").calls("joinGroup", json!({})).await;
    refused.is_refused("LimitExceeded", "the group is full: at most 2");
    group.join("a").await;
}
