//! Bearer tokens of a sign-in service, beside API keys.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::issuer::{Signer, TestIssuer, part, seconds_from_now};
use crate::support::mesh::TIMEOUT;
use crate::support::program::{Server, folder, runs, utf8};
use crate::support::socket::upgrade;
use crate::support::{Reply, Socket, documents};

const KEY: &str = "da2-of-every-client";
const QUERY: &str = "{ __typename }";
const WRONG: &str = "You are not authorized to make this call.";

/// The program with tokens of this service, and the folder that it works in.
fn starts(issuer: &TestIssuer, more: &[(&str, &str)]) -> (Server, tempfile::TempDir) {
    let folder = folder();
    let settings = [
        ("MESH_API_KEYS", KEY),
        ("MESH_STORE", "memory"),
        ("MESH_OIDC_ISSUER", issuer.url.as_str()),
        ("MESH_OIDC_AUDIENCE", "mesh,editor"),
        ("MESH_OIDC_LEEWAY_SECONDS", "0"),
        ("MESH_OIDC_RETRY_SECONDS", "1"),
        ("MESH_OIDC_TIMEOUT_SECONDS", "2"),
        ("MESH_KEEP_ALIVE_SECONDS", "1"),
    ];
    let server = Server::start(folder.path(), &[&settings[..], more].concat());
    (server, folder)
}

async fn asks(server: &Server, authorization: &str) -> Reply {
    let mesh = server.mesh("");
    let request = mesh.http().post(&mesh.endpoint);
    let request = request.header("authorization", authorization);
    Reply::to(request.json(&json!({"query": QUERY}))).await
}

async fn asks_with_key(server: &Server) -> Reply {
    server.mesh(KEY).posts(&json!({"query": QUERY})).await
}

#[apply(case!)]
async fn tokens_of_each_algorithm_are_accepted_with_bearer_and_alone() {
    let signers = [Signer::rs256("r"), Signer::es256("e"), Signer::eddsa("d")];
    let issuer = TestIssuer::start(&signers.each_ref()).await;
    let (server, _folder) = starts(&issuer, &[]);
    for signer in &signers {
        let token = signer.token(&issuer.claims(&json!({})));
        for header in [format!("Bearer {token}"), format!("bearer {token}"), token] {
            let reply = asks(&server, &header).await;
            assert_eq!(reply.value(), "Query", "{}", signer.algorithm());
        }
    }
    let mut cognito = issuer.claims(&json!({"client_id": "editor", "token_use": "access"}));
    cognito.as_object_mut().expect("claims").remove("aud");
    let reply = asks(&server, &signers[0].token(&cognito)).await;
    assert_eq!(reply.value(), "Query", "an access token of Cognito");
    assert_eq!(asks_with_key(&server).await.value(), "Query");
    assert!(issuer.fetches() <= 2, "{} fetches", issuer.fetches());
    let log = server.log();
    assert!(log.contains("signing keys fetched"), "{log}");
}

/// Tokens that no server may accept, with what is wrong with them.
fn wrong_tokens(issuer: &TestIssuer, rsa: &Signer, ec: &Signer) -> Vec<(&'static str, String)> {
    let claims = |more: Value| issuer.claims(&more);
    let right = rsa.token(&claims(json!({})));
    let (message, _) = right.rsplit_once('.').expect("a token");
    let none = json!({"alg": "none", "typ": "JWT"});
    let unsigned = format!("{}.{}.", part(&none), part(&claims(json!({}))));
    // Who takes a public key for a shared secret accepts what anyone can make.
    let confused = {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let header = part(&json!({"alg": "HS256", "kid": rsa.id}));
        let message = format!("{header}.{}", part(&claims(json!({}))));
        let secret = rsa.jwk().to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(message.as_bytes());
        let signature = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
        format!("{message}.{signature}")
    };
    let mislabelled = json!({"alg": "ES256", "kid": rsa.id});
    let endless = {
        let mut claims = claims(json!({}));
        claims.as_object_mut().expect("claims").remove("exp");
        rsa.token(&claims)
    };
    vec![
        (
            "issuer",
            rsa.token(&claims(json!({"iss": "http://127.0.0.1:1/pool"}))),
        ),
        ("audience", rsa.token(&claims(json!({"aud": "another"})))),
        (
            "past its end",
            rsa.token(&claims(json!({"exp": seconds_from_now(-5)}))),
        ),
        (
            "not valid yet",
            rsa.token(&claims(json!({"nbf": seconds_from_now(60)}))),
        ),
        ("no JSON Web Token", endless),
        ("no JSON Web Token", unsigned),
        ("algorithm", confused),
        ("key", rsa.signs(&mislabelled, &claims(json!({})))),
        (
            "signature",
            format!("{message}.{}", BASE64URL_NOPAD.encode(&[0; 256])),
        ),
        (
            "signature",
            ec.signs(&json!({"alg": "RS256", "kid": rsa.id}), &claims(json!({}))),
        ),
        ("no JSON Web Token", "not-a-token".into()),
        ("no JSON Web Token", "a".repeat(20_000)),
    ]
}

