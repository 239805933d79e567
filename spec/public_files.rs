//! A folder of pages beside the API (`--public`).

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::json;

use crate::support::TestMesh;
use crate::support::program::{Server, folder, runs, utf8};
use crate::support::raw::Wire;
use crate::support::reply::Reply;

const KEY: &str = "da2-of-every-client";

struct Pages {
    _server: Server,
    mesh: TestMesh,
    url: String,
}

/// A server over a folder of an index page, a script, a picture with a Japanese name, a folder, and
/// files of other uses.
fn pages(folder: &Path, more: &[(&str, &str)]) -> Pages {
    let public = folder.join("public");
    for (file, text) in [
        ("index.html", "<title>lesson</title>"),
        ("app.js", "let answer = 42;"),
        ("ねこ.svg", "<svg/>"),
        ("game/index.html", "<title>game</title>"),
        ("empty/readme.txt", "no index here"),
        (".env", "MESH_API_KEYS=secret"),
        (".git/config", "secret"),
    ] {
        let path = public.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.join("outside.txt"), "secret").unwrap();
    let mut settings = vec![
        ("MESH_API_KEYS", KEY),
        ("MESH_STORE", "memory"),
        ("MESH_PUBLIC", "public"),
    ];
    settings.extend(more);
    let server = Server::start(folder, &settings);
    let mut lines = server.greeting.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("pages"));
    let url = line.and_then(|line| line.split_whitespace().next());
    let url = url.expect("where the pages are").to_owned();
    let mesh = TestMesh::at(&format!("{url}graphql"), KEY);
    Pages {
        _server: server,
        mesh,
        url,
    }
}

impl Pages {
    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Reply {
        let url = format!("{}{path}", self.url);
        let mut request = self.mesh.http().request(Method::GET, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::to(request).await
    }
}

#[apply(case!)]
async fn files_have_their_types_and_browsers_ask_whether_they_changed() {
    let folder = folder();
    let pages = pages(folder.path(), &[]);
    for (path, kind, text) in [
        ("", "text/html", "lesson"),
        ("index.html", "text/html", "lesson"),
        ("app.js", "text/javascript", "42"),
        ("%E3%81%AD%E3%81%93.svg", "image/svg+xml", "<svg/>"),
        ("game/", "text/html", "game"),
    ] {
        let reply = pages.get(path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("content-type").starts_with(kind), "{path}");
        assert!(reply.text.contains(text), "{path}: {}", reply.text);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-cache");
        let since = reply.header("last-modified");
        let again = pages.get(path, &[("if-modified-since", since)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
    let part = pages.get("app.js", &[("range", "bytes=4-9")]).await;
    assert_eq!((part.status, part.text.as_str()), (206, "answer"));
}

#[apply(case!)]
async fn hidden_files_and_files_outside_the_folder_are_not_served() {
    let folder = folder();
    let pages = pages(folder.path(), &[]);
    for path in [
        ".env",
        "%2eenv",
        ".git/config",
        "%2Egit/config",
        "empty/",
        "none.html",
    ] {
        let reply = pages.get(path, &[]).await;
        assert_eq!((reply.status, reply.text.as_str()), (404, ""), "{path}");
    }
    // Clients would tidy these paths before they send them.
    for path in [
        "/../outside.txt",
        "/game/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/..%5coutside.txt",
        "//outside.txt",
        "/%00",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut wire = Wire::to(&pages.mesh).await;
        wire.writes(request.as_bytes()).await;
        let reply = utf8(&wire.reads_to_the_end().await);
        assert!(
            !reply.contains("secret") && reply.starts_with("HTTP/1.1 40"),
            "{path}: {reply}"
        );
    }
}

#[apply(case!)]
async fn pages_find_the_api_at_their_own_origin_whatever_the_list_of_origins_says() {
    let folder = folder();
    let list = ("MESH_ALLOWED_ORIGINS", "https://editor.example");
    let pages = pages(folder.path(), &[list]);
    let origin = pages.url.trim_end_matches('/');
    let body = json!({"query": "{ __typename }"});
    let request = pages.mesh.http().post(&pages.mesh.endpoint);
    let request = request.header("origin", origin).header("x-api-key", KEY);
    let reply = Reply::to(request.json(&body)).await;
    assert_eq!(reply.value(), "Query");
    let group = pages.mesh.host("host").creates("lesson").await;
    let (mut subscriber, node) = (group.subscribe().await, group.join("pupil").await);
    node.fires(["start"]).await;
    assert_eq!(subscriber.events().await, ["start"]);
}

#[apply(case!)]
async fn the_extension_is_there_too_beside_the_folders_own_files() {
    let folder = folder();
    let own = folder.path().join("public/extension");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("own.js"), "ours").unwrap();
    let pages = pages(folder.path(), &[]);
    let config = pages.get("extension/config.json", &[]).await;
    assert_eq!(config.json, json!({"key": KEY}));
    assert_eq!(pages.get("extension/mesh.mjs", &[]).await.status, 200);
    assert_eq!(pages.get("extension/own.js", &[]).await.text, "ours");
}

#[apply(case!)]
async fn the_servers_own_pages_and_counters_are_not_on_that_port() {
    let folder = folder();
    let pages = pages(folder.path(), &[]);
    for path in ["metrics", "teach", "join/123456"] {
        assert_eq!(pages.get(path, &[]).await.status, 404, "{path}");
    }
}

#[apply(case!)]
fn a_folder_that_cannot_be_read_is_named() {
    let folder = folder();
    for command in ["serve", "check"] {
        let output = runs(
            folder.path(),
            &[command, "--public", "nowhere", "--listen", "0"],
        );
        let text = utf8(&output.stderr);
        assert!(
            !output.status.success() && text.contains("nowhere"),
            "{text}"
        );
        assert!(text.contains("--public"), "{text}");
    }
}

#[apply(case!)]
fn a_folder_with_the_servers_own_files_is_not_served() {
    let folder = folder();
    let own = [
        vec!["--public", "."],
        vec!["--public", "data"],
        vec![
            "--public",
            "tls",
            "--tls-self-signed",
            "tls/made",
            "--data",
            "../data",
        ],
    ];
    fs::create_dir_all(folder.path().join("data")).unwrap();
    fs::create_dir_all(folder.path().join("tls")).unwrap();
    for flags in own {
        for command in ["serve", "check"] {
            let arguments = [&[command, "--listen", "0"], &flags[..]].concat();
            let output = runs(folder.path(), &arguments);
            let text = utf8(&output.stderr);
            assert!(
                !output.status.success() && text.contains("keep them apart"),
                "{text}"
            );
        }
    }
}
