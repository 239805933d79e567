//! What AppSync does where it differs (`harness::differences`), as far as it is definite.

use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::model::limits::Limits;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::appsync;
use crate::support::clients::event;
use crate::support::json::{all, text};
use crate::support::raw::Wire;
use crate::support::runtime_api::FunctionError;
use crate::support::trust;
use crate::support::{Group, Reply, Setup, Socket, TestMesh, documents};

async fn behind_appsync() -> TestMesh {
    TestMesh::on_appsync(Setup::default(), Clock::fixed()).await
}

/// As with `APPSYNC_PUSH=false`.
async fn without_push() -> TestMesh {
    let setup = Setup {
        push: false,
        ..Setup::default()
    };
    TestMesh::on_appsync(setup, Clock::fixed()).await
}

#[apply(case!)]
async fn d2_a_caller_has_the_address_that_appsync_saw() {
    let mesh = behind_appsync().await;
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

/// A text with an id or a status code disconnects the editor (docs/compatibility.md, must keep, 4).
#[apply(case!)]
async fn d21_what_fails_on_the_way_to_the_function_has_a_fixed_text_and_type() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let texts = [
        "2026-11-22T08:00:00.000Z 5f1c3b1e-8f0f-4a77-9b0e-503429403000 Task timed out after 10.00 seconds",
        "Service: Lambda, Status Code: 503, Request ID: 5f1c3b1e-8f0f-4a77-9b0e-503429403000",
        "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException)",
    ];
    for text in texts {
        let function = move |_| async move {
            Err(FunctionError {
                kind: "Sandbox.Timedout".into(),
                message: text.into(),
            })
        };
        let invoke = appsync::serve(function, &tasks, &stop).await;
        let api = appsync::Api::open("da2-key", &invoke).await;
        let client = trust::client(&api.endpoint);
        let request = client.post(&api.endpoint).header("x-api-key", "da2-key");
        let reply = Reply::to(request.json(&json!({"query": "mutation { createDomain }"}))).await;
        let (kind, message) = reply.error();
        assert_eq!(kind, "InternalFailure", "{text}");
        assert_eq!(
            message,
            "The service is busy or out of order. Please try again."
        );
    }
    stop.cancel();
}

#[apply(case!)]
async fn d7_without_push_no_message_is_published_when_a_group_ends_by_itself() {
    let mesh = without_push().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let mut subscriber = group.subscribe().await;
    mesh.passes_seconds(61).await;
    // Neither the end itself is published, nor a call that finds it, nor the group's replacement.
    assert_eq!(group.renews().await.error().0, "GroupNotFound");
    let next = host.creates("class").await;
    assert_ne!(next.id, group.id);
    subscriber
        .socket
        .subscribes("next", &next.id, &next.domain)
        .await;
    next.node("kitten").fires(["go"]).await;
    let first = subscriber.socket.receives().await;
    assert_eq!(first["id"], "next", "the first that is received: {first}");
}

#[apply(case!)]
async fn groups_of_silent_hosts_fill_no_domain_and_no_stage() {
    let setup = Setup {
        limits: Limits {
            groups: 3,
            groups_per_domain: 3,
            ..Limits::default()
        },
        // No schedule ends them: the calls do.
        push: false,
        ..Setup::default()
    };
    let mesh = TestMesh::on_appsync(setup, Clock::fixed()).await;
    for host in ["a", "b", "c"] {
        mesh.host(host).creates("class").await;
    }
    mesh.passes_seconds(65).await;
    for host in ["d", "e", "f"] {
        mesh.host(host).creates("class").await;
    }
}

#[apply(case!)]
async fn d13_without_push_recorded_events_reach_pollers_and_fired_events_reach_all() {
    let mesh = without_push().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join_polling("kitten").await;
    kitten.records(["recorded"]).await;
    kitten.fires(["fired"]).await;
    assert_eq!(subscriber.events().await, ["fired"]);
    let read = group.events_since("").await;
    assert_eq!(all("name", &read), ["recorded", "fired"]);
}