#[apply(case!)]
async fn a_wrong_token_is_refused_like_a_wrong_key() {
    let (rsa, ec) = (Signer::rs256("r"), Signer::es256("e"));
    let issuer = TestIssuer::start(&[&rsa, &ec]).await;
    let (server, _folder) = starts(&issuer, &[]);
    for (what, token) in wrong_tokens(&issuer, &rsa, &ec) {
        let reply = asks(&server, &format!("Bearer {token}")).await;
        reply.is_rejected(401, "UnauthorizedException", WRONG);
        let hint = reply.json["errors"][0]["hint"].as_str().expect("a hint");
        assert!(hint.contains(what), "{what}: {hint}");
        for word in ["not found", "expired", "unauthorized", "503"] {
            assert!(!hint.to_lowercase().contains(word), "{hint}");
        }
    }
    // Other schemes are none of ours.
    for scheme in [
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256 Credential=x, Signature=y",
    ] {
        let reply = asks(&server, scheme).await;
        let message = "Valid authorization header not provided.";
        reply.is_rejected(401, "UnauthorizedException", message);
    }
    // A key beside a token counts.
    let mesh = server.mesh(KEY);
    let request = mesh.http().post(&mesh.endpoint).header("x-api-key", KEY);
    let request = request.header("authorization", "Bearer wrong");
    let reply = Reply::to(request.json(&json!({"query": QUERY}))).await;
    assert_eq!(reply.value(), "Query");
}

/// A socket with a token where AppSync's clients put it.
async fn opens(server: &Server, token: &str, in_protocol: bool) -> Socket {
    let mesh = server.mesh("");
    let header = json!({"Authorization": token, "host": mesh.address()}).to_string();
    let request = if in_protocol {
        let header = BASE64URL_NOPAD.encode(header.as_bytes());
        upgrade(
            &mesh,
            "/graphql/realtime",
            &format!("graphql-ws,header-{header}"),
        )
    } else {
        let header = BASE64.encode(header.as_bytes());
        let path = format!("/graphql/realtime?header={header}&payload=e30=");
        upgrade(&mesh, &path, "graphql-ws")
    };
    Socket::open(request).await
}

/// Starts a subscription with a token of its own, or without one.
async fn starts_with(socket: &mut Socket, id: &str, group: &Value, token: Option<&str>) -> Value {
    let data = json!({"query": documents::of("onMessageInGroup"), "variables": group});
    let authorization = token.map(|token| json!({"Authorization": token, "host": "h"}));
    let extensions = authorization.map_or(json!({}), |it| json!({"authorization": it}));
    let payload = json!({"data": data.to_string(), "extensions": extensions});
    socket
        .sends(&json!({"id": id, "type": "start", "payload": payload}))
        .await;
    socket.receives().await
}

