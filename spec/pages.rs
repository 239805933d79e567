//! The pages for people, as the server hands them out; `web/test` opens them in a browser.

use serde_json::{Value, json};

use crate::support::program::Server;
use crate::support::{Reply, TestMesh};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn get(mesh: &TestMesh, path: &str) -> Reply {
    let request = mesh.http().get(format!("{}{path}", mesh.origin()));
    Reply::to(request.header("accept", BROWSER)).await
}

#[apply(case!)]
async fn each_page_needs_no_other_host_and_runs_no_script_but_its_own() {
    let mesh = TestMesh::own(|_| {}).await;
    for (path, folder) in [
        ("/", "/"),
        ("/join", "/"),
        ("/join/3fa2b1", "/join/../"),
        ("/teach", "/"),
        ("/certificate", "/"),
    ] {
        let page = get(&mesh, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{path}"
        );
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(!page.text.contains("//"), "{}", page.text);
        let assets = page.text.split('"').filter(|part| part.contains("pages/"));
        let assets: Vec<_> = assets.collect();
        assert_eq!(
            assets.len(),
            3,
            "a script, a style sheet and an icon: {}",
            page.text
        );
        for asset in assets {
            let place = format!("{}{folder}{asset}", mesh.origin());
            let asset = Reply::to(mesh.http().get(&place)).await;
            assert_eq!(asset.status, 200, "{place}");
            assert_eq!(asset.header("x-content-type-options"), "nosniff");
        }
    }
    assert_eq!(get(&mesh, "/pages/nothing.js").await.status, 404);
}

#[apply(case!)]
async fn a_client_that_is_no_browser_gets_a_line_of_text() {
    let mesh = TestMesh::own(|_| {}).await;
    let reply = Reply::to(
        mesh.http()
            .get(format!("{}/", mesh.origin()))
            .header("accept", "*/*"),
    )
    .await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/plain"));
    assert_eq!(reply.text.lines().count(), 1, "{}", reply.text);
    assert!(reply.text.contains("/graphql"));
}

#[apply(case!)]
async fn the_pages_get_the_public_key_and_other_pages_no_addresses() {
    let mesh = TestMesh::own(|_| {}).await;
    let config = get(&mesh, "/pages/config.json").await;
    assert_eq!(config.header("cache-control"), "no-store");
    let config: Value = serde_json::from_str(&config.text).expect("JSON");
    assert_eq!(
        config,
        json!({"key": mesh.key, "addresses": [], "graphiql": true})
    );
}

#[apply(case!)]
async fn editors_of_any_origin_load_the_extension_and_its_key() {
    let mesh = TestMesh::own(|_| {}).await;
    let ask = |path: &str| {
        mesh.http()
            .get(format!("{}/extension/{path}", mesh.origin()))
            .header("origin", "https://turbowarp.org")
    };
    for (file, part) in [
        ("mesh.js", ".extensions.register("),
        ("mesh.mjs", "export{"),
    ] {
        let script = Reply::to(ask(file)).await;
        assert_eq!(script.status, 200, "{file}");
        assert_eq!(script.header("access-control-allow-origin"), "*");
        assert_eq!(script.header("cache-control"), "public, max-age=600");
        assert!(script.header("content-type").starts_with("text/javascript"));
        assert!(script.text.contains(part), "{part} in {file}");
        assert!(!script.text.contains("eval("), "{file}");
    }
    let config = Reply::to(ask("config.json")).await;
    assert_eq!(config.header("cache-control"), "no-store");
    assert_eq!(config.json, json!({"key": mesh.key}));
    assert_eq!(Reply::to(ask("nothing.js")).await.status, 404);
}

#[apply(case!)]
async fn a_key_says_its_role_and_a_wrong_one_has_none() {
    let mesh = TestMesh::own(|_| {}).await;
    let ask = |key: &str| {
        mesh.http()
            .get(format!("{}/whoami", mesh.origin()))
            .header("x-api-key", key)
    };
    let reply = Reply::to(ask(&mesh.key)).await;
    assert_eq!((reply.status, &*reply.text), (200, r#"{"role":"public"}"#));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(Reply::to(ask("da2-no-key")).await.status, 401);
}

#[apply(case!)]
async fn only_a_public_key_is_given_to_the_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("keys"),
        "staff teacher da2-of-a-teacher\n",
    )
    .expect("a key file");
    for (keys, given) in [
        ("da2-of-pupils", json!("da2-of-pupils")),
        ("da2-of-a-teacher", Value::Null),
    ] {
        let settings = [
            ("MESH_API_KEYS", keys),
            ("MESH_KEYS_FILE", "keys"),
            ("MESH_STORE", "memory"),
        ];
        let server = Server::start(folder.path(), &settings);
        let mesh = server.mesh("da2-of-a-teacher");
        let config: Value =
            serde_json::from_str(&get(&mesh, "/pages/config.json").await.text).expect("JSON");
        assert_eq!(
            config["key"], given,
            "a named key counts instead of an equal public one"
        );
        let role = mesh.http().get(format!("{}/whoami", mesh.origin()));
        let role = Reply::to(role.header("x-api-key", &mesh.key)).await;
        assert_eq!(role.text, r#"{"role":"teacher"}"#);
    }
}

#[apply(case!)]
async fn a_device_loads_the_authority_of_a_certificate_that_the_server_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        ("MESH_STORE", "memory"),
        ("MESH_TLS_LISTEN", "127.0.0.1:0"),
        ("MESH_TLS_SELF_SIGNED", "tls"),
        ("MESH_TLS_NAMES", "school.local,192.168.1.10"),
    ];
    let server = Server::start(folder.path(), &settings);
    assert!(server.greeting.contains("/certificate"));
    let mesh = server.mesh("da2-mesh-development");
    let file = get(&mesh, "/certificate/mesh-v2-ca.crt").await;
    assert_eq!(file.header("content-type"), "application/x-x509-ca-cert");
    let made = std::fs::read_to_string(folder.path().join("tls/ca.pem"));
    assert_eq!(file.text, made.expect("the authority"));
    let without = TestMesh::own(|_| {}).await;
    let file = get(&without, "/certificate/mesh-v2-ca.crt").await;
    assert_eq!(file.status, 404);
}

#[apply(case!)]
async fn a_server_may_have_no_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("MESH_PAGES", "false"), ("MESH_STORE", "memory")];
    let server = Server::start(folder.path(), &settings);
    assert!(!server.greeting.contains("open "), "{}", server.greeting);
    let mesh = server.mesh("da2-mesh-development");
    for path in [
        "/",
        "/teach",
        "/join",
        "/pages/config.json",
        "/whoami",
        "/extension/mesh.js",
        "/extension/client.mjs",
        "/extension/config.json",
    ] {
        assert_eq!(get(&mesh, path).await.status, 404, "{path}");
    }
    assert_eq!(get(&mesh, "/graphql").await.status, 200);
}
