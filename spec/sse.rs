//! GraphQL over server-sent events (docs/protocols.md, Event streams).

mod bounds;
mod single;

use data_encoding::BASE64;
use mesh_v2::auth::Policy;
use reqwest::Method;
use serde_json::{Value, json};

use crate::join_codes::creates_in;
use crate::support::clients::event;
use crate::support::event_stream::{EventStream, address, request};
use crate::support::json::text;
use crate::support::{Reply, TestMesh, TestSubscriber, documents};

#[apply(case!)]
async fn a_subscription_stands_when_its_response_begins() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut stream = EventStream::of(&group).await;
    // Its first bytes have not been read yet.
    let fired = group.node("kitten").fires(["go"]).await;
    assert_eq!(stream.message().await, fired);
    let reported = group.node("kitten").reports([("k", "1\n2")]).await;
    assert_eq!(stream.message().await["nodeStatus"], reported);
}

#[apply(case!)]
async fn queries_and_mutations_are_answered_and_completed() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut stream = EventStream::to(request(&mesh, "{ __typename }", &json!({}))).await;
    assert_eq!(
        stream.next().await,
        json!({"data": {"__typename": "Query"}})
    );
    stream.is_complete().await;
    // What clients derive from an endpoint that ends with a slash.
    for path in ["/graphql//stream", "/graphql/stream/"] {
        let url = format!("{}{path}?query={{__typename}}", mesh.origin());
        let request = mesh.signs(mesh.http().get(url));
        assert_eq!(
            EventStream::to(request).await.next().await["data"]["__typename"],
            "Query"
        );
    }
    let mut other = EventStream::of(&group).await;
    let document = documents::of("reportDataByNode");
    let arguments = json!({"nodeId": "kitten", "data": [{"key": "k", "value": "1"}]});
    let mut stream = EventStream::to(request(&mesh, &document, &group.and(arguments))).await;
    let reported = stream.next().await["data"]["reportDataByNode"].clone();
    stream.is_complete().await;
    assert_eq!(reported["nodeStatus"]["nodeId"], "kitten");
    assert_eq!(other.message().await, reported);
}

#[apply(case!)]
async fn what_an_operation_is_refused_for_is_a_result() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let unknown = json!({"groupId": "unknown", "domain": group.domain, "nodeId": "kitten"});
    let document = documents::of("joinGroup");
    let posted = mesh.executes_with(&document, unknown.clone()).await;
    let mut stream = EventStream::to(request(&mesh, &document, &unknown)).await;
    assert_eq!(stream.next().await, posted.json);
    stream.is_complete().await;
    for document in [
        "{",
        "{ nothing }",
        "subscription { onMessageInGroup { groupId } }",
    ] {
        let mut stream = EventStream::to(request(&mesh, document, &json!({}))).await;
        let result = stream.next().await;
        assert_eq!(result["data"], Value::Null, "{document}");
        let error = &result["errors"][0];
        assert_eq!(error["errorType"], "ValidationError", "{document}");
        stream.is_complete().await;
    }
}

#[apply(case!)]
async fn a_stream_is_complete_when_its_group_is_dissolved() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let aliased = "subscription ($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { copy: groupId groupDissolve { message } } }";
    let mut streams = [
        EventStream::of(&group).await,
        EventStream::to(request(&mesh, aliased, &group.and(json!({})))).await,
    ];
    group.node("kitten").fires(["last"]).await;
    group.dissolves().await.value();
    for stream in &mut streams {
        stream.message().await;
        let message = stream.message().await;
        assert!(message["groupDissolve"]["message"].is_string(), "{message}");
        stream.is_complete().await;
    }
}