#[apply(case!)]
async fn d15_a_repeated_batch_is_stored_once_and_published_each_time_it_is_fired() {
    for (field, published) in [("fireEventsByNode", 2), ("recordEventsByNode", 0)] {
        let mesh = behind_appsync().await;
        let group = mesh.host("teacher").creates_polling("class").await;
        let mut subscriber = group.subscribe().await;
        let kitten = group.join_polling("kitten").await;
        let batch = json!({"events": [event("a", json!({"orderKey": "1"}))]});
        let first = kitten.calls(field, batch.clone()).await.value();
        mesh.passes_seconds(3).await;
        let again = kitten.calls(field, batch.clone()).await.value();
        assert_eq!(again, first, "{field}");
        assert_eq!(group.events_since("").await.len(), 1, "{field}");
        // Another node's equal batch is another one, as is this batch after the event TTL.
        kitten.reports([("end", "")]).await;
        group.node("bird").calls(field, batch.clone()).await.value();
        assert_eq!(group.events_since("").await.len(), 2, "{field}");
        mesh.passes_seconds(12).await;
        kitten.calls(field, batch).await.value();
        assert_eq!(group.events_since("").await.len(), 1, "{field}");
        for _ in 0..published {
            assert_eq!(subscriber.message().await, first, "{field}");
        }
        assert_eq!(
            subscriber.status().await,
            (&*kitten.id, [("end", "")]),
            "{field}"
        );
    }
}

#[apply(case!)]
async fn d15_a_repeated_batch_of_recorded_events_is_pushed_once() {
    let mesh = behind_appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join_polling("kitten").await;
    let batch = json!({"events": [event("a", json!({"orderKey": "1"}))]});
    for _ in 0..2 {
        let recorded = kitten.calls("recordEventsByNode", batch.clone()).await;
        recorded.value();
    }
    kitten.fires(["end"]).await;
    assert_eq!(subscriber.events().await, ["a"]);
    assert_eq!(subscriber.events().await, ["end"]);
}

#[apply(case!)]
async fn d25_a_message_that_a_subscribers_aliases_make_too_large_is_dropped() {
    let mesh = behind_appsync().await;
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
    assert_eq!(socket.receives().await, acknowledged);
    let kitten = group.node("kitten");
    let large = event("large", json!({"payload": "x".repeat(100_000)}));
    let fired = kitten.calls("fireEventsByNode", json!({"events": [large]}));
    fired.await.value();
    kitten.fires(["small"]).await;
    let received = socket.receives().await;
    let events = &received["payload"]["data"]["onMessageInGroup"]["batchEvent"]["a"];
    assert_eq!(
        *events,
        json!([{"payload": null}]),
        "the small one comes first"
    );
}

/// Reports with the given selection.
async fn reports_selecting(group: &Group<'_>, selection: &str) {
    let document = format!(
        r#"mutation ($groupId: ID!, $domain: String!) {{
            reportDataByNode(groupId: $groupId, domain: $domain, nodeId: "kitten",
                             data: [{{key: "a", value: "1"}}]) {{ {selection} }}
        }}"#
    );
    let reply = group
        .mesh
        .executes_with(&document, group.and(json!({})))
        .await;
    reply.value();
}

/// A socket with the subscription `1` to the group.
async fn subscribed(group: &Group<'_>) -> Socket {
    let mut socket = group.mesh.opens().await;
    socket.is_acknowledged().await;
    socket.subscribes("1", &group.id, &group.domain).await;
    socket
}

