//! Every deliberate error (docs/api.md, Errors), to the letter, and its form.

use serde_json::{Value, json};

use crate::support::{Group, Reply, TestMesh};
use crate::time::{GUARDED, call};

async fn a_group(mesh: &TestMesh) -> Group<'_> {
    mesh.host("teacher").creates("class").await
}

/// A group that does not exist.
async fn nowhere(mesh: &TestMesh) -> Group<'_> {
    Group {
        id: "nowhere".into(),
        ..a_group(mesh).await
    }
}

#[apply(case!)]
async fn d22_every_mutation_refuses_a_missing_group_by_its_name() {
    let mesh = TestMesh::start().await;
    let nowhere = nowhere(&mesh).await;
    let message = format!("Group not found: nowhere@{}", mesh.domain);
    for field in GUARDED.into_iter().chain(["dissolveGroup"]) {
        call(&nowhere, field)
            .await
            .is_refused("GroupNotFound", &message);
    }
    call(&nowhere, "recordEventsByNode")
        .await
        .is_refused("GroupNotFound", "Group not found");
}

#[apply(case!)]
async fn a_group_is_not_found_in_another_domain() {
    let mesh = TestMesh::start().await;
    let group = a_group(&mesh).await;
    let elsewhere = Group {
        domain: "elsewhere".into(),
        ..group
    };
    let message = format!("Group not found: {}@elsewhere", elsewhere.id);
    call(&elsewhere, "joinGroup")
        .await
        .is_refused("GroupNotFound", &message);
}

#[apply(case!)]
async fn d22_only_the_host_renews_and_dissolves() {
    let mesh = TestMesh::start().await;
    let group = a_group(&mesh).await;
    let as_kitten = json!({"hostId": "kitten"});
    let renewed = group.calls("renewHeartbeat", as_kitten.clone()).await;
    renewed.is_refused("Unauthorized", "Only the host can renew the heartbeat");
    let dissolved = group.calls("dissolveGroup", as_kitten).await;
    let message = format!(
        "Only the host can dissolve the group. Host: {}, Requested by: kitten",
        group.host
    );
    dissolved.is_refused("Unauthorized", &message);
    call(&group, "joinGroup").await.value();
}

#[apply(case!)]
async fn a_lifetime_beyond_the_maximum_is_refused() {
    let mesh = TestMesh::start().await;
    let host = mesh.host("teacher");
    for (seconds, message) in [
        (0, "maxConnectionTimeSeconds must be at least 1"),
        (-1, "maxConnectionTimeSeconds must be at least 1"),
        (301, "maxConnectionTimeSeconds cannot exceed 300"),
        (i32::MAX, "maxConnectionTimeSeconds cannot exceed 300"),
    ] {
        let refused = host
            .calls_create_group("class", json!({"maxConnectionTimeSeconds": seconds}))
            .await;
        refused.is_refused("ValidationError", message);
    }
}

#[apply(case!)]
async fn empty_arguments_are_named() {
    let mesh = TestMesh::start().await;
    let group = a_group(&mesh).await;
    for field in ["listGroupStatuses", "pollGroupData"] {
        for empty in ["groupId", "domain"] {
            let refused = group.calls(field, json!({empty: "", "since": ""})).await;
            refused.is_refused("ValidationError", "groupId and domain are required");
        }
    }
    for empty in ["groupId", "domain", "hostId"] {
        let mut arguments = json!({"hostId": group.host});
        arguments[empty] = "".into();
        let refused = group.calls("dissolveGroup", arguments).await;
        refused.is_refused("ValidationError", &format!("{empty} is required"));
    }
    let all = json!({"groupId": "", "domain": "", "hostId": ""});
    let first = mesh.calls("dissolveGroup", all).await;
    first.is_refused("ValidationError", "groupId is required");
    let nameless = mesh.host("other").calls_create_group("", json!({})).await;
    nameless.is_refused("ValidationError", "name is required");
}

#[apply(case!)]
async fn d3_invalid_ids_are_refused_by_the_name_of_their_argument() {
    let mesh = TestMesh::start().await;
    let group = a_group(&mesh).await;
    let long = "あ".repeat(257);
    for (field, arguments) in [
        ("createGroup", &["name", "hostId", "domain"][..]),
        ("joinGroup", &["groupId", "domain", "nodeId"]),
        ("leaveGroup", &["groupId", "domain", "nodeId"]),
        ("dissolveGroup", &["groupId", "domain", "hostId"]),
        ("renewHeartbeat", &["groupId", "domain", "hostId"]),
        ("sendMemberHeartbeat", &["groupId", "domain", "nodeId"]),
        ("reportDataByNode", &["groupId", "domain", "nodeId"]),
        ("fireEventsByNode", &["groupId", "domain", "nodeId"]),
        ("recordEventsByNode", &["groupId", "domain", "nodeId"]),
        ("listGroupsByDomain", &["domain"]),
        ("getNodeStatus", &["nodeId"]),
        ("listGroupStatuses", &["groupId", "domain"]),
        ("listNodesInGroup", &["groupId", "domain"]),
        ("getEventsSince", &["groupId", "domain"]),
        ("pollGroupData", &["groupId", "domain"]),
    ] {
        for argument in arguments {
            for (bad, words) in [
                (&*long, "must be 256 characters or less"),
                ("a#b", "must not contain # or control characters"),
                ("a\u{0}b", "must not contain # or control characters"),
                ("a\nb", "must not contain # or control characters"),
                (
                    "a\u{200b}b",
                    "must not contain characters that cannot be seen: type it again without copying",
                ),
                (
                    "\u{202e}b",
                    "must not contain characters that cannot be seen: type it again without copying",
                ),
            ] {
                let mut all = json!({
                    "name": "n", "hostId": "h", "nodeId": "n", "useWebSocket": true, "since": "",
                    "data": [], "events": [],
                });
                all[argument] = bad.into();
                let shown = match *argument {
                    "domain" if bad == long => "Domain",
                    argument => argument,
                };
                let refused = group.calls(field, all).await;
                refused.is_refused("ValidationError", &format!("{shown} {words}"));
            }
        }
    }
}

