//! What subscribers hear: the same for every wire.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::case;
use crate::support::people::{event, text};
use crate::support::{Ear, TestMesh, documents};

#[apply(case!)]
async fn a_member_hears_what_another_reports() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    assert_eq!(ear.status().await, (&*kitten.id, [("temp", "21")]));
}

#[apply(case!)]
async fn the_sender_hears_itself_exactly_as_it_was_answered() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join("kitten").await;
    let data = json!({"data": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]});
    let reported = kitten.calls("reportDataByNode", data).await.value();
    assert_eq!(ear.message().await, reported);
    let fired = kitten.fires(["go", "stop"]).await;
    assert_eq!(ear.message().await, fired);
    let dissolved = group.dissolves().await.value();
    assert_eq!(ear.message().await, dissolved);
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
async fn empty_reports_and_empty_batches_are_told_as_well() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join("kitten").await;
    kitten.reports([]).await;
    kitten.fires([]).await;
    assert_eq!(ear.status().await, (&*kitten.id, []));
    assert!(ear.events().await.is_empty());
}

#[apply(case!)]
async fn joins_leaves_and_heartbeats_are_not_told() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join("kitten").await;
    kitten.beats().await.value();
    group.renews().await.value();
    mesh.host("teacher").creates("class").await;
    group.join("bird").await.leaves().await.value();
    kitten.reports([("a", "1")]).await;
    assert_eq!(ear.status().await, (&*kitten.id, [("a", "1")]));
}

#[apply(case!)]
async fn refused_mutations_are_not_told() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    group
        .calls("dissolveGroup", json!({"hostId": "somebody else"}))
        .await
        .refusal();
    group
        .node("#")
        .calls("reportDataByNode", json!({"data": []}))
        .await
        .refusal();
    group.node("kitten").fires(["go"]).await;
    assert_eq!(ear.events().await, ["go"]);
}

#[apply(case!)]
async fn groups_do_not_hear_each_other() {
    let mesh = TestMesh::start().await;
    let red = mesh.host("red").creates("class").await;
    let blue = mesh.host("blue").creates("class").await;
    let (mut red_ear, mut blue_ear) = (red.listen().await, blue.listen().await);
    // The same group id in another domain is another group.
    let mut stranger = Ear::to(&mesh, &red.id, &format!("{}-b", red.domain)).await;
    red.node("kitten").fires(["red"]).await;
    blue.node("kitten").fires(["blue"]).await;
    assert_eq!(red_ear.events().await, ["red"]);
    assert_eq!(blue_ear.events().await, ["blue"]);
    let there = mesh
        .host("other")
        .moves_to(&format!("{}-b", red.domain))
        .creates("class")
        .await;
    stranger
        .socket
        .listens("there", &there.id, &there.domain)
        .await;
    there.node("bird").fires(["there"]).await;
    assert_eq!(
        stranger.socket.hears_news().await["id"],
        "there",
        "the first that it hears"
    );
}

#[apply(case!)]
async fn nothing_is_told_again_to_whoever_comes_late() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.fires(["early"]).await;
    let mut ear = group.listen().await;
    kitten.fires(["late"]).await;
    assert_eq!(ear.events().await, ["late"]);
}

#[apply(case!)]
async fn d17_every_mutation_after_the_acknowledgement_is_heard() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    for i in 0..30 {
        let (mut ear, name) = (group.listen().await, i.to_string());
        kitten.fires([&*name]).await;
        assert_eq!(ear.events().await, [name]);
    }
}

#[apply(parallel_case!)]
async fn d18_all_hear_all_messages_in_the_same_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ears = join_all((0..4).map(|_| group.listen())).await;
    join_all((0..6).map(|node| {
        let node = group.node(&format!("node {node}"));
        async move {
            for i in 0..10 {
                node.reports([("i", &*i.to_string())]).await;
                node.fires([&*i.to_string()]).await;
            }
        }
    }))
    .await;
    let heard = join_all(ears.iter_mut().map(async |ear| {
        let mut heard = Vec::new();
        for _ in 0..120 {
            heard.push(ear.message().await);
        }
        heard
    }))
    .await;
    for other in &heard[1..] {
        assert_eq!(*other, heard[0]);
    }
    // A sender's report is never overtaken by its later fire.
    for node in 0..6 {
        let node = mesh.id(&format!("node {node}"));
        let told = heard[0].iter().filter_map(|message| {
            let (status, batch) = (&message["nodeStatus"], &message["batchEvent"]);
            if status["nodeId"] == *node {
                Some(format!("report {}", text(&status["data"][0]["value"])))
            } else if batch["firedByNodeId"] == *node {
                Some(format!("fire {}", text(&batch["events"][0]["name"])))
            } else {
                None
            }
        });
        let sent = (0..10).flat_map(|i| [format!("report {i}"), format!("fire {i}")]);
        assert!(told.eq(sent), "{node}");
    }
}

#[apply(case!)]
async fn d19_subscribers_get_what_they_select_whatever_the_mutation_selected() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
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
        let reply = mesh.asks_with(&document, group.and(json!({}))).await;
        assert_eq!(reply.value(), json!({"__typename": "MeshMessage"}));
        let message = ear.message().await;
        assert_eq!(message["groupId"], group.id, "{message}");
        assert_eq!(message["domain"], group.domain, "{message}");
    }
}

#[apply(case!)]
async fn two_mutations_of_one_document_are_told_in_their_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let whole = documents::message();
    let document = format!(
        r#"mutation ($groupId: ID!, $domain: String!, $events: [EventInput!]!) {{
            set: reportDataByNode(groupId: $groupId, domain: $domain, nodeId: "n",
                                  data: [{{key: "a", value: "1"}}]) {{ {whole} }}
            go: fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: "n",
                                 events: $events) {{ {whole} }}
        }}"#
    );
    let reply = mesh
        .asks_with(
            &document,
            group.and(json!({"events": [event("go", json!({}))]})),
        )
        .await;
    reply.value();
    assert_eq!(ear.status().await, ("n", [("a", "1")]));
    assert_eq!(ear.events().await, ["go"]);
}

#[apply(case!)]
async fn d3_any_script_goes_through_every_argument() {
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
        let mut ear = group.listen().await;
        let node = group.join_polling(&format!("{name} {other}")).await;
        node.reports([(name, other)]).await;
        assert_eq!(ear.status().await, (&*node.id, [(*name, *other)]));
        node.fires([name]).await;
        assert_eq!(ear.events().await, [*name]);
        node.records([name]).await;
        if !case::current().deployment.is_appsync() {
            assert_eq!(ear.events().await, [*name], "d13, not on AppSync");
        }
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
        node.beats().await.value();
        group.renews().await.value();
        node.leaves().await.value();
        group.dissolves().await.value();
        assert!(
            ear.dissolution().await.contains(other),
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
        .wishes(&longest, json!({"hostId": longest, "domain": longest}))
        .await
        .value();
    assert_eq!(
        (&reply["name"], &reply["hostId"]),
        (&json!(longest), &json!(longest))
    );
    let group = json!({"groupId": reply["id"], "domain": longest, "hostId": longest});
    mesh.calls("dissolveGroup", group).await.value();
}
