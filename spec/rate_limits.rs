//! Rate limits (docs/api.md, Rate limits): who floods is refused with a hint, or read later, and
//! notices of nobody else's. The rules by themselves are tested in `src/rate_limits`.

mod class;
mod new_documents;
mod wrong_codes;
mod wrong_keys;

use std::time::Duration;

use mesh_v2::rate_limits::rates::Rate;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::metrics::metric;
use crate::support::mesh::TIMEOUT;
use crate::support::{Reply, Socket, TestMesh, documents};

/// The message of a refusal.
fn message(whose: &str) -> String {
    format!(
        "Too many requests {whose}: wait for the milliseconds of extensions.retryAfterMs, then send it again"
    )
}

/// Checks that a reply is a refusal with a hint, and returns the hint in milliseconds.
#[track_caller]
fn is_too_fast(reply: &Reply, whose: &str) -> u64 {
    reply.is_refused("RateLimited", &message(whose));
    let error = &reply.json["errors"][0];
    let hint = error["extensions"]["retryAfterMs"].as_u64();
    hint.unwrap_or_else(|| panic!("no hint: {}", reply.text))
}

/// Another client of the same server, with connections of its own.
fn another(mesh: &TestMesh) -> TestMesh {
    TestMesh::at(&mesh.endpoint, &mesh.key)
}

