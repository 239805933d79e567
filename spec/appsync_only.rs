//! What AppSync does where it differs (support/differences.rs), as far as it is definite.

use mesh_v2::heartbeat::clock::Clock;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::people::{all, event, text};
use crate::support::raw::Wire;
use crate::support::{Group, Reply, Setup, Socket, TestMesh, documents};

async fn appsync() -> TestMesh {
    TestMesh::on_appsync(Setup::default(), Clock::fixed()).await
}

#[apply(case!)]
async fn d2_a_caller_has_the_address_that_appsync_saw() {
    let mesh = appsync().await;
    let domain = mesh.calls("createDomain", json!({})).await.value();
    for forwarded in ["203.0.113.9", "203.0.113.9, 198.51.100.1", "nonsense", ""] {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .header("x-api-key", &mesh.key);
        let request = request.header("x-forwarded-for", forwarded);
        let reply = Reply::to(request.json(&json!({"query": "mutation { createDomain }"}))).await;
        assert_eq!(reply.value(), domain, "{forwarded}");
    }
}

#[apply(case!)]
async fn d7_nobody_is_told_when_a_group_ends_by_itself() {
    let mesh = appsync().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let mut ear = group.listen().await;
    mesh.passes_seconds(61).await;
    // Neither the end itself, nor whoever runs into it, nor the host that replaces it.
    assert_eq!(group.renews().await.refusal().0, "GroupNotFound");
    let next = host.creates("class").await;
    assert_ne!(next.id, group.id);
    ear.socket.listens("next", &next.id, &next.domain).await;
    next.node("kitten").fires(["go"]).await;
    let first = ear.socket.hears_news().await;
    assert_eq!(first["id"], "next", "the first that is heard: {first}");
}

#[apply(case!)]
async fn d13_what_is_recorded_reaches_pollers_and_what_is_fired_reaches_all() {
    let mesh = appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join_polling("kitten").await;
    kitten.records(["recorded"]).await;
    kitten.fires(["fired"]).await;
    assert_eq!(ear.events().await, ["fired"]);
    let read = group.events_since("").await;
    assert_eq!(all("name", &read), ["recorded", "fired"]);
}

#[apply(case!)]
async fn d15_a_repeated_batch_is_stored_once_and_told_as_often_as_it_is_fired() {
    for (field, told) in [("fireEventsByNode", 2), ("recordEventsByNode", 0)] {
        let mesh = appsync().await;
        let group = mesh.host("teacher").creates_polling("class").await;
        let mut ear = group.listen().await;
        let kitten = group.join_polling("kitten").await;
        let batch = json!({"events": [event("a", json!({"orderKey": "1"}))]});
        let first = kitten.calls(field, batch.clone()).await.value();
        mesh.passes_seconds(3).await;
        let again = kitten.calls(field, batch.clone()).await.value();
        assert_eq!(again, first, "{field}");
        assert_eq!(group.events_since("").await.len(), 1, "{field}");
        // Somebody else's equal batch is another, as is this one after the event TTL.
        kitten.reports([("end", "")]).await;
        group.node("bird").calls(field, batch.clone()).await.value();
        assert_eq!(group.events_since("").await.len(), 2, "{field}");
        mesh.passes_seconds(12).await;
        kitten.calls(field, batch).await.value();
        assert_eq!(group.events_since("").await.len(), 1, "{field}");
        for _ in 0..told {
            assert_eq!(ear.message().await, first, "{field}");
        }
        assert_eq!(ear.status().await, (&*kitten.id, [("end", "")]), "{field}");
    }
}

#[apply(case!)]
async fn d25_a_message_that_a_subscribers_aliases_make_too_large_is_lost_in_silence() {
    let mesh = appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let document = "subscription ($groupId: ID!, $domain: String!) {
        onMessageInGroup(groupId: $groupId, domain: $domain) {
            batchEvent { a: events { payload } b: events { payload } c: events { payload } }
        }
    }";
    socket.starts("1", document, group.and(json!({}))).await;
    let acknowledged = json!({"id": "1", "type": "start_ack"});
    assert_eq!(socket.hears_news().await, acknowledged);
    let kitten = group.node("kitten");
    let large = event("large", json!({"payload": "x".repeat(100_000)}));
    let fired = kitten.calls("fireEventsByNode", json!({"events": [large]}));
    fired.await.value();
    kitten.fires(["small"]).await;
    let heard = socket.hears_news().await;
    let events = &heard["payload"]["data"]["onMessageInGroup"]["batchEvent"]["a"];
    assert_eq!(
        *events,
        json!([{"payload": null}]),
        "the small one comes first"
    );
}

/// Reports with a selection of the caller's own.
async fn reports_selecting(group: &Group<'_>, selection: &str) {
    let document = format!(
        r#"mutation ($groupId: ID!, $domain: String!) {{
            reportDataByNode(groupId: $groupId, domain: $domain, nodeId: "kitten",
                             data: [{{key: "a", value: "1"}}]) {{ {selection} }}
        }}"#
    );
    let reply = group.mesh.asks_with(&document, group.and(json!({}))).await;
    reply.value();
}

