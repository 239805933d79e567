//! The mutation with which the function pushes messages: nobody else may call it, and its
//! failure fails no call.

use std::time::{Duration, Instant};

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::lambda::appsync::{AppSync, Error, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::behind_appsync;
use crate::support::appsync::{OTHER_KEY, push_settings};
use crate::support::{Group, Reply, Setup, TestMesh};

/// The API as a caller with AWS credentials.
fn signing(endpoint: &str, key: &str, secret: &str) -> AppSync {
    let credentials = Credentials::new(key, secret, None, None, "spec");
    let aws = SdkConfig::builder()
        .region(Region::from_static("ap-northeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    AppSync::new(push_settings(endpoint), &aws, Clock::fixed()).expect("credentials")
}

/// A forged end of a group.
fn end(group: &Group<'_>) -> Value {
    let message = json!({"groupId": group.id, "domain": group.domain, "message": "over"});
    json!({"groupId": group.id, "domain": group.domain, "groupDissolve": message})
}

const FORGED: &str = "mutation ($message: MeshMessageInput!) {
    publishMessage(message: $message) { groupId domain groupDissolve { groupId domain message } }
}";

#[apply(case!)]
async fn only_the_function_publishes_messages() {
    let mesh = behind_appsync().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let end = end(&group);

    // By the API key, also under an alias and beside another field.
    let forged = mesh.executes_with(FORGED, json!({"message": end})).await;
    let message = "Not Authorized to access publishMessage on type Mutation";
    assert_eq!(forged.error(), ("Unauthorized".into(), message.into()));
    let beside = FORGED.replace("publishMessage", "createDomain a: publishMessage");
    let beside = mesh.executes_with(&beside, json!({"message": end})).await;
    assert_eq!(beside.error().0, "Unauthorized");
    // By the key as a bearer token, as a user of Cognito or OpenID Connect would come.
    let bearer = mesh
        .http()
        .post(&mesh.endpoint)
        .header("authorization", format!("Bearer {}", mesh.key));
    let body = json!({"query": FORGED, "variables": {"message": end}});
    let bearer = Reply::to(bearer.json(&body)).await;
    assert_eq!(bearer.status, 401);
    // By another role of the account, with a wrong secret, and with an unknown access key.
    let other = signing(&mesh.endpoint, OTHER_KEY, OTHER_KEY);
    let refused = Err(Error::Refused("Unauthorized".into()));
    assert_eq!(other.publish(&end).await, refused);
    for (key, secret) in [("local", "wrong"), ("nobody", "local")] {
        let unknown = signing(&mesh.endpoint, key, secret).publish(&end).await;
        assert_eq!(unknown, Err(Error::Status(403)));
    }
    group.node("kitten").fires(["go"]).await;
    assert_eq!(subscriber.events().await, ["go"], "nothing came before");

    let function = signing(&mesh.endpoint, "local", "local");
    function.publish(&end).await.expect("it is the function");
    assert_eq!(subscriber.dissolution().await, "over");
}

#[apply(case!)]
async fn a_client_cannot_send_the_schedules_event() {
    let mesh = behind_appsync().await;
    let reap = json!({"reap": true});
    let document = "mutation ($reap: Boolean) { createDomain(reap: $reap) }";
    let refused = mesh.executes_with(document, reap.clone()).await;
    assert!(refused.json["errors"][0]["message"].is_string());
    let body = json!({"query": "mutation { createDomain }", "reap": true, "variables": reap});
    let request = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key);
    let domain = Reply::to(request.json(&body)).await.value();
    assert!(domain.is_string(), "{domain}");
}

/// Two messages of half a second, with time for a busy machine: Lambda ends the function after 30 s.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(15);

/// A function that pushes to an API that fails, behind a working one.
async fn pushing_to(failing: &str) -> TestMesh {
    let settings = Settings {
        attempts: 2,
        attempt_timeout: Duration::from_millis(200),
        message_timeout: Duration::from_millis(500),
        ..push_settings(failing)
    };
    let setup = Setup {
        push_to: Some(settings),
        ..Setup::default()
    };
    TestMesh::on_appsync(setup, Clock::fixed()).await
}

#[apply(case!)]
async fn a_push_that_fails_is_given_up_in_time_and_fails_no_call() {
    // Nothing listens, and nothing answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    for port in [9, port] {
        let failing = format!("http://127.0.0.1:{port}/graphql");
        let mesh = pushing_to(&failing).await;
        let group = mesh.host("teacher").creates("class").await;
        let kitten = group.join_polling("kitten").await;
        let started = Instant::now();
        kitten.records(["stored"]).await;
        assert_eq!(group.events_since("").await.len(), 1, "{failing}");
        mesh.passes_seconds(61).await;
        let took = started.elapsed();
        assert!(took < GIVEN_UP_WITHIN, "{failing}: {took:?}");
        assert_eq!(group.renews().await.error().0, "GroupNotFound");
    }
}
