//! What bounds an event stream: silence, slow readers, an address's share, the server's stop.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::metrics::metric;
use crate::support::clients::event;
use crate::support::event_stream::{EventStream, request};
use crate::support::json::text;
use crate::support::raw::Wire;
use crate::support::{Reply, TestMesh, documents};

/// More events than the buffers between a server and a client hold.
const EVENTS: usize = 120;

#[apply(case!)]
async fn a_silent_stream_gets_comments_and_its_connection_stays() {
    let mesh = TestMesh::own(|setup| {
        setup.sockets.keep_alive = Duration::from_millis(50);
        setup.http.idle = Duration::from_millis(100);
        setup.http.request_timeout = Duration::from_millis(100);
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let mut stream = EventStream::of(&group).await;
    let mut comments = 0;
    while comments < 10 {
        let block = stream.try_block().await.expect("no cut").expect("no end");
        assert_eq!((&*block.event, &*block.data), ("", ""), "{block:?}");
        comments += usize::from(block.comment.as_deref() == Some(""));
    }
    group.node("kitten").fires(["go"]).await;
    assert_eq!(
        stream.message().await["batchEvent"]["events"][0]["name"],
        "go"
    );
}

#[apply(case!)]
async fn d25_a_message_beyond_the_limit_ends_the_stream_by_name() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut fields = String::new();
    for number in 0..40 {
        let _ = write!(fields, " d{number}: data {{ value }}");
    }
    let document = format!(
        "subscription($groupId: ID!, $domain: String!) {{ onMessageInGroup(groupId: $groupId, domain: $domain) {{ nodeStatus {{ {fields} }} }} }}"
    );
    let mut stream = EventStream::to(request(&mesh, &document, &group.and(json!({})))).await;
    group.node("kitten").reports([("k", "1")]).await;
    assert_eq!(
        stream.message().await["nodeStatus"]["d39"],
        json!([{"value": "1"}])
    );
    let wide = "v".repeat(60_000);
    group.node("kitten").reports([("k", &*wide)]).await;
    let result = stream.next().await;
    assert_eq!(
        result["errors"][0]["errorType"], "LimitExceeded",
        "{result}"
    );
    stream.is_complete().await;
}

#[apply(case!)]
async fn d20_a_slow_reader_is_cut_and_never_looks_complete() {
    let mesh = TestMesh::own(|setup| {
        setup.sockets.outbox_bytes = 524_288;
        // On a busy machine the reports take their time, and only then it reads.
        setup.sockets.close_timeout = Duration::from_mins(10);
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let mut slow = EventStream::of(&group).await;
    let mut fast = EventStream::of(&group).await;
    // Events are stored nowhere while no one polls, so this is quick on every store.
    let nodes: Vec<_> = (0..4).map(|n| group.node(&format!("kitten {n}"))).collect();
    let long = "v".repeat(150_000);
    for number in 0..EVENTS {
        let events = [event("e", json!({"payload": format!("{number}{long}")}))];
        let fired = nodes[number % 4].calls("fireEventsByNode", json!({"events": events}));
        fired.await.value();
        fast.message().await;
    }
    // What it gets is in order and without a hole, and then comes a named end.
    let (mut received, mut comments) = (0, Vec::new());
    let cut = loop {
        match slow.try_block().await {
            Ok(Some(block)) if block.event == "next" => {
                let batch = &block.json()["data"]["onMessageInGroup"]["batchEvent"];
                let payload = text(&batch["events"][0]["payload"]);
                assert!(payload.starts_with(&format!("{received}v")), "{received}");
                received += 1;
            }
            Ok(Some(block)) => comments.extend(block.comment),
            Ok(None) => panic!("the stream ended as if it were complete"),
            Err(error) => break error,
        }
    };
    assert!(received < EVENTS, "{cut}");
    let last = comments.last().expect("a comment");
    assert_eq!(last, "1013 Slow consumer: queue full, connect again");
    mesh.still_serves().await;
}

#[apply(case!)]
async fn a_stop_ends_each_stream_without_completing_it() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let mut stream = EventStream::of(&group).await;
    group.node("kitten").fires(["go"]).await;
    stream.message().await;
    mesh.stops().await;
    let block = stream
        .try_block()
        .await
        .expect("no cut")
        .expect("a last block");
    assert_eq!(block.comment.as_deref(), Some("1012 Service restart"));
    assert_eq!(stream.try_block().await.expect("no cut"), None);
}

#[apply(case!)]
async fn an_address_has_its_share_of_the_streams() {
    let mesh = TestMesh::own(|setup| {
        setup.http.connections = 100;
        setup.http.connections_per_address = 3;
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let document = documents::of("onMessageInGroup");
    let from = |address: &str| {
        let request = request(&mesh, &document, &group.and(json!({})));
        request.header("x-forwarded-for", address)
    };
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(EventStream::to(from("203.0.113.1")).await);
    }
    let refused = Reply::to(from("203.0.113.1")).await;
    assert_eq!(
        (refused.status, &refused.json["errors"][0]["errorType"]),
        (429, &json!("LimitExceeded"))
    );
    EventStream::to(from("203.0.113.2")).await;
    open.pop();
    // The server notices it by itself.
    while from("203.0.113.1")
        .send()
        .await
        .expect("an answer")
        .status()
        == 429
    {
        tokio::task::yield_now().await;
    }
}

#[apply(case!)]
async fn d20_a_client_that_reads_nothing_is_given_up() {
    let mesh = TestMesh::own(|setup| {
        setup.sockets.outbox_bytes = 524_288;
        setup.sockets.close_timeout = Duration::from_millis(500);
    })
    .await;
    let group = mesh.host("teacher").creates("class").await;
    let open = "mesh_sockets{protocol=\"sse\"}";
    // A relay would read for it.
    let mut wire = Wire::to(&mesh).await;
    let variables = group.and(json!({}));
    let body = json!({"query": documents::of("onMessageInGroup"), "variables": variables});
    let body = body.to_string();
    let head = format!(
        "POST /graphql/stream HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        mesh.address(),
        mesh.key,
        body.len()
    );
    wire.writes((head + &body).as_bytes()).await;
    let mut first = [0; 12];
    wire.0.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(metric(&mesh, open).await, 1);
    let value = "v".repeat(60_000);
    while metric(&mesh, open).await > 0 {
        group.node("kitten").reports([("k", &*value)]).await;
    }
    assert_eq!(metric(&mesh, "mesh_slow_readers_total").await, 1);
    let mut bytes = Vec::new();
    let read = wire.0.read_to_end(&mut bytes).await;
    let is_whole = bytes.ends_with(b"\r\n0\r\n\r\n");
    assert!(!is_whole, "it looks complete: {read:?}");
}
