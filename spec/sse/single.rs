//! graphql-sse's single connection mode: one event stream for all operations of a client.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::event_stream::{EventStream, address};
use crate::support::{Group, Reply, TestMesh, documents};

const TOKEN: &str = "x-graphql-event-stream-token";

/// A client with a reserved event stream.
struct Client<'a> {
    mesh: &'a TestMesh,
    token: String,
}

impl<'a> Client<'a> {
    async fn reserves(mesh: &'a TestMesh) -> Self {
        let request = mesh.http().put(address(mesh));
        let response = request.header("x-api-key", &mesh.key).send().await;
        let response = response.expect("the server answers");
        assert_eq!(response.status(), 201);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        let token = response.text().await.expect("a token");
        Self { mesh, token }
    }

    /// The request that opens the stream; it needs the token alone.
    fn get(&self) -> RequestBuilder {
        let request = self.mesh.http().get(address(self.mesh));
        request
            .header("accept", "text/event-stream")
            .header(TOKEN, &self.token)
    }

    async fn opens(&self) -> EventStream {
        EventStream::to(self.get()).await
    }

    fn post(&self, id: &str, document: &str, variables: &Value) -> RequestBuilder {
        let body = json!({"query": document, "variables": variables,
            "extensions": {"operationId": id}});
        let request = self.mesh.http().post(address(self.mesh)).json(&body);
        request.header(TOKEN, &self.token)
    }

    async fn begins(&self, id: &str, document: &str, variables: &Value) {
        let reply = Reply::to(self.post(id, document, variables)).await;
        assert_eq!((reply.status, &*reply.text), (202, ""));
    }

    async fn subscribes(&self, id: &str, group: &Group<'_>) {
        let document = documents::of("onMessageInGroup");
        self.begins(id, &document, &group.and(json!({}))).await;
    }

    async fn ends(&self, id: &str) -> u16 {
        let request = self
            .mesh
            .http()
            .delete(format!("{}?operationId={id}", address(self.mesh)));
        Reply::to(request.header(TOKEN, &self.token)).await.status
    }
}

/// The next event, its operation's id, and its payload.
async fn next(stream: &mut EventStream) -> (String, String, Value) {
    let event = stream.event().await;
    let data = event.json();
    let id = data["id"].as_str().expect("an id").to_owned();
    (event.event, id, data["payload"].clone())
}

async fn is_complete(stream: &mut EventStream, id: &str) {
    let complete = next(stream).await;
    assert_eq!(complete, ("complete".into(), id.into(), Value::Null));
}

#[apply(case!)]
async fn one_stream_carries_the_results_of_all_operations() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let client = Client::reserves(&mesh).await;
    let mut stream = client.opens().await;
    client.subscribes("s \"1\"", &group).await;
    // The subscription stands.
    let fired = group.node("kitten").fires(["go"]).await;
    let expected = json!({"data": {"onMessageInGroup": fired}});
    assert_eq!(
        next(&mut stream).await,
        ("next".into(), "s \"1\"".into(), expected)
    );
    client.begins("q", "{ __typename }", &json!({})).await;
    let expected = json!({"data": {"__typename": "Query"}});
    assert_eq!(
        next(&mut stream).await,
        ("next".into(), "q".into(), expected)
    );
    is_complete(&mut stream, "q").await;
    client.begins("wrong", "{ nothing }", &json!({})).await;
    let (_, id, refused) = next(&mut stream).await;
    assert_eq!((&*id, &refused["data"]), ("wrong", &Value::Null));
    assert_eq!(refused["errors"][0]["errorType"], "ValidationError");
    is_complete(&mut stream, "wrong").await;
    group.dissolves().await.value();
    let (_, _, message) = next(&mut stream).await;
    assert!(message["data"]["onMessageInGroup"]["groupDissolve"]["message"].is_string());
    is_complete(&mut stream, "s \"1\"").await;
    // The stream goes on, and the id is free.
    client.begins("s \"1\"", "{ __typename }", &json!({})).await;
    assert_eq!(next(&mut stream).await.1, "s \"1\"");
}

#[apply(case!)]
async fn results_wait_for_a_stream_that_opens_later() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let client = Client::reserves(&mesh).await;
    client.subscribes("s", &group).await;
    let fired = group.node("kitten").fires(["go"]).await;
    let mut stream = client.opens().await;
    let expected = json!({"data": {"onMessageInGroup": fired}});
    assert_eq!(next(&mut stream).await.2, expected);
}

#[apply(case!)]
async fn nothing_of_an_operation_follows_its_end() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let client = Client::reserves(&mesh).await;
    let mut stream = client.opens().await;
    client.subscribes("a", &group).await;
    client.subscribes("b", &group).await;
    assert_eq!(client.ends("a").await, 200);
    assert_eq!(client.ends("a").await, 200, "an end may be repeated");
    group.node("kitten").fires(["go"]).await;
    is_complete(&mut stream, "a").await;
    let (event, id, _) = next(&mut stream).await;
    assert_eq!((&*event, &*id), ("next", "b"));
}