#[apply(case!)]
async fn d19_fields_that_the_mutation_does_not_select_are_null_for_subscribers() {
    let mesh = behind_appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = subscribed(&group).await;
    reports_selecting(&group, "groupId domain").await;
    let mut expected = json!({
        "groupId": group.id, "domain": group.domain, "nodeStatus": null, "batchEvent": null,
        "groupDissolve": null, "__typename": "MeshMessage",
    });
    let received = socket.receives().await;
    assert_eq!(received["payload"], data(&expected));

    let without_time = "nodeId groupId domain data { key value }";
    let selection = format!("groupId domain nodeStatus {{ {without_time} }}");
    reports_selecting(&group, &selection).await;
    let received = socket.receives().await["payload"].clone();
    let error = &received["errors"][0];
    let message = "Cannot return null for non-nullable type: 'AWSDateTime' within parent \
                   'NodeStatus' (/onMessageInGroup/nodeStatus/timestamp)";
    assert_eq!(error["message"], message, "{received}");
    assert_eq!(
        received["data"],
        data(&expected)["data"],
        "a status needs its time"
    );

    let whole =
        "groupId domain status: nodeStatus { nodeId groupId domain timestamp data { key value } }";
    reports_selecting(&group, whole).await;
    let received = socket.receives().await;
    let status = &received["payload"]["data"]["onMessageInGroup"]["nodeStatus"];
    assert_eq!(status["data"][0]["value"], "1", "{received}");
    expected["nodeStatus"] = status.clone();
    assert_eq!(received["payload"], data(&expected));
}

fn data(message: &Value) -> Value {
    json!({"data": {"onMessageInGroup": message}})
}

#[apply(case!)]
async fn d19_a_mutation_that_does_not_select_its_group_and_domain_is_not_published() {
    let mesh = behind_appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    for selection in ["__typename", "groupId", "domain", "group: groupId"] {
        reports_selecting(&group, selection).await;
    }
    group.node("kitten").fires(["go"]).await;
    assert_eq!(
        subscriber.events().await,
        ["go"],
        "the first that is received"
    );
}

#[apply(case!)]
async fn a_subscription_to_an_invalid_group_receives_nothing() {
    let mesh = behind_appsync().await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    for id in ["", "#"] {
        socket.subscribes(id, id, &mesh.domain).await;
        let report = json!({"groupId": id, "domain": mesh.domain, "nodeId": "n", "data": []});
        let refused = mesh.calls("reportDataByNode", report).await;
        assert_eq!(refused.error().0, "ValidationError");
    }
    // Had one of them received anything, it would come before this acknowledgement.
    socket.subscribes("last", "last", &mesh.domain).await;
}

#[apply(case!)]
async fn appsync_refuses_other_subprotocols() {
    let mesh = behind_appsync().await;
    let mut wire = Wire::to(&mesh).await;
    let request = "GET /graphql/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\
                   connection: upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                   sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    wire.writes(request.as_bytes()).await;
    let refused = json!({"type": "connection_error", "payload": {"errors": [{
        "message": "SubProtocolNotSupportedError", "errorCode": 400,
    }]}});
    let (refused, mut received) = (refused.to_string(), String::new());
    while !received.ends_with(&refused) {
        received.push(wire.0.read_u8().await.expect("a refusal").into());
    }
    assert!(!received.contains("graphql-transport-ws"), "{received}");
}

#[apply(case!)]
async fn a_key_that_does_not_come_with_the_upgrade_is_ignored() {
    let mesh = behind_appsync().await;
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
            .sends(&json!({"type": "connection_init", "payload": payload}))
            .await;
        let error = json!({
            "errorType": "UnauthorizedException", "message": message, "errorCode": 401,
        });
        let refused = json!({"type": "connection_error", "payload": {"errors": [error]}});
        assert_eq!(socket.receives_any().await, refused);
    }
}

#[apply(case!)]
async fn a_subscription_over_http_is_refused_in_appsyncs_words() {
    let mesh = behind_appsync().await;
    let reply = mesh
        .executes_with(
            &documents::of("onMessageInGroup"),
            json!({"groupId": "g", "domain": "d"}),
        )
        .await;
    let message = "Subscriptions over MQTT is not supported.";
    reply.is_rejected(400, "BadRequestException", message);
}

#[apply(case!)]
async fn an_error_of_a_document_has_no_error_type() {
    let mesh = behind_appsync().await;
    let reply = mesh.executes("{\n  nothing\n}").await;
    let message = text(&reply.json["errors"][0]["message"]);
    let expected = json!({"data": null, "errors": [{
        "path": null, "locations": [{"line": 2, "column": 3, "sourceName": null}],
        "message": message,
    }]});
    assert_eq!((reply.status, reply.json), (200, expected));
}

mod push;
