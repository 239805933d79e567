//! What browsers need of the HTTP server.

use reqwest::Method;
use serde_json::json;

use crate::support::{Reply, TestMesh};

#[apply(case!)]
async fn a_preflight_request_needs_no_key() {
    let mesh = TestMesh::start().await;
    let headers = "content-type,x-amz-user-agent,x-api-key";
    let preflight = mesh
        .http()
        .request(Method::OPTIONS, &mesh.endpoint)
        .header("origin", "https://smalruby.app")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", headers);
    let reply = Reply::to(preflight).await;
    assert!([200, 204].contains(&reply.status), "{}", reply.status);
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let allowed = reply.header("access-control-allow-headers").to_lowercase();
    for header in headers.split(',') {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }
    for method in ["POST", "GET", "OPTIONS"] {
        assert!(
            reply
                .header("access-control-allow-methods")
                .contains(method),
            "{method}"
        );
    }
    assert!(!reply.header("access-control-max-age").is_empty());
}

#[apply(case!)]
async fn a_browser_may_read_answers_and_errors() {
    let mesh = TestMesh::start().await;
    for key in [&*mesh.key, "wrong"] {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .header("x-api-key", key)
            .header("origin", "https://smalruby.app")
            .json(&json!({"query": "{ __typename }"}));
        let reply = Reply::to(request).await;
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{key}");
        let exposed = reply.header("access-control-expose-headers").to_lowercase();
        for header in ["x-amzn-requestid", "x-amzn-errortype"] {
            assert!(exposed.contains(header), "{header} in {exposed}");
        }
    }
}

#[apply(case!)]
async fn a_browser_gets_a_page_that_needs_no_other_host() {
    let mesh = TestMesh::own(|setup| setup.development_key = Some("da2-public-key")).await;
    let page = mesh.http().get(&mesh.endpoint);
    let reply = Reply::to(page.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/html"));
    assert!(
        reply.text.contains("da2-public-key"),
        "the development key is filled in"
    );
    let (mut assets, policy) = (0, reply.header("content-security-policy"));
    assert!(policy.contains("default-src 'self'"), "{policy}");
    for part in reply
        .text
        .split('"')
        .filter(|part| part.contains("assets/"))
    {
        let path = if part.starts_with('/') {
            part.to_owned()
        } else {
            format!("/graphql/{part}")
        };
        let path = path.replace("/graphql/graphql/", "/graphql/");
        let asset = Reply::to(mesh.http().get(format!("{}{path}", mesh.origin()))).await;
        assert_eq!(asset.status, 200, "{path}");
        assets += 1;
    }
    assert!(assets > 0, "{}", reply.text);
    assert!(
        !reply.text.contains("https://"),
        "nothing comes from elsewhere: {}",
        reply.text
    );
}

#[apply(case!)]
async fn the_page_of_a_server_with_configured_keys_shows_none() {
    let mesh = TestMesh::own(|_| {}).await;
    let page = Reply::to(
        mesh.http()
            .get(&mesh.endpoint)
            .header("accept", "text/html"),
    )
    .await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("da2-"), "{}", page.text);
}
