//! Reports of variables, and statuses.

use mesh_v2::model::group::GroupKey;
use mesh_v2::model::ids::NodeId;
use mesh_v2::model::json_size;
use mesh_v2::model::status::SensorData;
use serde_json::json;

use crate::groups::has_milliseconds;
use crate::support::TestMesh;
use crate::support::json::text;

#[apply(case!)]
async fn a_report_answers_exactly_what_was_sent() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("before", "1")]).await;
    let data = json!([
        {"key": "temp", "value": "21"}, {"key": "temp", "value": "22"}, {"key": "", "value": ""},
    ]);
    let message = kitten
        .calls("reportDataByNode", json!({"data": data}))
        .await
        .value();
    let pair =
        |pair: (&str, &str)| json!({"key": pair.0, "value": pair.1, "__typename": "SensorData"});
    let timestamp = text(&message["nodeStatus"]["timestamp"]);
    let expected = json!({
        "groupId": group.id,
        "domain": group.domain,
        "nodeStatus": {
            "nodeId": kitten.id, "groupId": group.id, "domain": group.domain,
            "data": [pair(("temp", "21")), pair(("temp", "22")), pair(("", ""))],
            "timestamp": timestamp, "__typename": "NodeStatus",
        },
        "batchEvent": null,
        "groupDissolve": null,
        "__typename": "MeshMessage",
    });
    assert_eq!(message, expected);
    assert!(has_milliseconds(&timestamp), "{timestamp}");
}

#[apply(case!)]
async fn a_report_is_one_status_entry() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let reported = kitten.reports([("temp", "21"), ("name", "ミケ")]).await;
    let listed = group.calls("listGroupStatuses", json!({})).await.value();
    assert_eq!(listed, json!([reported]));
    let status = mesh
        .calls("getNodeStatus", json!({"nodeId": kitten.id}))
        .await
        .value();
    assert_eq!(status, reported);
}

#[apply(case!)]
async fn an_empty_report_is_an_empty_status() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    assert!(
        group.statuses().await.is_empty(),
        "who never reported has no status"
    );
    kitten.reports([]).await;
    let statuses = group.statuses().await;
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0], (&*kitten.id, []));
}

#[apply(case!)]
async fn a_node_that_has_not_joined_may_report_but_has_no_node_status() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    for who in [group.node("stranger"), group.hosting_node()] {
        who.reports([("a", "1")]).await;
        assert_eq!(who.status().await, None);
    }
    assert_eq!(group.statuses().await.len(), 2);
}

#[apply(case!)]
async fn an_unknown_node_has_no_status_and_no_error() {
    let mesh = TestMesh::still().await;
    let reply = mesh
        .calls("getNodeStatus", json!({"nodeId": mesh.id("unknown")}))
        .await;
    assert_eq!(reply.json, json!({"data": {"getNodeStatus": null}}));
}

#[apply(case!)]
async fn statuses_are_listed_by_node_id() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    for name in ["kitten", "bird", "ねこ"] {
        group.join(name).await.reports([("a", "1")]).await;
    }
    let nodes: Vec<_> = group
        .statuses()
        .await
        .into_iter()
        .map(|status| status.node)
        .collect();
    assert_eq!(nodes, ["bird", "kitten", "ねこ"].map(|name| mesh.id(name)));
}

#[apply(case!)]
async fn d9_a_changed_variable_leaves_the_times_of_the_others() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let first = kitten.reports([("temp", "21"), ("light", "5")]).await;
    mesh.passes_seconds(1).await;
    let second = kitten.reports([("temp", "22")]).await;
    let statuses = group.statuses().await;
    assert_eq!(
        statuses.len(),
        2,
        "one entry per time of writing, oldest first: {statuses:?}"
    );
    assert_eq!(statuses[0], (&*kitten.id, [("light", "5")]));
    assert_eq!(statuses[0].timestamp, text(&first["timestamp"]));
    assert_eq!(statuses[1], (&*kitten.id, [("temp", "22")]));
    assert_eq!(statuses[1].timestamp, text(&second["timestamp"]));
    // A client keeps the newest value of each key: no older one wins, none is lost.
    let whole = kitten.status().await.expect("a status");
    assert_eq!(whole, (&*kitten.id, [("light", "5"), ("temp", "22")]));
    assert_eq!(whole.timestamp, text(&second["timestamp"]));
}

#[apply(case!)]
async fn d9_an_entry_whose_variables_were_all_rewritten_is_gone() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    for value in ["1", "2", "3"] {
        kitten.reports([("temp", value)]).await;
        mesh.passes_seconds(1).await;
    }
    let statuses = group.statuses().await;
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(statuses[0], (&*kitten.id, [("temp", "3")]));
}

#[apply(case!)]
async fn d9_a_poll_answers_the_same_statuses_as_the_list() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let kitten = group.join_polling("kitten").await;
    kitten.reports([("temp", "21"), ("light", "5")]).await;
    mesh.passes_seconds(1).await;
    kitten.reports([("temp", "22")]).await;
    let listed = group.calls("listGroupStatuses", json!({})).await.value();
    let polled = group
        .calls("pollGroupData", json!({"since": ""}))
        .await
        .value();
    assert_eq!(polled["nodeStatuses"], listed);
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
}

