//! What a function's metrics measure.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use tokio::net::TcpListener;

use super::*;
use crate::heartbeat::clock::Clock;
use crate::lambda::Emf;
use crate::lambda::appsync::{AppSync, Settings};
use crate::lambda::push::Push;
use crate::model::group::{EndReason, GroupKey};
use crate::model::message::{Dissolution, Message};
use crate::store::Publisher as _;

/// How long a push waits for an API that does not answer.
const WAIT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_calls_duration_includes_its_push() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let aws = SdkConfig::builder()
        .region(Region::from_static("ap-northeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let settings = Settings {
        url: format!("http://{}/graphql", listener.local_addr().unwrap()),
        attempts: 1,
        attempt_timeout: WAIT,
        message_timeout: WAIT,
    };
    let api = AppSync::new(settings, &aws, Clock::fixed()).unwrap();
    let push = Arc::new(Push::new(api));
    let group = GroupKey::parse("g", "d").unwrap();
    push.publish(Message::Dissolved(Dissolution::by_end(
        group,
        EndReason::HostSilent,
    )));
    let emf = Emf::new("stg", Duration::from_hours(1));
    let handler = fixture().handler.pushing(push).with_metrics(emf);
    let arguments = json!({"domain": "d"});
    let call = event("Query", "listGroupsByDomain", &arguments);
    let list = json!([call, call]);
    handler.handle(list).await.unwrap();
    let took = handler.emf.as_ref().unwrap().milliseconds();
    assert_eq!(took.len(), 2);
    assert!(
        took.iter().all(|millis| *millis >= 60.0),
        "{took:?}: both wait for the push"
    );
}