#[apply(case!)]
async fn an_error_has_the_members_of_appsync_in_their_order() {
    let mesh = TestMesh::start().await;
    let nowhere = nowhere(&mesh).await;
    let document = "mutation ($groupId: ID!, $domain: String!) {\n  \
                    joinGroup(groupId: $groupId, domain: $domain, nodeId: \"n\") { id }\n}";
    let reply = mesh.executes_with(document, nowhere.and(json!({}))).await;
    let expected = json!({
        "data": null,
        "errors": [{
            "path": ["joinGroup"],
            "data": null,
            "errorType": "GroupNotFound",
            "errorInfo": null,
            "locations": [{"line": 2, "column": 3, "sourceName": null}],
            "message": format!("Group not found: nowhere@{}", mesh.domain),
        }],
    });
    // Text, not values: the order of members is AppSync's as well.
    assert_eq!(reply.text, expected.to_string());
}

#[apply(case!)]
async fn an_error_of_a_nullable_field_nulls_it_and_of_another_the_whole_data() {
    let mesh = TestMesh::start().await;
    let nowhere = Group {
        id: "#".into(),
        ..a_group(&mesh).await
    };
    for (field, nullable) in [
        ("getNodeStatus", true),
        ("leaveGroup", true),
        ("dissolveGroup", true),
        ("reportDataByNode", true),
        ("fireEventsByNode", true),
        ("createGroup", false),
        ("joinGroup", false),
        ("renewHeartbeat", false),
        ("sendMemberHeartbeat", false),
        ("recordEventsByNode", false),
        ("listGroupsByDomain", false),
        ("searchGroupsByNamePrefix", false),
        ("listGroupStatuses", false),
        ("listNodesInGroup", false),
        ("getEventsSince", false),
        ("pollGroupData", false),
    ] {
        let all = json!({
            "name": "#", "hostId": "h", "nodeId": "#", "useWebSocket": true, "since": "",
            "data": [], "events": [], "namePrefix": "", "domain": "#",
        });
        let reply = nowhere.calls(field, all).await;
        reply.error();
        let expected = if nullable {
            json!({ field: null })
        } else {
            Value::Null
        };
        assert_eq!(
            reply.json.get("data"),
            Some(&expected),
            "{field}: {}",
            reply.text
        );
    }
}

#[apply(case!)]
async fn errors_are_absent_from_an_answer_that_has_none() {
    let mesh = TestMesh::start().await;
    let reply = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await;
    assert_eq!(reply.text, r#"{"data":{"listGroupsByDomain":[]}}"#);
}

#[apply(case!)]
async fn a_failed_field_leaves_its_siblings_intact() {
    let mesh = TestMesh::start().await;
    let document = r##"{ good: getNodeStatus(nodeId: "unknown") { nodeId } bad: getNodeStatus(nodeId: "#") { nodeId } }"##;
    let reply = mesh.executes(document).await;
    assert_eq!(reply.json["data"], json!({"good": null, "bad": null}));
    assert_eq!(reply.json["errors"][0]["path"], json!(["bad"]));
}

/// Words and digits by which a client's editor detects a lost connection.
const DISCONNECTING: [&str; 4] = ["not found", "expired", "unauthorized", "503"];

#[track_caller]
fn does_not_disconnect(reply: &Reply) {
    let errors = reply.json["errors"].as_array().expect("errors");
    for error in errors {
        let message = error["message"].as_str().expect("a message").to_lowercase();
        for word in DISCONNECTING {
            assert!(!message.contains(word), "{}", reply.text);
        }
    }
}

#[apply(case!)]
async fn only_errors_that_disconnect_use_the_words_that_do() {
    let mesh = TestMesh::start().await;
    let documents = [
        "{ nothing }",
        "{",
        "query ($x: Int!) { listGroupsByDomain(domain: $x) { id } }",
        "query { listGroupsByDomain(domain: 503) { id } }",
        "subscription { onMessageInGroup(groupId: 1, domain: 2) { id } }",
        "query A { __typename } query B { __typename }",
    ];
    for document in documents {
        does_not_disconnect(&mesh.executes(document).await);
    }
}

#[apply(case!)]
async fn an_invalid_id_is_refused_without_the_words_that_disconnect() {
    let mesh = TestMesh::start().await;
    let group = a_group(&mesh).await;
    // An error does not repeat the caller's input either.
    for word in DISCONNECTING {
        let id = format!("{word}#");
        for (field, name) in [
            ("joinGroup", "nodeId"),
            ("joinGroup", "groupId"),
            ("renewHeartbeat", "hostId"),
            ("reportDataByNode", "domain"),
        ] {
            let mut arguments = group.and(json!({"nodeId": "n", "hostId": "h", "data": []}));
            arguments[name] = id.clone().into();
            let reply = mesh.calls(field, arguments).await;
            assert_eq!(
                reply.error().0,
                "ValidationError",
                "{field}: {}",
                reply.text
            );
            does_not_disconnect(&reply);
        }
    }
}
