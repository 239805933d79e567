//! The end of an event stream, with operations that have begun.

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::*;
use crate::auth::{ApiKeys, Caller, Credential};
use crate::fuzz::fixture::Fixture;
use crate::realtime::stream::operations::NotBegun;
use crate::realtime::stream::request::StreamRequest;
use crate::resolvers::DocumentLimits;

const KEY: &str = "da2-key";
const SUBSCRIBE: &str =
    "subscription { onMessageInGroup(groupId: \"GROUP\", domain: \"domain\") { domain } }";

fn stream(fixture: &Fixture) -> Arc<EventStream> {
    let mesh = Arc::clone(&fixture.mesh);
    let authenticator = Authenticator::new(ApiKeys::new([KEY]));
    let key = Credential::key(KEY);
    let grant = authenticator.check(Some(&key), mesh.clock.now()).unwrap();
    let context = StreamContext {
        runner: Runner::new(mesh, DocumentLimits::default(), TaskTracker::new()),
        limits: SocketLimits::default(),
        authenticator,
        grant,
        join_code: None,
        stop: CancellationToken::new(),
    };
    EventStream::new(context, Dialect::SingleStream)
}

#[tokio::test]
async fn a_subscription_that_is_late_for_its_stream_is_not_registered() {
    let fixture = Fixture::new().await;
    let stream = stream(&fixture);
    let document = SUBSCRIBE.replace("GROUP", fixture.group.id.as_str());
    let subscribe = |key| {
        let request = StreamRequest::parse(json!({"query": document})).unwrap();
        Arc::clone(&stream).execute(key, request, Caller::default())
    };
    let [first, late] = ["first", "late"].map(|id| stream.begin(id).unwrap().unwrap());
    subscribe(first).await;
    assert_eq!(fixture.mesh.hub.topics(), 1);
    drop(stream.reader());
    assert_eq!(stream.run().await, Ending::Left);
    assert_eq!(fixture.mesh.hub.topics(), 0);
    subscribe(late).await;
    assert_eq!(fixture.mesh.hub.topics(), 0);
    assert_eq!(stream.begin("next"), Err(NotBegun::Closed));
}