#[apply(case!)]
async fn websockets_take_tokens_where_clients_put_them() {
    let signer = Signer::es256("e");
    let issuer = TestIssuer::start(&[&signer]).await;
    let (server, _folder) = starts(&issuer, &[]);
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let token = signer.token(&issuer.claims(&json!({})));
    let ids = group.and(json!({}));
    for in_protocol in [true, false] {
        let mut socket = opens(&server, &token, in_protocol).await;
        socket.is_acknowledged().await;
        let ack = starts_with(&mut socket, "1", &ids, Some(&token)).await;
        assert_eq!(ack["type"], "start_ack");
        let refused = starts_with(&mut socket, "2", &ids, Some("a.b.c")).await;
        assert_eq!(
            refused["payload"]["errors"][0]["errorType"],
            "UnauthorizedException"
        );
        group.hosting_node().fires(["on"]).await;
        assert_eq!(socket.receives().await["type"], "data");
    }
    for payload in [
        json!({"Authorization": format!("Bearer {token}")}),
        json!({"headers": {"authorization": token}}),
    ] {
        let mut socket = Socket::open(upgrade(&mesh, "/graphql", "graphql-transport-ws")).await;
        socket
            .sends(&json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(socket.receives_any().await["type"], "connection_ack");
    }
    let mut wrong = opens(&server, "a.b.c", true).await;
    wrong.sends(&json!({"type": "connection_init"})).await;
    let error = wrong.receives_any().await;
    assert_eq!(error["payload"]["errors"][0]["message"], WRONG);
    assert_eq!(wrong.is_closed().await, 4401);
}

#[apply(case!)]
async fn a_socket_outlives_its_token_and_starts_nothing_without_a_new_one() {
    let signer = Signer::eddsa("d");
    let issuer = TestIssuer::start(&[&signer]).await;
    let (server, _folder) = starts(&issuer, &[]);
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let ids = group.and(json!({}));
    let short = signer.token(&issuer.claims(&json!({"exp": seconds_from_now(3)})));
    let mut appsync = opens(&server, &short, true).await;
    appsync.is_acknowledged().await;
    let ack = starts_with(&mut appsync, "1", &ids, Some(&short)).await;
    assert_eq!(ack["type"], "start_ack");
    let mut transport = Socket::open(upgrade(&mesh, "/graphql", "graphql-transport-ws")).await;
    let init = json!({"type": "connection_init", "payload": {"authorization": short}});
    transport.sends(&init).await;
    assert_eq!(transport.receives_any().await["type"], "connection_ack");
    while asks(&server, &short).await.status == 200 {
        sleep(Duration::from_millis(100)).await;
    }
    let refused = starts_with(&mut appsync, "2", &ids, None).await;
    assert_eq!(refused["type"], "error");
    // Some keep-alives later.
    sleep(Duration::from_millis(2500)).await;
    group.hosting_node().fires(["on"]).await;
    assert_eq!(appsync.receives().await["type"], "data");
    let fresh = signer.token(&issuer.claims(&json!({})));
    let ack = starts_with(&mut appsync, "3", &ids, Some(&fresh)).await;
    assert_eq!(ack["type"], "start_ack");
    let ack = starts_with(&mut appsync, "4", &ids, None).await;
    assert_eq!(ack["type"], "start_ack", "the connection has the new token");
    let payload = json!({"query": QUERY});
    transport
        .sends(&json!({"id": "1", "type": "subscribe", "payload": payload}))
        .await;
    assert_eq!(transport.is_closed().await, 4403);
}

#[apply(case!)]
async fn rotated_keys_are_fetched_for_the_first_token_that_needs_them() {
    let (old, new) = (Signer::es256("old"), Signer::rs256("new"));
    let issuer = TestIssuer::start(&[&old]).await;
    let (server, _folder) = starts(&issuer, &[]);
    let token = |signer: &Signer| signer.token(&issuer.claims(&json!({})));
    assert_eq!(asks(&server, &token(&old)).await.status, 200);
    issuer.has(&[&new]);
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(asks(&server, &token(&new)).await.status, 200, "at once");
    assert_eq!(asks(&server, &token(&old)).await.status, 401);
    // A WebSocket waits for them too.
    issuer.has(&[&old]);
    sleep(Duration::from_millis(1200)).await;
    let mut socket = opens(&server, &token(&old), true).await;
    socket.is_acknowledged().await;
    // And in connection_init and start.
    issuer.has(&[&new]);
    sleep(Duration::from_millis(1200)).await;
    let mesh = server.mesh(KEY);
    let mut transport = Socket::open(upgrade(&mesh, "/graphql", "graphql-transport-ws")).await;
    let payload = json!({"authorization": token(&new)});
    transport
        .sends(&json!({"type": "connection_init", "payload": payload}))
        .await;
    assert_eq!(transport.receives_any().await["type"], "connection_ack");
    issuer.has(&[&old]);
    sleep(Duration::from_millis(1200)).await;
    let group = mesh.host("teacher").creates("class").await;
    let ids = group.and(json!({}));
    let ack = starts_with(&mut socket, "1", &ids, Some(&token(&old))).await;
    assert_eq!(ack["type"], "start_ack");
}

#[apply(case!)]
async fn a_flood_of_unknown_keys_asks_the_service_seldom_and_delays_no_one() {
    let (signer, stranger) = (Signer::eddsa("d"), Signer::eddsa("x"));
    let issuer = TestIssuer::start(&[&signer]).await;
    let (server, _folder) = starts(&issuer, &[("MESH_OIDC_RETRY_SECONDS", "2")]);
    assert_eq!(asks_with_key(&server).await.status, 200);
    let claims = issuer.claims(&json!({}));
    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        let header = json!({"alg": "EdDSA", "kid": format!("unknown-{asked}")});
        let reply = asks(&server, &stranger.signs(&header, &claims)).await;
        assert_eq!(reply.status, 401);
        asked += 1;
    }
    let fetches = issuer.fetches();
    assert!(fetches <= 4, "{fetches} fetches for {asked} tokens");
    assert!(
        asked > 2 * fetches,
        "{asked} tokens waited for {fetches} fetches"
    );
    assert_eq!(asks(&server, &signer.token(&claims)).await.status, 200);
}