#[apply(case!)]
async fn tokens_and_ids_are_checked() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let put = mesh.http().put(address(&mesh));
    assert_eq!(Reply::to(put).await.status, 401);
    let client = Client::reserves(&mesh).await;
    let stream = client.opens().await;
    assert_eq!(Reply::to(client.get()).await.status, 409, "a second stream");
    client.subscribes("s", &group).await;
    let again = client.post("s", "{ __typename }", &json!({}));
    assert_eq!(Reply::to(again).await.status, 409, "an id in use");
    for id in [json!(null), json!(""), json!(1), json!("i".repeat(257))] {
        let body = json!({"query": "{ __typename }", "extensions": {"operationId": id}});
        let request = mesh.http().post(address(&mesh)).json(&body);
        let reply = Reply::to(request.header(TOKEN, &client.token)).await;
        assert_eq!(reply.status, 400, "{id}");
    }
    let end = mesh
        .http()
        .delete(address(&mesh))
        .header(TOKEN, &client.token);
    assert_eq!(Reply::to(end).await.status, 400, "no id");
    let stranger = Client {
        mesh: &mesh,
        token: "0".repeat(32),
    };
    assert_eq!(Reply::to(stranger.get()).await.status, 404);
    let posted = stranger.post("s", "{ __typename }", &json!({}));
    assert_eq!(Reply::to(posted).await.status, 404);
    assert_eq!(stranger.ends("s").await, 404);
    let url = format!("{}?token={}", address(&mesh), client.token);
    assert_eq!(
        Reply::to(mesh.http().get(url)).await.status,
        409,
        "in the query"
    );
    drop(stream);
    // A token is over with its stream; the server notices by itself.
    while Reply::to(client.get()).await.status == 409 {}
    assert_eq!(Reply::to(client.get()).await.status, 404);
}

#[apply(case!)]
async fn operations_of_a_stream_are_bounded() {
    let mesh = TestMesh::own(|setup| setup.sockets.operations = 3).await;
    let group = mesh.host("teacher").creates("class").await;
    let client = Client::reserves(&mesh).await;
    for id in ["1", "2", "3", "4"] {
        client.subscribes(id, &group).await;
    }
    let mut stream = client.opens().await;
    let (_, id, refused) = next(&mut stream).await;
    assert_eq!(
        (&*id, &refused["errors"][0]["errorType"]),
        ("4", &json!("MaxSubscriptionsReachedError"))
    );
}

#[apply(case!)]
async fn a_result_beyond_what_may_wait_is_refused_by_name() {
    let mesh = TestMesh::own(|setup| setup.sockets.outbox_bytes = 524_288).await;
    let group = mesh.host("teacher").creates("class").await;
    for number in 0..12 {
        let node = group.join(&format!("n{number}")).await;
        node.reports([("k", &*"v".repeat(60_000))]).await;
    }
    let client = Client::reserves(&mesh).await;
    let mut stream = client.opens().await;
    let document = documents::of("listGroupStatuses");
    client.begins("q", &document, &group.and(json!({}))).await;
    let (_, _, refused) = next(&mut stream).await;
    assert_eq!(
        refused["errors"][0]["errorType"], "LimitExceeded",
        "{refused}"
    );
    is_complete(&mut stream, "q").await;
}

#[apply(case!)]
async fn reservations_are_bounded_and_end_unused() {
    let mesh = TestMesh::own(|setup| {
        setup.http.stream_reservations = 4;
        setup.http.stream_reservation = Duration::from_secs(2);
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let put = |address_of: &str| {
        let request = mesh
            .http()
            .put(address(&mesh))
            .header("x-api-key", &mesh.key);
        Reply::to(request.header("x-forwarded-for", address_of))
    };
    let first = join_all(["203.0.113.1"; 2].map(put)).await;
    assert!(first.iter().all(|reply| reply.status == 201));
    let refused = put("203.0.113.1").await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(put("203.0.113.2").await.status, 201);
    let client = Client {
        mesh: &mesh,
        token: first[0].text.clone(),
    };
    // Open streams count no more.
    let mut stream = client.opens().await;
    assert_eq!(put("203.0.113.1").await.status, 201);
    let unused = Client {
        mesh: &mesh,
        token: first[1].text.clone(),
    };
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let posted = unused.post("q", "{ __typename }", &json!({}));
    assert_eq!(Reply::to(posted).await.status, 404);
    client.begins("q", "{ __typename }", &json!({})).await;
    assert_eq!(next(&mut stream).await.1, "q", "an open stream stays");
}