#[apply(case!)]
async fn statuses_of_unknown_groups_are_empty() {
    let mesh = TestMesh::still().await;
    let nowhere = json!({"groupId": "nowhere", "domain": mesh.domain});
    for field in ["listGroupStatuses", "listNodesInGroup"] {
        assert_eq!(mesh.calls(field, nowhere.clone()).await.value(), json!([]));
    }
}

#[apply(case!)]
async fn the_variables_of_a_node_are_limited_in_number_and_bytes() {
    let small = |setup: &mut crate::support::Setup| {
        setup.limits.keys_per_node = 2;
        setup.limits.status_bytes = 20;
    };
    let mesh = TestMesh::own(small).await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("a", "1"), ("b", "2")]).await;
    let report = async |key: &str, value: &str| {
        kitten
            .calls(
                "reportDataByNode",
                json!({"data": [{"key": key, "value": value}]}),
            )
            .await
    };
    report("c", "3")
        .await
        .is_refused("ValidationError", "data must have 2 items or fewer");
    let long = "x".repeat(20);
    report("a", &long)
        .await
        .is_refused("ValidationError", "data must be 20 bytes or less");
    assert_eq!(
        group.statuses().await[0],
        (&*kitten.id, [("a", "1"), ("b", "2")])
    );
    kitten.reports([("a", "4")]).await;
}

#[apply(case!)]
async fn a_refused_report_of_a_node_that_has_not_joined_leaves_nothing() {
    let mesh = TestMesh::own(|setup| {
        setup.limits.status_bytes = 20;
        setup.limits.nodes_per_group = 1;
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let data = json!({"data": [{"key": "a", "value": "x".repeat(20)}]});
    let refused = group.node("stranger").calls("reportDataByNode", data).await;
    refused.is_refused("ValidationError", "data must be 20 bytes or less");
    group.join("kitten").await;
}

#[apply(case!)]
async fn d31_a_suspended_tab_resumes_with_its_variables() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21"), ("name", "ミケ")]).await;
    for _ in 0..4 {
        mesh.passes_seconds(50).await;
        group.renews().await.value();
    }
    assert!(
        group.statuses().await.is_empty(),
        "a suspended node has no statuses"
    );
    assert_eq!(kitten.status().await, None);
    kitten.sends_heartbeat().await.value();
    let expected = (&*kitten.id, [("temp", "21"), ("name", "ミケ")]);
    assert_eq!(group.statuses().await, [expected]);
    assert_eq!(kitten.status().await.expect("a status"), expected);
}

/// No answer without aliases is refused, also of a full group with any variables.
#[apply(case!)]
async fn d24_a_groups_variables_are_bounded_in_bytes_and_always_answered_completely() {
    let mesh = TestMesh::own_still(|_| {}).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    group.hosting_node().records(["go"]).await;
    // Escaped it takes twice the bytes.
    let large = "\"".repeat(60_000);
    let data = json!({"data": [{"key": "a", "value": large}]});
    let mut nodes = 0;
    let refused = loop {
        let node = group.join(&format!("node {nodes:03}")).await;
        let reply = node.calls("reportDataByNode", data.clone()).await;
        if reply.json.get("errors").is_some() {
            break reply;
        }
        nodes += 1;
        assert!(nodes < 100, "it is full at some time");
    };
    let full = "the group's variables are full: at most 4194304 bytes";
    refused.is_refused("LimitExceeded", full);
    assert!(nodes > 20, "only {nodes} nodes fit");
    assert_eq!(group.statuses().await.len(), nodes);
    let polled = group.calls("pollGroupData", json!({"since": ""})).await;
    let polled = polled.value();
    assert_eq!(polled["nodeStatuses"].as_array().map(Vec::len), Some(nodes));
    assert_eq!(polled["events"].as_array().map(Vec::len), Some(1));
    // A node may still change the variables that it has.
    group.node("node 000").reports([("a", "small")]).await;
    group.node("late").reports([("a", "small")]).await;
}

#[apply(case!)]
async fn d24_variables_are_counted_as_they_are_written() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("先生").creates("class").await;
    let pairs = [("temp", "21"), ("\"\\\n\t", "\u{1}\u{7f}🎈"), ("", "")];
    let mut counted = 0;
    for name in ["ねこ", "a\"b", "plain"] {
        let node = group.node(name);
        node.reports(pairs).await;
        mesh.passes_seconds(1).await;
        node.reports([("temp", "22")]).await;
        let key = GroupKey::parse(&group.id, &group.domain).expect("ids");
        let row = json_size::row(&key, &NodeId::parse("nodeId", &node.id).expect("an id"));
        let datum = |(key, value): (&str, &str)| {
            let (key, value) = (key.into(), value.into());
            json_size::variable(&SensorData { key, value })
        };
        counted += 2 * row + pairs.into_iter().map(datum).sum::<usize>();
    }
    let listed = group.calls("listGroupStatuses", json!({})).await;
    let around = r#"{"data":{"listGroupStatuses":[]}}"#.len();
    // Each list has a comma less than it has items: those of the six rows, and theirs.
    assert_eq!(listed.text.trim_end().len(), counted + around - 1 - 6);
}
