//! What the host of a group decides during a lesson: locking, pausing, removing nodes, clearing
//! variables and muting chat (docs/api.md, Controls of a lesson).

use mesh_v2::auth::Policy;
use serde_json::{Value, json};

use crate::support::clients::{Group, Node, event};
use crate::support::json::{list, text};
use crate::support::{Reply, Setup, TestMesh};

const HOST: &str = "the host's own token";
const OTHER: &str = "somebody else's token";
const LOCKED: &str = "The group is locked: its host lets no new nodes in";
const PAUSED: &str =
    "The group is paused: wait for the milliseconds of extensions.retryAfterMs, then send it again";
const REMOVED: &str = "Unauthorized: the host removed this node from the group";

/// Every control with valid arguments.
fn controls(mesh: &TestMesh) -> [(&'static str, Value); 5] {
    [
        ("lockGroup", json!({"locked": true})),
        ("pauseGroup", json!({"seconds": 10})),
        ("removeNode", json!({"nodeId": mesh.id("kitten")})),
        ("clearGroupData", json!({})),
        ("muteChat", json!({"muted": true})),
    ]
}

async fn lesson(mesh: &TestMesh) -> Group<'_> {
    let host = mesh.host("teacher");
    let reply = host.calls_create_group("class", json!({"hostToken": HOST}));
    host.group(&reply.await)
}

async fn controls_with(group: &Group<'_>, field: &str, token: &str, more: Value) -> Reply {
    let mut arguments = json!({"hostId": group.host, "hostToken": token});
    let (Some(into), Value::Object(more)) = (arguments.as_object_mut(), more) else {
        panic!("arguments are objects");
    };
    into.extend(more);
    group.calls(field, arguments).await
}

async fn control(group: &Group<'_>, field: &str, more: Value) -> Value {
    controls_with(group, field, HOST, more).await.value()
}

/// Calls by which a node sends data.
async fn sends(node: &Node<'_>, token: Value) -> [(&'static str, Reply); 3] {
    let data = json!([{"key": "k", "value": "v"}]);
    let events = json!([event("e", json!({}))]);
    let with = |name: &str, list: &Value| json!({name: list, "nodeToken": token});
    [
        (
            "reportDataByNode",
            node.calls("reportDataByNode", with("data", &data)).await,
        ),
        (
            "fireEventsByNode",
            node.calls("fireEventsByNode", with("events", &events))
                .await,
        ),
        (
            "recordEventsByNode",
            node.calls("recordEventsByNode", with("events", &events))
                .await,
        ),
    ]
}

async fn sends_freely(node: &Node<'_>) {
    // Twice: the second time, frequent calls run on the fast path.
    for _ in 0..2 {
        for (_, reply) in sends(node, Value::Null).await {
            reply.value();
        }
    }
}

async fn is_refused(node: &Node<'_>, kind: &str, message: &str) {
    for _ in 0..2 {
        for (_, reply) in sends(node, Value::Null).await {
            reply.is_refused(kind, message);
        }
    }
}

async fn listed(group: &Group<'_>) -> Value {
    let document = "query ($domain: String!) { listGroupsByDomain(domain: $domain) { \
        id locked pausedUntil chatMuted } }";
    let arguments = json!({"domain": group.domain});
    let groups = group.mesh.executes_with(document, arguments).await.value();
    let found = list(&groups).iter().find(|found| found["id"] == group.id);
    found.expect("the group is listed").clone()
}

#[apply(case!)]
async fn a_locked_group_takes_no_new_nodes_and_keeps_those_it_has() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    assert_eq!(listed(&group).await["locked"], false);
    let kitten = group.join("kitten").await;
    let locked = control(&group, "lockGroup", json!({"locked": true})).await;
    assert_eq!(
        (&locked["id"], &locked["locked"]),
        (&json!(group.id), &json!(true))
    );
    assert_eq!(listed(&group).await["locked"], true);
    let puppy = group.node("puppy");
    for _ in 0..2 {
        let joined = puppy.calls("joinGroup", json!({})).await;
        joined.is_refused("Locked", LOCKED);
    }
    is_refused(&puppy, "Locked", LOCKED).await;
    sends_freely(&kitten).await;
    group.join("kitten").await;
    let opened = control(&group, "lockGroup", json!({"locked": false})).await;
    assert_eq!(opened["locked"], false);
    group.join("puppy").await;
}

#[apply(case!)]
async fn a_member_whose_time_was_over_wakes_in_a_locked_group() {
    let mesh = TestMesh::still().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    control(&group, "lockGroup", json!({"locked": true})).await;
    mesh.passes_seconds(50).await;
    control(&group, "renewHeartbeat", json!({})).await;
    mesh.passes_seconds(15).await;
    assert!(group.members().await.is_empty());
    kitten.sends_heartbeat().await.value();
    assert_eq!(group.members().await, [kitten.id]);
}

