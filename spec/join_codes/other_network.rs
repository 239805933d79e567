//! Under the policy `own`, a join code opens its group, and no other, to callers from any network.

use mesh_v2::auth::Policy;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::client::Request;

use super::{creates_in, finds};
use crate::support::json::{list, text};
use crate::support::socket::upgrade;
use crate::support::{Reply, Setup, Socket, TestMesh, documents};

const SCHOOL: &str = "203.0.113.1";
const HOME: &str = "198.51.100.7";
const HEADER: &str = "x-mesh-join-code";
const FOREIGN: &str = "The domain belongs to another network: this server admits callers to their own network's domain only";

async fn server() -> TestMesh {
    let set_up = |setup: &mut Setup| {
        setup.policy = Policy::Own;
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    };
    TestMesh::own(set_up).await
}

/// A group of the school's own domain.
async fn group_of(school: &TestMesh, host: &str) -> Value {
    let domain = school.calls("createDomain", json!({})).await.value();
    creates_in(school, &text(&domain), host, None).await
}

fn about(group: &Value, more: &Value) -> Value {
    let mut arguments = json!({"groupId": group["id"], "domain": group["domain"]});
    for (name, value) in more.as_object().expect("arguments") {
        arguments[name] = value.clone();
    }
    arguments
}

/// Every call about a group, by a member.
fn calls() -> [(&'static str, Value); 9] {
    let events = [crate::support::clients::event("e", json!({}))];
    [
        ("joinGroup", json!({"nodeId": "n"})),
        ("sendMemberHeartbeat", json!({"nodeId": "n"})),
        (
            "reportDataByNode",
            json!({"nodeId": "n", "data": [{"key": "k", "value": "v"}]}),
        ),
        ("fireEventsByNode", json!({"nodeId": "n", "events": events})),
        (
            "recordEventsByNode",
            json!({"nodeId": "n", "events": events}),
        ),
        ("listNodesInGroup", json!({})),
        ("listGroupStatuses", json!({})),
        ("getEventsSince", json!({"since": ""})),
        ("pollGroupData", json!({"since": ""})),
    ]
}

#[apply(case!)]
async fn a_code_opens_its_group_over_http_and_no_other() {
    let mesh = server().await;
    let school = mesh.client_at(SCHOOL);
    let (group, other) = (
        group_of(&school, "teacher").await,
        group_of(&school, "assistant").await,
    );
    let code = text(&group["joinCode"]);
    let home = mesh.client_at(HOME);
    let pupil = home.with_code(&code);
    let found = finds(&home, &code).await;
    assert_eq!(found["id"], group["id"], "a code is found from any network");
    assert_eq!(found["hostId"], group["id"], "the group's id stands in");
    // Twice: the second time, frequent calls run on the fast path.
    for _ in 0..2 {
        for (field, arguments) in calls() {
            let mine = about(&group, &arguments);
            home.calls(field, mine.clone())
                .await
                .is_refused("Unauthorized", FOREIGN);
            pupil.calls(field, mine).await.value();
            let refused = pupil.calls(field, about(&other, &arguments)).await;
            let message = format!("Group not found: {}", text(&other["fullId"]));
            refused.is_refused("GroupNotFound", &message);
        }
    }
    let status = pupil.calls("getNodeStatus", json!({"nodeId": "n"})).await;
    assert_eq!(status.value()["nodeId"], "n");
    let status = home.calls("getNodeStatus", json!({"nodeId": "n"})).await;
    assert_eq!(status.value(), Value::Null);
    // A code opens a group and no domain.
    let listed = pupil.calls("listGroupsByDomain", json!({"domain": group["domain"]}));
    assert_eq!(list(&listed.await.value()).len(), 0);
    let create = json!({
        "name": "mine", "hostId": "n", "domain": group["domain"], "useWebSocket": true,
    });
    let refused = pupil.calls("createGroup", create).await;
    refused.is_refused("Unauthorized", FOREIGN);
    pupil
        .calls("leaveGroup", about(&group, &json!({"nodeId": "n"})))
        .await
        .value();
}

#[apply(case!)]
async fn what_is_no_code_in_the_header_is_ignored() {
    let mesh = server().await;
    let school = mesh.client_at(SCHOOL);
    let group = group_of(&school, "teacher").await;
    let arguments = about(&group, &json!({"nodeId": "n"}));
    for header in ["", "zzzzzz", "1234567", "a code"] {
        let home = mesh.client_at(HOME).with_code(header);
        let refused = home.calls("joinGroup", arguments.clone()).await;
        refused.is_refused("Unauthorized", FOREIGN);
        let own = school.with_code(header);
        own.calls("joinGroup", arguments.clone()).await.value();
    }
    // A wrong code takes nothing from who needs none.
    school
        .with_code("000000")
        .calls("joinGroup", arguments)
        .await
        .value();
}

#[apply(case!)]
async fn a_group_that_ended_is_not_found_by_who_had_its_code() {
    let mesh = server().await;
    let school = mesh.client_at(SCHOOL);
    let group = group_of(&school, "teacher").await;
    let pupil = mesh.client_at(HOME).with_code(&text(&group["joinCode"]));
    let arguments = about(&group, &json!({"nodeId": "n"}));
    pupil.calls("joinGroup", arguments.clone()).await.value();
    let end = about(&group, &json!({"hostId": group["hostId"]}));
    school.calls("dissolveGroup", end).await.value();
    let refused = pupil.calls("sendMemberHeartbeat", arguments).await;
    let message = format!("Group not found: {}", text(&group["fullId"]));
    refused.is_refused("GroupNotFound", &message);
}

/// Where a socket's client sends the code.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Upgrade,
    Init(&'static str),
    Headers,
    Start,
}

/// Opens a socket from home that is acknowledged, and sends the code if this is its place.
async fn opens(home: &TestMesh, protocol: &str, place: Place, code: &str) -> Socket {
    let mut request: Request = upgrade(home, "/graphql", protocol);
    if place == Place::Upgrade {
        let code = code.parse().expect("a header");
        request.headers_mut().insert(HEADER, code);
    }
    let mut payload = json!({"x-api-key": home.key});
    match place {
        Place::Init(name) => payload[name] = json!(code),
        Place::Headers => payload["headers"] = json!({HEADER: code}),
        Place::Upgrade | Place::Start => {}
    }
    let mut socket = Socket::open(request).await;
    let init = json!({"type": "connection_init", "payload": payload});
    socket.sends(&init).await;
    assert_eq!(socket.receives_any().await["type"], "connection_ack");
    socket
}

/// The message by which a protocol starts a subscription.
fn start(dialect: &str, group: &Value, place: Place, code: &str) -> Value {
    let request = json!({
        "query": documents::of("onMessageInGroup"), "variables": about(group, &json!({})),
    });
    match dialect {
        "transport" => json!({"id": "s", "type": "subscribe", "payload": request}),
        "legacy" => json!({"id": "s", "type": "start", "payload": request}),
        _ => {
            let mut authorization = json!({"host": "h"});
            if place == Place::Start {
                authorization["X-Mesh-Join-Code"] = json!(code);
            }
            let extensions = json!({"authorization": authorization});
            let payload = json!({"data": request.to_string(), "extensions": extensions});
            json!({"id": "s", "type": "start", "payload": payload})
        }
    }
}

#[apply(case!)]
async fn a_code_opens_its_group_over_a_websocket_in_each_protocol() {
    let mesh = server().await;
    let (school, home) = (mesh.client_at(SCHOOL), mesh.client_at(HOME));
    let group = group_of(&school, "teacher").await;
    let other = group_of(&school, "assistant").await;
    let code = text(&group["joinCode"]);
    let anywhere = [
        Place::Upgrade,
        Place::Init("joinCode"),
        Place::Init("X-Mesh-Join-Code"),
        Place::Headers,
    ];
    for (protocol, dialect) in [
        ("graphql-ws", "appsync"),
        ("graphql-ws", "legacy"),
        ("graphql-transport-ws", "transport"),
    ] {
        let start_too = (dialect == "appsync").then_some(Place::Start);
        for place in anywhere.into_iter().chain(start_too) {
            let mut socket = opens(&home, protocol, place, &code).await;
            socket.sends(&start(dialect, &group, place, &code)).await;
            if dialect == "appsync" {
                assert_eq!(socket.receives().await["type"], "start_ack", "{place:?}");
            } else {
                // These protocols acknowledge nothing: the answer to a later operation shows it.
                let query = json!({"query": "{ __typename }"});
                let kind = if dialect == "legacy" {
                    "start"
                } else {
                    "subscribe"
                };
                let next = json!({"id": "q", "type": kind, "payload": query});
                socket.sends(&next).await;
                for kind in [json!("data"), json!("complete")] {
                    let received = socket.receives().await;
                    let kind = if dialect == "transport" && kind == "data" {
                        json!("next")
                    } else {
                        kind
                    };
                    assert_eq!((&received["id"], &received["type"]), (&json!("q"), &kind));
                }
            }
            let data = json!([{"key": "place", "value": format!("{place:?}")}]);
            let report = about(&group, &json!({"nodeId": "teacher", "data": data}));
            school.calls("reportDataByNode", report).await.value();
            let message = socket.receives().await;
            assert_eq!(message["id"], "s", "{dialect} {place:?}: {message}");
            assert!(message.to_string().contains("place"), "{message}");
            // The same socket with the same code, for another group.
            let mut refused = opens(&home, protocol, place, &code).await;
            refused.sends(&start(dialect, &other, place, &code)).await;
            let refused = refused.receives().await;
            assert_eq!(refused["type"], "error", "{dialect} {place:?}");
            assert!(refused.to_string().contains("GroupNotFound"), "{refused}");
        }
        let mut socket = opens(&home, protocol, Place::Start, "").await;
        let without = start(dialect, &group, Place::Upgrade, "");
        socket.sends(&without).await;
        let refused = socket.receives().await;
        assert_eq!(refused["type"], "error", "{dialect}");
        assert!(refused.to_string().contains(FOREIGN), "{refused}");
    }
}

#[apply(case!)]
async fn a_page_of_another_origin_may_send_a_code() {
    let mesh = server().await;
    let preflight = mesh
        .http()
        .request(reqwest::Method::OPTIONS, &mesh.endpoint)
        .header("origin", "https://editor.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            format!("content-type,x-api-key,{HEADER}"),
        );
    let reply = Reply::to(preflight).await;
    assert!([200, 204].contains(&reply.status), "{}", reply.status);
    let allowed = reply.header("access-control-allow-headers").to_lowercase();
    assert!(allowed.contains(HEADER), "{allowed}");
}
