//! What subscribers receive, whatever their protocol.

mod order;

use serde_json::json;

use crate::support::{TestMesh, TestSubscriber};

#[apply(case!)]
async fn a_member_receives_what_another_reports() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    assert_eq!(subscriber.status().await, (&*kitten.id, [("temp", "21")]));
}

#[apply(case!)]
async fn a_sender_receives_its_own_message_exactly_as_it_was_answered() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    let data = json!({"data": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]});
    let reported = kitten.calls("reportDataByNode", data).await.value();
    assert_eq!(subscriber.message().await, reported);
    let fired = kitten.fires(["go", "stop"]).await;
    assert_eq!(subscriber.message().await, fired);
    let dissolved = group.dissolves().await.value();
    assert_eq!(subscriber.message().await, dissolved);
    let expected = json!({
        "groupId": group.id, "domain": group.domain, "nodeStatus": null, "batchEvent": null,
        "groupDissolve": {
            "groupId": group.id, "domain": group.domain,
            "message": format!("Group {}@{} has been dissolved successfully.", group.id, group.domain),
            "__typename": "GroupDissolvePayload",
        },
        "__typename": "MeshMessage",
    });
    assert_eq!(dissolved, expected);
}

#[apply(case!)]
async fn empty_reports_and_empty_batches_are_published() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    kitten.reports([]).await;
    kitten.fires([]).await;
    assert_eq!(subscriber.status().await, (&*kitten.id, []));
    assert!(subscriber.events().await.is_empty());
}

#[apply(case!)]
async fn joins_leaves_and_heartbeats_are_not_published() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    kitten.sends_heartbeat().await.value();
    group.renews().await.value();
    mesh.host("teacher").creates("class").await;
    group.join("bird").await.leaves().await.value();
    kitten.reports([("a", "1")]).await;
    assert_eq!(subscriber.status().await, (&*kitten.id, [("a", "1")]));
}

#[apply(case!)]
async fn refused_mutations_are_not_published() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    group
        .calls("dissolveGroup", json!({"hostId": "another host"}))
        .await
        .error();
    group
        .node("#")
        .calls("reportDataByNode", json!({"data": []}))
        .await
        .error();
    group.node("kitten").fires(["go"]).await;
    assert_eq!(subscriber.events().await, ["go"]);
}

#[apply(case!)]
async fn groups_do_not_receive_each_others_messages() {
    let mesh = TestMesh::start().await;
    let red = mesh.host("red").creates("class").await;
    let blue = mesh.host("blue").creates("class").await;
    let (mut red_subscriber, mut blue_subscriber) = (red.subscribe().await, blue.subscribe().await);
    // The same group id in another domain is another group.
    let mut stranger = TestSubscriber::to(&mesh, &red.id, &format!("{}-b", red.domain)).await;
    red.node("kitten").fires(["red"]).await;
    blue.node("kitten").fires(["blue"]).await;
    assert_eq!(red_subscriber.events().await, ["red"]);
    assert_eq!(blue_subscriber.events().await, ["blue"]);
    let there = mesh
        .host("other")
        .moves_to(&format!("{}-b", red.domain))
        .creates("class")
        .await;
    stranger
        .socket
        .subscribes("there", &there.id, &there.domain)
        .await;
    there.node("bird").fires(["there"]).await;
    assert_eq!(
        stranger.socket.receives().await["id"],
        "there",
        "the first that it receives"
    );
}

#[apply(case!)]
async fn a_late_subscriber_receives_no_earlier_message() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.fires(["early"]).await;
    let mut subscriber = group.subscribe().await;
    kitten.fires(["late"]).await;
    assert_eq!(subscriber.events().await, ["late"]);
}

#[apply(case!)]
async fn d19_subscribers_receive_what_they_select_and_not_what_the_mutation_selects() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let head = "mutation ($groupId: ID!, $domain: String!)";
    let tail = "{ __typename } }";
    let report = r#"data: [{key: "a", value: "1"}]"#;
    let fire = r#"events: [{eventName: "go", firedAt: "2026-02-07T01:02:03Z"}]"#;
    for (field, rest) in [
        ("reportDataByNode", format!(r#"nodeId: "n", {report}"#)),
        ("fireEventsByNode", format!(r#"nodeId: "n", {fire}"#)),
        ("dissolveGroup", format!(r#"hostId: "{}""#, group.host)),
    ] {
        let document =
            format!("{head} {{ {field}(groupId: $groupId, domain: $domain, {rest}) {tail}");
        let reply = mesh.executes_with(&document, group.and(json!({}))).await;
        assert_eq!(reply.value(), json!({"__typename": "MeshMessage"}));
        let message = subscriber.message().await;
        assert_eq!(message["groupId"], group.id, "{message}");
        assert_eq!(message["domain"], group.domain, "{message}");
    }
}

#[apply(case!)]
async fn d3_every_argument_accepts_any_script() {
    let names = [
        "こども 1",
        "🎈🐱👩‍👩‍👧",
        "me@home",
        "100%25 & ? + / =",
        "a:b;c,d|e\\\"'",
        "é\u{301}x",
    ];
    let mesh = TestMesh::still().await;
    for (name, other) in names.iter().zip(names.iter().cycle().skip(1)) {
        let host = mesh
            .host(name)
            .moves_to(&format!("{other} {}", mesh.domain));
        let group = host.creates(name).await;
        assert_eq!(group.record["name"], *name);
        assert_eq!(
            group.record["fullId"],
            format!("{}@{}", group.id, host.domain)
        );
        let listed = mesh
            .calls("listGroupsByDomain", json!({"domain": host.domain}))
            .await;
        assert_eq!(listed.value()[0], group.record);
        let mut subscriber = group.subscribe().await;
        let node = group.join_polling(&format!("{name} {other}")).await;
        node.reports([(name, other)]).await;
        assert_eq!(subscriber.status().await, (&*node.id, [(*name, *other)]));
        node.fires([name]).await;
        assert_eq!(subscriber.events().await, [*name]);
        node.records([name]).await;
        assert_eq!(subscriber.events().await, [*name], "d13");
        let read = group.events_since("").await;
        assert_eq!(read.len(), 2);
        assert!(
            read.iter()
                .all(|e| e["name"] == *name && e["firedByNodeId"] == node.id)
        );
        assert_eq!(group.members().await, [&*node.id]);
        assert_eq!(
            node.status().await.expect("a status"),
            (&*node.id, [(*name, *other)])
        );
        node.sends_heartbeat().await.value();
        group.renews().await.value();
        node.leaves().await.value();
        group.dissolves().await.value();
        assert!(
            subscriber.dissolution().await.contains(other),
            "the end names the group in full"
        );
    }
}

#[apply(case!)]
async fn d3_a_name_may_have_256_characters_of_any_script() {
    let mesh = TestMesh::start().await;
    let longest = "🎈".repeat(256);
    let host = mesh.host("teacher");
    let reply = host
        .calls_create_group(&longest, json!({"hostId": longest, "domain": longest}))
        .await
        .value();
    assert_eq!(
        (&reply["name"], &reply["hostId"]),
        (&json!(longest), &json!(longest))
    );
    let group = json!({"groupId": reply["id"], "domain": longest, "hostId": longest});
    mesh.calls("dissolveGroup", group).await.value();
}