#[apply(case!)]
async fn a_paused_group_refuses_all_data_but_its_hosts_until_the_pause_ends() {
    let mesh = TestMesh::still().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    sends_freely(&kitten).await;
    let paused = control(&group, "pauseGroup", json!({"seconds": 10})).await;
    assert_eq!(paused["pausedUntil"], listed(&group).await["pausedUntil"]);
    assert_eq!(text(&paused["pausedUntil"]).len(), 24);
    is_refused(&kitten, "Paused", PAUSED).await;
    let host = group.hosting_node();
    // Without its token, any reader of the host's id could go on.
    is_refused(&host, "Paused", PAUSED).await;
    for (_, reply) in sends(&host, json!(HOST)).await {
        reply.value();
    }
    group.join("puppy").await;
    kitten.sends_heartbeat().await.value();
    group.statuses().await;
    mesh.passes_seconds(11).await;
    sends_freely(&kitten).await;
    assert_eq!(listed(&group).await["pausedUntil"], Value::Null);
    control(&group, "pauseGroup", json!({"seconds": 100})).await;
    is_refused(&kitten, "Paused", PAUSED).await;
    let resumed = control(&group, "pauseGroup", json!({"seconds": 0})).await;
    assert_eq!(resumed["pausedUntil"], Value::Null);
    sends_freely(&kitten).await;
}

#[apply(case!)]
async fn a_pause_is_not_negative_and_ends_with_the_group() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let negative = json!({"seconds": -1});
    let refused = controls_with(&group, "pauseGroup", HOST, negative).await;
    refused.is_refused("ValidationError", "seconds must be at least 0");
    let longest = control(&group, "pauseGroup", json!({"seconds": i32::MAX})).await;
    assert_eq!(longest["pausedUntil"], group.record["expiresAt"]);
}

#[apply(case!)]
async fn a_removed_node_is_gone_and_each_of_its_calls_makes_an_editor_leave() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    let puppy = group.join("puppy").await;
    sends_freely(&kitten).await;
    let arguments = json!({"nodeId": kitten.id});
    for _ in 0..2 {
        let removed = control(&group, "removeNode", arguments.clone()).await;
        assert_eq!(removed, true);
    }
    assert_eq!(group.members().await, [puppy.id]);
    assert!(group.statuses().await.is_empty());
    assert_eq!(kitten.status().await, None);
    // The editor leaves by the type of the error, and older ones by a word of its text.
    is_refused(&kitten, "Unauthorized", REMOVED).await;
    for field in ["joinGroup", "sendMemberHeartbeat"] {
        let refused = kitten.calls(field, json!({})).await;
        refused.is_refused("Unauthorized", REMOVED);
    }
    kitten.leaves().await.value();
    let again = kitten.calls("joinGroup", json!({})).await;
    again.is_refused("Unauthorized", REMOVED);
    let other = mesh.host("other").creates("another").await;
    other.join("kitten").await;
    let host = json!({"nodeId": group.host});
    let refused = controls_with(&group, "removeNode", HOST, host).await;
    let message = "nodeId must not be the host's: call dissolveGroup to end the group";
    refused.is_refused("ValidationError", message);
}

#[apply(case!)]
async fn cleared_variables_are_gone_for_every_reader() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    let puppy = group.join("puppy").await;
    kitten.reports([("k", "1"), ("l", "2")]).await;
    puppy.reports([("k", "3")]).await;
    assert_eq!(control(&group, "clearGroupData", json!({})).await, true);
    assert!(group.statuses().await.is_empty());
    assert_eq!(kitten.status().await, None);
    let polled = group.calls("pollGroupData", json!({"since": ""})).await;
    assert_eq!(polled.value()["nodeStatuses"], json!([]));
    kitten.reports([("k", "4")]).await;
    assert_eq!(group.statuses().await.len(), 1);
    assert_eq!(group.statuses().await[0], (&*kitten.id, [("k", "4")]));
}

#[apply(case!)]
async fn pages_see_whether_chat_is_muted() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    for muted in [true, false] {
        let shown = control(&group, "muteChat", json!({"muted": muted})).await;
        assert_eq!(shown["chatMuted"], muted);
        assert_eq!(listed(&group).await["chatMuted"], muted);
        sends_freely(&kitten).await;
    }
}

#[apply(case!)]
async fn only_the_host_with_its_token_controls_a_group() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let kitten = group.join("kitten").await;
    kitten.reports([("k", "1")]).await;
    let stranger = mesh.host("stranger");
    let reply = stranger.calls_create_group("trap", json!({"hostToken": OTHER}));
    stranger.group(&reply.await);
    for (field, more) in controls(&mesh) {
        let guessed = controls_with(&group, field, OTHER, more.clone()).await;
        let message = "hostToken must be the one with which it was made";
        guessed.is_refused("Unauthorized", message);
        let mut as_stranger = more.clone();
        as_stranger["hostId"] = json!(stranger.id);
        let refused = controls_with(&group, field, OTHER, as_stranger).await;
        refused.is_refused("Unauthorized", "Only the host can control its group");
        let short = controls_with(&group, field, "short", more).await;
        short.is_refused("ValidationError", "hostToken must be 16 to 256 bytes");
    }
    assert_eq!(group.members().await, [kitten.id]);
    assert_eq!(group.statuses().await.len(), 1);
    let found = listed(&group).await;
    assert_eq!(found["locked"], false);
    assert_eq!(found["pausedUntil"], Value::Null);
    assert_eq!(found["chatMuted"], false);
}

