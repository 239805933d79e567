//! GET /metrics (docs/running.md, Metrics).

use serde_json::json;

use crate::support::{Reply, Socket, TestMesh};

/// The value of a metric, by its name with its labels.
pub async fn metric(mesh: &TestMesh, name: &str) -> u64 {
    let reply = Reply::to(mesh.http().get(format!("{}/metrics", mesh.origin()))).await;
    let mut lines = reply.text.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(known, _)| *known == name);
    let (_, value) = found.unwrap_or_else(|| panic!("{name} in {}", reply.text));
    value.parse().expect("a number")
}

#[apply(case!)]
async fn metrics_count_connections_by_protocol_and_name_nobody() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let kitten = group.join("kitten").await;
    kitten.fires(["meow"]).await;
    let appsync = group.subscribe().await;
    let transport = Socket::transport(&mesh).await;
    assert_eq!(
        metric(&mesh, "mesh_sockets{protocol=\"graphql-ws\"}").await,
        1
    );
    assert_eq!(
        metric(&mesh, "mesh_sockets{protocol=\"graphql-transport-ws\"}").await,
        1
    );
    assert!(metric(&mesh, "mesh_connections").await >= 3);
    let reply = Reply::to(mesh.http().get(format!("{}/metrics", mesh.origin()))).await;
    assert!(
        reply
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    assert!(reply.text.ends_with("# EOF\n"));
    for secret in [
        &*group.id,
        &group.domain,
        "teacher",
        "kitten",
        "meow",
        "127.0.0.1",
        &mesh.key,
    ] {
        assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
    }
    drop((appsync, transport));
}

#[apply(case!)]
async fn metrics_behind_a_proxy_need_a_key() {
    let mesh = TestMesh::own(|_| {}).await;
    let get = |key: &str| {
        let request = mesh.http().get(format!("{}/metrics", mesh.origin()));
        request
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-api-key", key)
    };
    let refused = Reply::to(get("da2-wrong")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("x-amzn-errortype"), "UnauthorizedException");
    let shown = Reply::to(get(&mesh.key)).await;
    assert_eq!(shown.status, 200);
    assert!(
        shown.text.contains("mesh_connections "),
        "{}",
        json!(shown.text)
    );
}
