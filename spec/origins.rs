//! The list of pages that may call.

use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::support::program::{Server, folder, runs, utf8};
use crate::support::socket::{header_in_query, upgrade};
use crate::support::{Reply, Socket, TestMesh};

const KEY: &str = "da2-of-every-client";
const EDITOR: &str = "https://editor.example";
const OTHER: &str = "https://evil.example";

fn starts(folder: &std::path::Path) -> Server {
    let settings = [
        ("MESH_API_KEYS", KEY),
        ("MESH_STORE", "memory"),
        ("MESH_ALLOWED_ORIGINS", "https://Editor.example:443,null"),
    ];
    Server::start(folder, &settings)
}

async fn asks(mesh: &TestMesh, method: Method, origin: Option<&str>) -> Reply {
    let mut request = mesh.http().request(method.clone(), &mesh.endpoint);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if method == Method::OPTIONS {
        let request = request.header("access-control-request-method", "POST");
        return Reply::to(request.header("access-control-request-headers", "x-api-key")).await;
    }
    let request = request.header("x-api-key", KEY);
    Reply::to(request.json(&json!({"query": "{ __typename }"}))).await
}

#[apply(case!)]
async fn only_pages_of_the_list_may_call() {
    let folder = folder();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    for method in [Method::OPTIONS, Method::POST] {
        for origin in [EDITOR, "null"] {
            let reply = asks(&mesh, method.clone(), Some(origin)).await;
            assert_eq!(reply.status, 200, "{method} {origin}: {}", reply.text);
            assert_eq!(reply.header("access-control-allow-origin"), origin);
            assert_eq!(reply.header("vary"), "origin");
        }
        let refused = asks(&mesh, method.clone(), Some(OTHER)).await;
        let message = "Pages of this origin may not call this server.";
        refused.is_rejected(403, "ForbiddenException", message);
        let hint = refused.json["errors"][0]["hint"].as_str().expect("a hint");
        assert!(hint.contains("MESH_ALLOWED_ORIGINS"), "{hint}");
        assert_eq!(refused.header("access-control-allow-origin"), "");
    }
    // Clients that are no browsers.
    let reply = asks(&mesh, Method::POST, None).await;
    assert_eq!(reply.value(), "Query");
}

#[apply(case!)]
async fn only_pages_of_the_list_open_websockets_and_need_no_key_for_the_upgrade() {
    let folder = folder();
    let server = starts(folder.path());
    let mesh = server.mesh(KEY);
    let query = header_in_query(&mesh, KEY);
    let request = |origin: Option<&str>, query: &str| {
        let mut request = upgrade(&mesh, &format!("/graphql/realtime{query}"), "graphql-ws");
        if let Some(origin) = origin {
            let origin = origin.parse().expect("a header");
            request.headers_mut().insert("origin", origin);
        }
        request
    };
    for origin in [Some(EDITOR), Some("null"), None] {
        // The editor's test of the network: an upgrade without credentials.
        Socket::open(request(origin, "")).await.breaks();
        Socket::open(request(origin, &query))
            .await
            .is_acknowledged()
            .await;
    }
    let refused = tokio_tungstenite::connect_async(request(Some(OTHER), &query)).await;
    let Err(Error::Http(response)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(response.status(), 403);
}

#[apply(case!)]
fn what_is_no_origin_is_refused_at_the_start() {
    let folder = folder();
    for origin in ["editor.example", "https://*.example", "https://x.example/a"] {
        let argument = format!("--allowed-origins={origin}");
        let output = runs(folder.path(), &["check", &argument]);
        let said = utf8(&output.stderr);
        assert!(
            !output.status.success() && said.contains("https://school.example"),
            "{said}"
        );
    }
}