#[apply(case!)]
async fn a_refused_report_is_an_ordinary_error_and_comes_through_after_the_hint() {
    let mesh = TestMesh::own_still(|setup| {
        let rates = setup.rates.as_mut().expect("rates");
        (rates.node_reports, rates.steady) = (Rate::new(5), Rate::new(1));
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let mut subscriber = group.subscribe().await;
    let report = |n: usize| json!({"data": [{"key": "n", "value": n.to_string()}]});
    for n in 0..10 {
        kitten.calls("reportDataByNode", report(n)).await.value();
    }
    // Twice: the engine and the fast path answer alike.
    let refused = kitten.calls("reportDataByNode", report(10)).await;
    assert_eq!(refused.json["data"], json!({"reportDataByNode": null}));
    assert_eq!(
        refused.json["errors"][0]["path"],
        json!(["reportDataByNode"])
    );
    let hint = is_too_fast(&refused, "by this node");
    assert_eq!(hint, 200);
    // The node's events have a limit of their own.
    kitten.fires(["after ten"]).await;
    mesh.passes(Duration::from_millis(hint)).await;
    kitten.calls("reportDataByNode", report(11)).await.value();
    for n in (0..10).map(Some).chain([None, Some(11)]) {
        match n {
            Some(n) => {
                let status = subscriber.status().await;
                assert_eq!(status.data, [("n".to_owned(), format!("{n}"))]);
            }
            None => assert_eq!(subscriber.events().await, ["after ten"]),
        }
    }
    let limit = "mesh_refusals_total{limit=\"node_rate\"}";
    assert_eq!(metric(&mesh, limit).await, 1);
}

#[apply(case!)]
async fn every_call_of_a_node_and_every_query_counts() {
    let mesh = TestMesh::own_still(|setup| {
        let rates = setup.rates.as_mut().expect("rates");
        (rates.node_membership, rates.steady) = (Rate::new(1), Rate::new(1));
        rates.connection_queries = Rate::new(1);
        rates.connection_groups = Rate::new(1);
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    for _ in 0..9 {
        kitten.sends_heartbeat().await.value();
    }
    assert_eq!(
        is_too_fast(&kitten.sends_heartbeat().await, "by this node"),
        1000
    );
    for _ in 0..10 {
        group.statuses().await;
    }
    let queries = [
        group.calls("listGroupStatuses", json!({})).await,
        group.calls("listNodesInGroup", json!({})).await,
        group.calls("pollGroupData", json!({"since": ""})).await,
        group.calls("getEventsSince", json!({"since": ""})).await,
        mesh.calls("listGroupsByDomain", json!({"domain": group.domain}))
            .await,
        mesh.calls("searchGroupsByNamePrefix", json!({"namePrefix": "c"}))
            .await,
        mesh.calls("getNodeStatus", json!({"nodeId": kitten.id}))
            .await,
    ];
    for refused in &queries {
        is_too_fast(refused, "on this connection");
    }
    for _ in 0..9 {
        mesh.calls("createDomain", json!({})).await.value();
    }
    is_too_fast(
        &mesh.calls("createDomain", json!({})).await,
        "on this connection",
    );
    let other = mesh.host("other");
    is_too_fast(
        &other.calls_create_group("more", json!({})).await,
        "on this connection",
    );
    // Another client is not concerned.
    let other = another(&mesh);
    other.host("other").creates("more").await;
}

#[apply(case!)]
async fn new_documents_and_introspections_are_limited_and_known_documents_are_not() {
    let mesh = TestMesh::own_still(|setup| {
        let rates = setup.rates.as_mut().expect("rates");
        rates.connection_documents = Rate::new(10);
    })
    .await;
    let known = "{ __typename }";
    mesh.executes(known).await.value();
    let mut sent = 0;
    let refused = loop {
        let reply = mesh.executes(&format!("{{ a{sent}: __typename }}")).await;
        if reply.json.get("errors").is_some() {
            break reply;
        }
        sent += 1;
    };
    assert_eq!(sent, 19);
    assert_eq!(is_too_fast(&refused, "on this connection"), 100);
    assert_eq!(refused.json["data"], Value::Null);
    mesh.executes(known).await.value();
    // Over a WebSocket the operation is rejected and the socket stays.
    let mut socket = Socket::transport(&mesh).await;
    let subscribe = |id: usize, document: &str| json!({"id": id.to_string(), "type": "subscribe", "payload": {"query": document}});
    for n in 0..20 {
        let document = format!("{{ b{n}: __typename }}");
        socket.sends(&subscribe(n, &document)).await;
        assert_eq!(socket.receives_any().await["type"], "next");
        assert_eq!(socket.receives_any().await["type"], "complete");
    }
    socket.sends(&subscribe(20, "{ c: __typename }")).await;
    let rejected = socket.receives_any().await;
    assert_eq!(rejected["type"], "error", "{rejected}");
    assert_eq!(rejected["payload"][0]["errorType"], "RateLimited");
    assert_eq!(
        rejected["payload"][0]["extensions"],
        json!({"retryAfterMs": 100})
    );
    let introspection = "{ __schema { queryType { name } } }";
    mesh.passes_seconds(10).await;
    for _ in 0..10 {
        mesh.executes(introspection).await.value();
    }
    assert_eq!(
        is_too_fast(&mesh.executes(introspection).await, "on this connection"),
        500
    );
    mesh.executes(known).await.value();
}

#[apply(case!)]
async fn a_flood_of_pings_and_starts_is_read_later_and_nobody_is_closed() {
    let mesh = TestMesh::own(|setup| {
        setup.rates.as_mut().expect("rates").connection_messages = Rate::new(100);
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    let mut other = group.subscribe().await;
    let mut flooding = Socket::transport(&mesh).await;
    let start = std::time::Instant::now();
    let document = documents::of("onMessageInGroup");
    for n in 0..100 {
        flooding.sends_frame(Message::Ping(Vec::new().into())).await;
        flooding.sends(&json!({"type": "ping"})).await;
        let (id, variables) = (n.to_string(), group.and(json!({})));
        let payload = json!({"query": document, "variables": variables});
        flooding
            .sends(&json!({"id": id, "type": "subscribe", "payload": payload}))
            .await;
        flooding.sends(&json!({"id": id, "type": "complete"})).await;
    }
    kitten.fires(["meow"]).await;
    assert_eq!(other.events().await, ["meow"], "others wait for nothing");
    let (mut pongs, mut texts) = (0, 0);
    while pongs < 1 || texts < 100 {
        match flooding.next(TIMEOUT).await {
            Some(Message::Pong(_)) => pongs += 1,
            Some(Message::Text(text)) => texts += usize::from(text.contains("pong")),
            Some(Message::Ping(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // 400 messages, of which 200 at once.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
}

#[apply(case!)]
async fn one_setting_switches_all_limits_off() {
    let mesh = TestMesh::own_still(|setup| setup.rates = None).await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    for n in 0..300 {
        kitten.reports([("n", &n.to_string())]).await;
    }
    for n in 0..120 {
        mesh.executes(&format!("{{ a{n}: __typename }}"))
            .await
            .value();
    }
}