#[apply(case!)]
async fn d18_members_by_stream_by_socket_and_by_polling_get_one_order() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    group.join_polling("poller").await;
    let mut stream = EventStream::of(&group).await;
    let mut socket = TestSubscriber::to(&mesh, &group.id, &group.domain).await;
    let sends = async |name: &'static str| {
        let node = group.node(name);
        for number in 0..10 {
            node.reports([("k", &*number.to_string())]).await;
            node.fires([&*format!("{name}{number}")]).await;
        }
    };
    tokio::join!(sends("a"), sends("b"), sends("c"));
    for _ in 0..60 {
        assert_eq!(stream.message().await, socket.message().await);
    }
    // On a table, calls that race may be delivered in another order than the log's.
    for number in 0..10 {
        let node = group.node(["a", "b"][number % 2]);
        node.fires([&*format!("last {number}")]).await;
    }
    let log = group.reads_on_from(String::new()).await;
    for logged in &log[30..] {
        let message = stream.message().await;
        assert_eq!(message, socket.message().await);
        assert_eq!(message["batchEvent"]["events"][0]["name"], logged["name"]);
    }
    assert_eq!(log.len(), 40);
}

#[apply(case!)]
async fn a_browsers_event_source_sends_its_key_in_the_query() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let header = BASE64.encode(json!({"x-api-key": mesh.key}).to_string().as_bytes());
    let opens = |document: &str| {
        let mut url = reqwest::Url::parse(&address(&mesh)).expect("an address");
        url.query_pairs_mut()
            .append_pair("query", document)
            .append_pair(
                "variables",
                &group.and(json!({"nodeId": "kitten"})).to_string(),
            )
            .append_pair("header", &header);
        mesh.http().get(url).header("accept", "text/event-stream")
    };
    let subscription = "subscription ($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { nodeStatus { nodeId } } }";
    let mut stream = EventStream::to(opens(subscription)).await;
    group.node("kitten").reports([("k", "1")]).await;
    let expected = json!({"nodeStatus": {"nodeId": group.node("kitten").id}});
    assert_eq!(stream.message().await, expected);
    // It repeats its request when a stream ends.
    let mutation = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!) { joinGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId) { id } }";
    let mut refused = EventStream::to(opens(mutation)).await;
    let error = &refused.next().await["errors"][0];
    assert_eq!(error["errorType"], "UnsupportedOperation");
    refused.is_complete().await;
}

#[apply(case!)]
async fn requests_without_a_key_or_an_operation_are_refused_as_elsewhere() {
    let mesh = TestMesh::start().await;
    let post = || {
        mesh.http()
            .post(address(&mesh))
            .json(&json!({"query": "{ __typename }"}))
    };
    assert_eq!(Reply::to(post()).await.status, 401);
    let keyed = |request: reqwest::RequestBuilder| request.header("x-api-key", &mesh.key);
    let reply = Reply::to(keyed(post()).header("accept", "application/json")).await;
    assert_eq!(reply.status, 406, "{}", reply.text);
    let empty = keyed(mesh.http().post(address(&mesh)));
    let empty = empty.header("content-type", "application/json");
    assert_eq!(Reply::to(empty).await.status, 400);
    for body in [json!({}), json!([]), json!({"query": 1})] {
        let reply = Reply::to(keyed(mesh.http().post(address(&mesh)).json(&body))).await;
        reply.is_rejected(
            400,
            "MalformedHttpRequestException",
            "Unable to parse GraphQL query.",
        );
    }
    let reply = Reply::to(keyed(mesh.http().get(address(&mesh)))).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    let reply = Reply::to(keyed(mesh.http().patch(address(&mesh)))).await;
    assert_eq!(reply.status, 405, "{}", reply.text);
    let wrong = json!({"query": "{ __typename }", "extensions": {"mesh": 1}});
    let request = keyed(mesh.http().post(address(&mesh)).json(&wrong));
    let mut stream = EventStream::to(request).await;
    let error = &stream.next().await["errors"][0];
    assert_eq!(error["errorType"], "ValidationError", "{error}");
    stream.is_complete().await;
}

