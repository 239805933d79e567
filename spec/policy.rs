//! The server's policy: whom it admits to its groups (docs/threat-model.md).

use mesh_v2::auth::Policy;
use serde_json::{Value, json};

use crate::support::clients::{Group, event};
use crate::support::documents;
use crate::support::json::{list, text};
use crate::support::{Reply, Setup, TestMesh};

/// A domain that is not that of the caller's network.
const FOREIGN: &str = "0123456789abcdef";
const REFUSED: &str = "The domain belongs to another network: this server admits callers to their own network's domain only";
const HOST: &str = "the host's own token";
const NODE: &str = "the node's own token";

async fn under(policy: Policy) -> TestMesh {
    TestMesh::own(|setup: &mut Setup| setup.policy = policy).await
}

/// The domain of the caller's network.
async fn own_domain(mesh: &TestMesh) -> String {
    text(&mesh.calls("createDomain", json!({})).await.value())
}

/// What each root field about a group is called with, beside the group.
fn calls() -> [(&'static str, Value); 12] {
    let events = [event("e", json!({}))];
    [
        ("joinGroup", json!({"nodeId": "n", "nodeToken": NODE})),
        (
            "sendMemberHeartbeat",
            json!({"nodeId": "n", "nodeToken": NODE}),
        ),
        (
            "reportDataByNode",
            json!({"nodeId": "n", "data": [], "nodeToken": NODE}),
        ),
        (
            "fireEventsByNode",
            json!({"nodeId": "n", "events": events, "nodeToken": NODE}),
        ),
        (
            "recordEventsByNode",
            json!({"nodeId": "n", "events": events, "nodeToken": NODE}),
        ),
        ("leaveGroup", json!({"nodeId": "n", "nodeToken": NODE})),
        ("renewHeartbeat", json!({"hostId": "h", "hostToken": HOST})),
        ("listNodesInGroup", json!({})),
        ("listGroupStatuses", json!({})),
        ("getEventsSince", json!({"since": ""})),
        ("pollGroupData", json!({"since": ""})),
        ("dissolveGroup", json!({"hostId": "h", "hostToken": HOST})),
    ]
}

async fn creates(mesh: &TestMesh, domain: &str, more: Value) -> Reply {
    let host = mesh.host("teacher").moves_to(domain);
    host.calls_create_group("class", more).await
}

async fn searches(mesh: &TestMesh) -> Vec<Value> {
    let found = mesh.calls("searchGroupsByNamePrefix", json!({"namePrefix": "class"}));
    list(&found.await.value()).clone()
}

async fn lists(mesh: &TestMesh, domain: &str) -> Vec<Value> {
    let listed = mesh.calls("listGroupsByDomain", json!({"domain": domain}));
    list(&listed.await.value()).clone()
}

#[apply(case!)]
async fn under_own_a_caller_does_nothing_in_another_networks_domain() {
    let mesh = under(Policy::Own).await;
    creates(&mesh, FOREIGN, json!({}))
        .await
        .is_refused("Unauthorized", REFUSED);
    let group = creates(&mesh, &own_domain(&mesh).await, json!({})).await;
    let group = mesh.host("teacher").group(&group);
    let there = Group {
        domain: FOREIGN.into(),
        ..group
    };
    for (field, arguments) in calls() {
        // Twice: the second time, frequent calls run on the fast path.
        for _ in 0..2 {
            let refused = there.calls(field, arguments.clone()).await;
            refused.is_refused("Unauthorized", REFUSED);
        }
    }
    assert_eq!(lists(&mesh, FOREIGN).await, [Value::Null; 0]);
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let variables = json!({"groupId": there.id, "domain": FOREIGN});
    let document = documents::of("onMessageInGroup");
    socket.starts("s", &document, variables).await;
    let refused = socket.receives().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("s")),
        "{refused}"
    );
    let error = &refused["payload"]["errors"][0];
    assert_eq!(
        (&error["errorType"], &error["message"]),
        (&json!("Unauthorized"), &json!(REFUSED))
    );
}

