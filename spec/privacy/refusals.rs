//! Requests that are refused, with marked words in them, and what their errors repeat.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::lesson::data;
use super::marks::{
    AGENT, BEARER, BODY, DOCUMENT, DOMAIN, HOST, KEY, NAME, NODE, POLLING_HOST, POLLING_NODE,
    QUERY, UNKNOWN, VALUE, VARIABLE, WRONG_KEY, WRONG_TOKEN,
};
use crate::support::mesh::TIMEOUT;
use crate::support::socket::upgrade;
use crate::support::{Group, Reply, Socket, TestMesh, documents};

/// The answer to a request that was refused.
pub struct Refusal {
    pub what: &'static str,
    pub text: String,
    /// What the caller sent, or may know, and the error repeats (docs/api.md, Errors).
    pub repeats: &'static [&'static str],
}

/// Requests that are refused by their content. `group` has tokens, `polling` has none.
pub async fn client_errors(group: &Group<'_>, polling: &Group<'_>) -> Vec<Refusal> {
    let mesh = group.mesh;
    let unknown = Group {
        id: UNKNOWN.into(),
        ..group.clone()
    };
    let wrong = json!({"hostId": HOST, "hostToken": WRONG_TOKEN});
    let report = json!({"data": data(), "nodeToken": WRONG_TOKEN});
    let long = json!({"data": [{"key": KEY, "value": VALUE.repeat(20_000)}]});
    let long_name = mesh
        .host(HOST)
        .calls_create_group(&NAME.repeat(100), json!({}))
        .await;
    let document = documents::of("listNodesInGroup");
    let variables = json!({"groupId": {VARIABLE: VARIABLE}, "domain": [VARIABLE]});
    let node = polling.node(POLLING_NODE);
    let as_node = json!({"hostId": POLLING_NODE});
    let replies = [
        (
            "an unknown group",
            unknown
                .node(POLLING_NODE)
                .calls("joinGroup", json!({}))
                .await,
            &[DOMAIN, UNKNOWN][..],
        ),
        (
            "another's hostToken",
            group.calls("renewHeartbeat", wrong.clone()).await,
            &[],
        ),
        (
            "another's hostToken at the end",
            group.calls("dissolveGroup", wrong).await,
            &[],
        ),
        (
            "another's nodeToken",
            group.node(NODE).calls("reportDataByNode", report).await,
            &[],
        ),
        (
            "a long value",
            node.calls("reportDataByNode", long).await,
            &[],
        ),
        ("a long name", long_name, &[]),
        (
            "another host",
            polling.calls("renewHeartbeat", as_node.clone()).await,
            &[],
        ),
        (
            "another host at the end",
            polling.calls("dissolveGroup", as_node).await,
            &[POLLING_HOST, POLLING_NODE],
        ),
        (
            "half a document",
            mesh.executes(&format!("{{ {DOCUMENT}(")).await,
            &[],
        ),
        (
            "an unknown field",
            mesh.executes(&format!("{{ {DOCUMENT} }}")).await,
            &[DOCUMENT],
        ),
        (
            "variables of other types",
            mesh.executes_with(&document, variables).await,
            &[],
        ),
        (
            "a body that is no JSON",
            posts_text(mesh, &format!("{{\"{BODY}")).await,
            &[],
        ),
        ("a query string", gets(mesh).await, &[QUERY]),
    ];
    let refusal = |(what, reply, repeats): (_, Reply, _)| {
        assert!(
            reply.status != 200 || reply.json.get("errors").is_some(),
            "{what}"
        );
        Refusal {
            what,
            text: format!("{:?} {}", reply.headers, reply.text),
            repeats,
        }
    };
    replies.map(refusal).into()
}

async fn posts_text(mesh: &TestMesh, body: &str) -> Reply {
    let request = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key);
    let request = request.header("content-type", "application/json");
    Reply::to(request.header("user-agent", AGENT).body(body.to_owned())).await
}

async fn gets(mesh: &TestMesh) -> Reply {
    let url = format!("{}?query={{{QUERY}}}", mesh.endpoint);
    Reply::to(mesh.http().get(url).header("x-api-key", &mesh.key)).await
}

/// Requests and sockets with wrong credentials, and sockets that send what cannot be run.
pub async fn wrong_callers(right: &TestMesh, stranger: &TestMesh) -> Vec<Refusal> {
    let posted = stranger.executes("{ __typename }").await;
    let request = stranger.http().post(&stranger.endpoint);
    let request = request.header("authorization", format!("Bearer {BEARER}"));
    let bearer = Reply::to(request.json(&json!({"query": "{ __typename }"}))).await;
    assert_eq!((posted.status, bearer.status), (401, 401));
    let mut appsync = stranger.opens().await;
    appsync.sends(&json!({"type": "connection_init"})).await;
    let init = json!({"type": "connection_init", "payload": {"x-api-key": WRONG_KEY}});
    let mut transport = Socket::open(upgrade(stranger, "/graphql", "graphql-transport-ws")).await;
    transport.sends(&init).await;
    let mut invalid = right.opens().await;
    invalid.is_acknowledged().await;
    invalid
        .starts("1", &format!("subscription {{ {DOCUMENT} }}"), json!({}))
        .await;
    let mut unreadable = Socket::transport(right).await;
    unreadable
        .sends_frame(Message::text(format!("{{\"{BODY}")))
        .await;
    let mut refusals = vec![
        Refusal {
            what: "a wrong key",
            text: posted.text,
            repeats: &[],
        },
        Refusal {
            what: "a wrong bearer token",
            text: bearer.text,
            repeats: &[],
        },
    ];
    for (what, socket, repeats) in [
        ("a wrong key of an AppSync client", &mut appsync, &[][..]),
        ("a wrong key in connection_init", &mut transport, &[]),
        ("an invalid subscription", &mut invalid, &[DOCUMENT]),
        ("a message that is no JSON", &mut unreadable, &[]),
    ] {
        let answer = socket.next(TIMEOUT).await;
        refusals.push(Refusal {
            what,
            text: format!("{answer:?}"),
            repeats,
        });
    }
    refusals
}