#[apply(case!)]
async fn a_page_of_another_origin_may_use_each_method() {
    let mesh = TestMesh::start().await;
    let header = "x-graphql-event-stream-token";
    let preflight = mesh
        .http()
        .request(Method::OPTIONS, address(&mesh))
        .header("origin", "https://smalruby.app")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", header);
    let reply = Reply::to(preflight).await;
    assert_eq!(
        reply.header("access-control-allow-methods"),
        "GET,POST,PUT,DELETE,OPTIONS"
    );
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains(header)
    );
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[apply(case!)]
async fn a_stream_resumes_after_its_last_event_id() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let node = group.node("kitten");
    let document = documents::of("onMessageInGroup");
    let again = |last: &str| {
        let request = request(&mesh, &document, &group.and(json!({})));
        request.header("last-event-id", last)
    };
    let mut stream = EventStream::of(&group).await;
    let start = stream.try_block().await.expect("no cut").expect("a block");
    assert_eq!((&*start.event, &*start.data), ("", ""), "{start:?}");
    let (epoch, first) = start.id.rsplit_once(':').expect("a position");
    let first: u64 = first.parse().expect("an offset");
    node.fires(["1"]).await;
    let event = stream.event().await;
    assert_eq!(event.id, format!("{epoch}:{}", first + 1));
    drop(stream);
    node.fires(["2"]).await;
    // After the last event, and after the start.
    for (last, missed) in [(&event.id, &["2"][..]), (&start.id, &["1", "2"])] {
        let mut stream = EventStream::to(again(last)).await;
        for name in missed {
            let message = stream.message().await;
            assert_eq!(
                message["batchEvent"]["events"][0]["name"], *name,
                "after {last}"
            );
        }
    }
    for lost in [&*format!("{epoch}:99"), "other:1", "?"] {
        let mut stream = EventStream::to(again(lost)).await;
        let event = stream.event().await;
        assert_eq!(event.id, format!("{epoch}:{}", first + 2), "after {lost}");
        let mesh = json!({"epoch": epoch, "offset": first + 2, "recovered": false});
        let data = json!({"onMessageInGroup": null});
        assert_eq!(
            event.json(),
            json!({"data": data, "extensions": {"mesh": mesh}})
        );
    }
}

#[apply(case!)]
async fn a_stream_that_asks_by_extensions_has_its_positions_there() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let body = |position: Value| {
        json!({"query": documents::of("onMessageInGroup"), "variables": group.and(json!({})),
            "extensions": {"mesh": position}})
    };
    let post = |position| {
        let request = mesh.http().post(address(&mesh)).json(&body(position));
        request.header("x-api-key", &mesh.key)
    };
    let mut stream = EventStream::to(post(json!({}))).await;
    let first = stream.event().await;
    assert_eq!(first.id, "");
    let position = first.json()["extensions"]["mesh"].clone();
    group.node("kitten").fires(["1"]).await;
    let next = stream.next().await;
    let offset = position["offset"].as_u64().expect("an offset") + 1;
    assert_eq!(
        next["extensions"]["mesh"],
        json!({"epoch": position["epoch"], "offset": offset})
    );
    let mut stream = EventStream::to(post(position)).await;
    assert_eq!(stream.next().await, next);
}

#[apply(case!)]
async fn under_own_a_stream_from_another_network_needs_the_groups_code() {
    let mesh = TestMesh::own(|setup| {
        setup.policy = Policy::Own;
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let (school, home) = (
        mesh.client_at("203.0.113.7"),
        mesh.client_at("198.51.100.9"),
    );
    let domain = text(&school.calls("createDomain", json!({})).await.value());
    let group = creates_in(&school, &domain, "teacher", None).await;
    let variables = json!({"groupId": group["id"], "domain": domain});
    let document = documents::of("onMessageInGroup");
    let mut refused = EventStream::to(request(&home, &document, &variables)).await;
    let error = &refused.next().await["errors"][0];
    assert_eq!(error["errorType"], "Unauthorized", "{error}");
    refused.is_complete().await;
    let pupil = home.with_code(&text(&group["joinCode"]));
    let mut stream = EventStream::to(request(&pupil, &document, &variables)).await;
    let arguments = json!({"groupId": group["id"], "domain": domain, "nodeId": "n",
        "events": [event("go", json!({}))]});
    let fired = school.calls("fireEventsByNode", arguments).await.value();
    assert_eq!(stream.message().await, fired);
}