/// A socket on which everything in the group is heard, by the name `1`.
async fn listens(group: &Group<'_>) -> Socket {
    let mut socket = group.mesh.opens().await;
    socket.is_acknowledged().await;
    socket.listens("1", &group.id, &group.domain).await;
    socket
}

#[apply(case!)]
async fn d19_what_the_mutation_did_not_select_is_null_to_subscribers() {
    let mesh = appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = listens(&group).await;
    reports_selecting(&group, "groupId domain").await;
    let mut expected = json!({
        "groupId": group.id, "domain": group.domain, "nodeStatus": null, "batchEvent": null,
        "groupDissolve": null, "__typename": "MeshMessage",
    });
    let heard = socket.hears_news().await;
    assert_eq!(heard["payload"], told(&expected));

    let without_time = "nodeId groupId domain data { key value }";
    let selection = format!("groupId domain nodeStatus {{ {without_time} }}");
    reports_selecting(&group, &selection).await;
    let heard = socket.hears_news().await["payload"].clone();
    let error = &heard["errors"][0];
    let message = "Cannot return null for non-nullable type: 'AWSDateTime' within parent \
                   'NodeStatus' (/onMessageInGroup/nodeStatus/timestamp)";
    assert_eq!(error["message"], message, "{heard}");
    assert_eq!(
        heard["data"],
        told(&expected)["data"],
        "a status needs its time"
    );

    let whole =
        "groupId domain status: nodeStatus { nodeId groupId domain timestamp data { key value } }";
    reports_selecting(&group, whole).await;
    let heard = socket.hears_news().await;
    let status = &heard["payload"]["data"]["onMessageInGroup"]["nodeStatus"];
    assert_eq!(status["data"][0]["value"], "1", "{heard}");
    expected["nodeStatus"] = status.clone();
    assert_eq!(heard["payload"], told(&expected));
}

fn told(message: &Value) -> Value {
    json!({"data": {"onMessageInGroup": message}})
}

#[apply(case!)]
async fn d19_a_mutation_without_the_groups_names_is_not_told() {
    let mesh = appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    for selection in ["__typename", "groupId", "domain", "group: groupId"] {
        reports_selecting(&group, selection).await;
    }
    group.node("kitten").fires(["go"]).await;
    assert_eq!(ear.events().await, ["go"], "the first that is heard");
}

#[apply(case!)]
async fn a_subscription_to_a_group_that_cannot_be_hears_nothing() {
    let mesh = appsync().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for id in ["", "#"] {
        socket.listens(id, id, &mesh.domain).await;
        let report = json!({"groupId": id, "domain": mesh.domain, "nodeId": "n", "data": []});
        let refused = mesh.calls("reportDataByNode", report).await;
        assert_eq!(refused.refusal().0, "ValidationError");
    }
    // Had one of them heard anything, it would come before this one's acknowledgement.
    socket.listens("last", "last", &mesh.domain).await;
}

#[apply(case!)]
async fn appsync_speaks_no_other_protocol() {
    let mesh = appsync().await;
    let mut wire = Wire::to(&mesh).await;
    let request = "GET /graphql/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\
                   connection: upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                   sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    wire.writes(request.as_bytes()).await;
    let refused = json!({"type": "connection_error", "payload": {"errors": [{
        "message": "SubProtocolNotSupportedError", "errorCode": 400,
    }]}});
    let (refused, mut said) = (refused.to_string(), String::new());
    while !said.ends_with(&refused) {
        said.push(wire.0.read_u8().await.expect("a refusal").into());
    }
    assert!(!said.contains("graphql-transport-ws"), "{said}");
}

#[apply(case!)]
async fn a_key_that_does_not_come_with_the_upgrade_is_none() {
    let mesh = appsync().await;
    for (key, message) in [
        (None, "Valid authorization header not provided."),
        (
            Some("da2-wrong"),
            "You are not authorized to make this call.",
        ),
    ] {
        let mut socket = Socket::connect(&mesh, "/graphql/realtime", key).await;
        let payload = json!({"x-api-key": mesh.key});
        socket
            .says(&json!({"type": "connection_init", "payload": payload}))
            .await;
        let error = json!({
            "errorType": "UnauthorizedException", "message": message, "errorCode": 401,
        });
        let refused = json!({"type": "connection_error", "payload": {"errors": [error]}});
        assert_eq!(socket.hears().await, refused);
    }
}

#[apply(case!)]
async fn a_subscription_over_http_is_refused_in_appsyncs_words() {
    let mesh = appsync().await;
    let reply = mesh
        .asks_with(
            &documents::of("onMessageInGroup"),
            json!({"groupId": "g", "domain": "d"}),
        )
        .await;
    let message = "Subscriptions over MQTT is not supported.";
    reply.is_turned_away(400, "BadRequestException", message);
}

#[apply(case!)]
async fn appsync_tells_what_is_wrong_with_a_document_without_a_type() {
    let mesh = appsync().await;
    let reply = mesh.asks("{\n  nothing\n}").await;
    let message = text(&reply.json["errors"][0]["message"]);
    let expected = json!({"data": null, "errors": [{
        "path": null, "locations": [{"line": 2, "column": 3, "sourceName": null}],
        "message": message,
    }]});
    assert_eq!((reply.status, reply.json), (200, expected));
}