#[apply(case!)]
async fn under_own_a_class_in_its_own_or_a_typed_domain_notices_nothing() {
    let mesh = under(Policy::Own).await;
    for domain in [own_domain(&mesh).await, "school".into()] {
        let created = creates(&mesh, &domain, json!({})).await;
        let group = mesh.host("teacher").moves_to(&domain).group(&created);
        let mut subscriber = group.subscribe().await;
        let kitten = group.join("kitten").await;
        kitten.reports([("score", "1")]).await;
        kitten.fires(["jump"]).await;
        subscriber.status().await;
        subscriber.events().await;
        assert_eq!(group.statuses().await.len(), 1);
        let is_own = domain != "school";
        assert_eq!(
            kitten.status().await.is_some(),
            is_own,
            "a node's id names no domain"
        );
        group.renews().await.value();
        assert_eq!(lists(&mesh, &domain).await.len(), 1);
    }
    // The search shows the own network's group, and no typed domain's.
    let found = searches(&mesh).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["domain"], own_domain(&mesh).await.as_str());
}

#[apply(case!)]
async fn where_groups_are_kept_apart_no_list_shows_a_hosts_id() {
    for policy in [Policy::Own, Policy::Token] {
        let mesh = under(policy).await;
        let domain = own_domain(&mesh).await;
        let created = creates(&mesh, &domain, json!({"hostToken": HOST}))
            .await
            .value();
        assert_eq!(created["hostId"], mesh.id("teacher"));
        let (listed, found) = (lists(&mesh, &domain).await, searches(&mesh).await);
        for shown in [&listed[0], &found[0]] {
            assert_eq!(shown["id"], created["id"]);
            assert_eq!(shown["hostId"], created["id"], "the group's id stands in");
        }
        let arguments = json!({
            "groupId": created["id"], "domain": domain, "hostId": "other", "hostToken": NODE,
        });
        let refused = mesh.calls("dissolveGroup", arguments).await;
        let id = text(&created["id"]);
        let message =
            format!("Only the host can dissolve the group. Host: {id}, Requested by: other");
        refused.is_refused("Unauthorized", &message);
    }
}

#[apply(case!)]
async fn under_token_groups_and_nodes_need_tokens() {
    let mesh = under(Policy::Token).await;
    let needed = |argument: &str| {
        format!("{argument} is needed: this server admits only groups and nodes that have a token")
    };
    let refused = creates(&mesh, "school", json!({})).await;
    refused.is_refused("Unauthorized", &needed("hostToken"));
    let created = creates(&mesh, "school", json!({"hostToken": HOST})).await;
    let group = mesh.host("teacher").moves_to("school").group(&created);
    for (field, arguments) in calls() {
        for (id, token) in [("nodeId", "nodeToken"), ("hostId", "hostToken")] {
            if arguments.get(id).is_some() {
                for _ in 0..2 {
                    let refused = group.calls(field, json!({id: arguments[id], "events": arguments["events"], "data": arguments["data"]}));
                    refused.await.is_refused("Unauthorized", &needed(token));
                }
            }
        }
    }
    let kitten = group.node("kitten");
    kitten
        .calls("joinGroup", json!({"nodeToken": NODE}))
        .await
        .value();
    let report = json!({"nodeToken": NODE, "data": [{"key": "k", "value": "v"}]});
    kitten.calls("reportDataByNode", report).await.value();
    assert_eq!(group.statuses().await.len(), 1);
}

#[apply(case!)]
async fn under_token_groups_of_another_network_are_not_shown() {
    let mesh = under(Policy::Token).await;
    let created = creates(&mesh, FOREIGN, json!({"hostToken": HOST})).await;
    let group = mesh.host("teacher").moves_to(FOREIGN).group(&created);
    assert_eq!(lists(&mesh, FOREIGN).await, [Value::Null; 0]);
    assert_eq!(searches(&mesh).await, [Value::Null; 0]);
    let kitten = group.node("kitten");
    let joined = kitten.calls("joinGroup", json!({"nodeToken": NODE})).await;
    joined.value();
    let report = json!({"nodeToken": NODE, "data": [{"key": "k", "value": "v"}]});
    kitten.calls("reportDataByNode", report).await.value();
    assert_eq!(
        kitten.status().await,
        None,
        "a node's id alone shows nothing"
    );
    assert_eq!(
        group.statuses().await.len(),
        1,
        "who knows the group reads it"
    );
}