#[apply(case!)]
async fn an_unreachable_service_holds_up_no_caller_with_a_key() {
    let signer = Signer::eddsa("d");
    let issuer = TestIssuer::start(&[&signer]).await;
    issuer.fails(true);
    let (server, _folder) = starts(&issuer, &[]);
    let token = signer.token(&issuer.claims(&json!({})));
    let begun = Instant::now();
    assert_eq!(asks_with_key(&server).await.status, 200);
    let refused = asks(&server, &token).await;
    refused.is_rejected(401, "UnauthorizedException", WRONG);
    let hint = refused.json["errors"][0]["hint"].as_str().expect("a hint");
    assert!(hint.contains("could not be fetched yet"), "{hint}");
    assert!(begun.elapsed() < TIMEOUT / 2);
    issuer.fails(false);
    while asks(&server, &token).await.status != 200 {
        assert!(begun.elapsed() < TIMEOUT, "{}", server.log());
        sleep(Duration::from_millis(100)).await;
    }
    // Once known, the keys stay.
    issuer.fails(true);
    let unknown = Signer::eddsa("x").token(&issuer.claims(&json!({})));
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(asks(&server, &unknown).await.status, 401);
    assert_eq!(asks(&server, &token).await.status, 200);
    let warnings = server
        .log()
        .matches("cannot fetch the signing keys")
        .count();
    assert!((1..=2).contains(&warnings), "{}", server.log());
}

#[apply(case!)]
async fn a_check_fetches_the_signing_keys_and_says_what_to_do() {
    let signer = Signer::es256("e");
    let issuer = TestIssuer::start(&[&signer]).await;
    let check = async |issuer: &str| {
        let issuer = format!("--oidc-issuer={issuer}");
        let checked = move || {
            let arguments = ["check", &issuer, "--oidc-audience=a"];
            runs(folder().path(), &arguments)
        };
        let output = tokio::task::spawn_blocking(checked).await.expect("an end");
        (output.status.success(), utf8(&output.stderr))
    };
    let (usable, said) = check(&issuer.url).await;
    assert!(usable && !said.contains("signing keys"), "{said}");
    assert_eq!(issuer.fetches(), 1);
    let (usable, said) = check(&format!("{}/", issuer.url)).await;
    assert!(!usable && said.contains("another issuer"), "{said}");
    issuer.fails(true);
    let (usable, said) = check(&issuer.url).await;
    assert!(!usable && said.contains("answered 503"), "{said}");
    let (usable, said) = check("http://127.0.0.1:9/pool").await;
    assert!(usable, "a server starts without them: {said}");
    assert!(
        said.contains("note: cannot fetch the signing keys") && said.contains("MESH_OIDC_ISSUER"),
        "{said}"
    );
}

#[apply(case!)]
fn settings_of_tokens_that_cannot_work_are_refused() {
    let folder = folder();
    let issuer = "--oidc-issuer=https://sign-in.example";
    for (arguments, named) in [
        (&[issuer][..], "--oidc-audience"),
        (
            &["--oidc-issuer=http://sign-in.example", "--oidc-audience=a"],
            "https://",
        ),
        (
            &[
                issuer,
                "--oidc-audience=a",
                "--oidc-jwks-url=http://x.example",
            ],
            "MESH_OIDC_JWKS_URL",
        ),
        (
            &[issuer, "--oidc-audience=a", "--oidc-algorithms=HS256"],
            "RS256",
        ),
        (
            &[issuer, "--oidc-audience=a", "--oidc-algorithms=none"],
            "RS256",
        ),
        (
            &[issuer, "--oidc-audience=a", "--oidc-teachers=teachers"],
            "cognito:groups=teachers",
        ),
    ] {
        let output = runs(folder.path(), &[&["check"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        let said = utf8(&output.stderr);
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
    // Tokens alone will do in production.
    let arguments = [
        "check",
        "--stage=prod",
        "--secret-key=0123456789abcdef0123",
        issuer,
        "--oidc-audience=a",
    ];
    let output = runs(folder.path(), &arguments);
    assert!(output.status.success(), "{}", utf8(&output.stderr));
}
