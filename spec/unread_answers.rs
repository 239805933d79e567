//! The memory of answers, also when the client does not read them (decision D24).

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;
use tempfile::TempDir;

use crate::support::TestMesh;
use crate::support::clients::Group;
use crate::support::program::{Server, folder};

const KEY: &str = "da2-spec-of-answers";
const MB: u64 = 1024 * 1024;

fn server() -> (TempDir, Server) {
    let folder = folder();
    let settings = [("MESH_STORE", "memory"), ("MESH_API_KEYS", KEY)];
    let server = Server::start(folder.path(), &settings);
    (folder, server)
}

/// A group with almost as many bytes as one answer may have.
async fn full_group(mesh: &TestMesh) -> Group<'_> {
    let group = mesh.host("teacher").creates("class").await;
    let value = "v".repeat(60_000);
    for i in 0..60 {
        let kitten = group.join(&format!("kitten{i}")).await;
        kitten.reports([("k", &value)]).await;
    }
    group
}

fn query(group: &Group<'_>, aliases: usize) -> String {
    let (id, domain) = (&group.id, &group.domain);
    let one = |i| {
        format!(
            "a{i}: listGroupStatuses(groupId: \"{id}\", domain: \"{domain}\") {{ data {{ value }} }}"
        )
    };
    let fields: Vec<_> = (0..aliases).map(one).collect();
    format!("{{ {} }}", fields.join(" "))
}

#[apply(case!)]
async fn d24_ten_aliases_of_a_full_group_cost_little_memory() {
    let (_folder, server) = server();
    let mesh = server.mesh(KEY);
    let group = full_group(&mesh).await;
    let whole = mesh.executes(&query(&group, 1)).await;
    assert!(whole.text.len() > 3_600_000, "{:.300}", whole.text);
    let before = server.rss();
    let flood = async {
        for _ in 0..20 {
            let reply = mesh.executes(&query(&group, 10)).await;
            let message = "The answer is larger than 5242880 bytes: ask for less at once";
            reply.is_refused("LimitExceeded", message);
        }
    };
    let others = async {
        for i in 0..20 {
            group.node("other").reports([("n", &i.to_string())]).await;
        }
    };
    tokio::join!(flood, others);
    let grown = server.rss().saturating_sub(before);
    assert!(grown < 60 * MB, "{grown}");
    let peak = server.peak_rss().saturating_sub(before);
    assert!(peak < 100 * MB, "{peak}");
}

#[apply(case!)]
async fn d24_the_answers_to_a_client_that_reads_nothing_are_bounded() {
    let (_folder, server) = server();
    let mesh = server.mesh(KEY);
    let group = full_group(&mesh).await;
    let before = server.rss();
    let body = json!({"query": query(&group, 1)}).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: mesh\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = TcpStream::connect(mesh.address()).expect("a connection");
        socket.set_nonblocking(true).expect("a socket");
        // As many as the server's system accepts: no answer is read.
        for _ in 0..200 {
            if socket.write_all(request.as_bytes()).is_err() {
                break;
            }
        }
        sockets.push(socket);
    }
    // Others are served, each after many answers of the flood.
    for i in 0..20 {
        group.node("other").reports([("n", &i.to_string())]).await;
        assert!(mesh.executes(&query(&group, 1)).await.text.len() > 3_600_000);
    }
    let grown = server.rss().saturating_sub(before);
    assert!(
        grown < 120 * MB,
        "eight answers and what is on its way: {grown}"
    );
    drop(sockets);
}

#[cfg(feature = "bench")]
#[apply(case!)]
async fn d24_the_streams_of_one_connection_share_a_bound() {
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let (_folder, server) = server();
    let mesh = server.mesh(KEY);
    let group = full_group(&mesh).await;
    let before = server.rss();
    let stream = tokio::net::TcpStream::connect(mesh.address()).await;
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1024 * 64)
        .initial_connection_window_size(1024 * 64)
        .handshake(TokioIo::new(stream.expect("a connection")))
        .await
        .expect("HTTP/2");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let body = json!({"query": query(&group, 1)}).to_string();
    let mut answers = Vec::new();
    for _ in 0..60 {
        sender.ready().await.expect("a stream");
        let request = hyper::Request::post("http://mesh/graphql")
            .header("x-api-key", KEY)
            .header("content-type", "application/json")
            .body(Body::from(body.clone()))
            .expect("a request");
        let answer = sender.send_request(request).await;
        answers.push(answer.expect("an answer's head"));
    }
    let grown = server.rss().saturating_sub(before);
    assert!(grown < 60 * MB, "{grown}");
    let lengths: Vec<u64> = answers
        .iter()
        .map(|answer| hyper::body::Body::size_hint(answer.body()).lower())
        .collect();
    let large = lengths.iter().filter(|length| **length > 1_000_000).count();
    assert_eq!(large, 2, "8 MB hold two answers: {lengths:?}");
    // Once the unread answers are read, more follow.
    let read = answers
        .into_iter()
        .map(|answer| answer.into_body().collect());
    let mut texts = futures_util::future::join_all(read).await;
    let last = texts.pop().expect("an answer").expect("a body").to_bytes();
    let last = String::from_utf8_lossy(&last);
    assert!(last.contains("LimitExceeded"), "{last:.300}");
    let request = hyper::Request::post("http://mesh/graphql")
        .header("x-api-key", KEY)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a request");
    let again = sender.send_request(request).await.expect("an answer");
    let again = again.into_body().collect().await.expect("a body");
    assert!(again.to_bytes().len() > 3_600_000);
    tasks.shutdown().await;
}