#[apply(case!)]
async fn a_group_without_a_token_is_controlled_by_no_caller() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    group.join("kitten").await;
    for (field, more) in controls(&mesh) {
        let refused = controls_with(&group, field, HOST, more).await;
        let message = "hostToken is needed: only a group that was made with one can be controlled";
        refused.is_refused("Unauthorized", message);
    }
    assert_eq!(group.members().await.len(), 1);
}

#[apply(case!)]
async fn a_group_that_is_not_there_is_controlled_by_no_caller() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    control(&group, "dissolveGroup", json!({})).await;
    let message = format!("Group not found: {}@{}", group.id, group.domain);
    for (field, more) in controls(&mesh) {
        let refused = controls_with(&group, field, HOST, more).await;
        refused.is_refused("GroupNotFound", &message);
    }
}

#[apply(case!)]
async fn a_host_finds_its_group_by_its_token_and_others_find_none() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    let find = async |host: &str, token: &str| {
        let arguments = json!({"hostId": host, "domain": group.domain, "hostToken": token});
        mesh.calls("groupOfHost", arguments).await.value()
    };
    let found = find(&group.host, HOST).await;
    assert_eq!(found["id"], group.id);
    assert_eq!(found["expiresAt"], group.record["expiresAt"]);
    assert_eq!(find(&group.host, OTHER).await, Value::Null);
    assert_eq!(find("nobody at all", HOST).await, Value::Null);
    let open = mesh.host("open").creates("open").await;
    assert_eq!(find(&open.host, HOST).await, Value::Null);
    control(&group, "dissolveGroup", json!({})).await;
    assert_eq!(find(&group.host, HOST).await, Value::Null);
}

#[apply(case!)]
async fn members_are_listed_with_nickname_sign_of_life_and_transport() {
    let mesh = TestMesh::start().await;
    let group = lesson(&mesh).await;
    for (name, arguments) in [
        ("a", json!({"nickname": "ねこ", "useWebSocket": true})),
        ("b", json!({"nickname": "🐱 2", "useWebSocket": false})),
        ("c", json!({})),
    ] {
        group.node(name).calls("joinGroup", arguments).await.value();
    }
    let document = "query ($groupId: ID!, $domain: String!) { \
        listNodesInGroup(groupId: $groupId, domain: $domain) { id nickname lastSeenAt transport } }";
    let nodes = mesh.executes_with(document, group.and(json!({})));
    let nodes = nodes.await.value();
    let mut seen: Vec<_> = list(&nodes)
        .iter()
        .map(|node| (node["nickname"].clone(), node["transport"].clone()))
        .collect();
    seen.sort_by_key(|(nickname, _)| nickname.to_string());
    let expected = [
        (json!("ねこ"), json!("WebSocket")),
        (json!("🐱 2"), json!("polling")),
        (Value::Null, Value::Null),
    ];
    let mut expected = expected.to_vec();
    expected.sort_by_key(|(nickname, _)| nickname.to_string());
    assert_eq!(seen, expected);
    for node in list(&nodes) {
        assert!(text(&node["lastSeenAt"]).contains(".000Z"), "{node}");
        assert!(text(&node["lastSeenAt"]) < text(&group.record["expiresAt"]));
    }
    for nickname in ["", " ", "a\u{200b}", "x\n", &"あ".repeat(21)] {
        let node = group.node("d");
        let refused = node.calls("joinGroup", json!({"nickname": nickname})).await;
        let message = "nickname must be 1 to 20 characters that can be seen";
        refused.is_refused("ValidationError", message);
    }
}

#[apply(case!)]
async fn a_host_ttl_needs_the_role_of_a_teacher() {
    let mesh = TestMesh::start().await;
    let host = mesh.host("teacher");
    for seconds in [5, 300, 1000] {
        let asked = json!({"hostTtlSeconds": seconds});
        let refused = host.calls_create_group("class", asked).await;
        let message = "hostTtlSeconds needs a key or token with the role teacher or operator";
        refused.is_refused("ValidationError", message);
    }
}

#[apply(case!)]
async fn under_own_no_caller_controls_a_group_of_another_network() {
    let mesh = TestMesh::own(|setup: &mut Setup| setup.policy = Policy::Own).await;
    let there = Group {
        domain: "0123456789abcdef".into(),
        ..lesson(&mesh).await
    };
    let find = json!({"hostId": there.host, "domain": there.domain, "hostToken": HOST});
    let mut replies = vec![mesh.calls("groupOfHost", find).await];
    for (field, more) in controls(&mesh) {
        replies.push(controls_with(&there, field, HOST, more).await);
    }
    for reply in replies {
        assert_eq!(reply.error().0, "Unauthorized", "{}", reply.text);
        assert!(reply.text.contains("another network"), "{}", reply.text);
    }
}
