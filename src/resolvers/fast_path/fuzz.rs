//! The same requests on two meshes of the same state and time, one with the fast path and one
//! without: the answers and the published messages are equal, byte by byte.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::fuzz::fixture::{Fixture, Recorder};
use crate::fuzz::{Fuzz, Outcome};
use crate::hub::Subscription;
use crate::resolvers::DocumentLimits;
use crate::resolvers::document::Document;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::run::Runner;

/// Everything of a message.
const MESSAGES: &str = r#"{"query":"subscription { onMessageInGroup(groupId: \"GROUP\", domain: \"domain\") { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } batchEvent { events { name firedByNodeId groupId domain payload timestamp cursor orderKey } firedByNodeId groupId domain timestamp } groupDissolve { groupId domain message } } }"}"#;

/// A mesh and what runs on it.
struct Side {
    fixture: Fixture,
    runner: Runner,
}

/// A request with the ids of one mesh.
struct Request<'a> {
    request: GraphQlRequest<'a>,
    document: Document,
}

impl Side {
    fn new(fixture: Fixture) -> Self {
        let (mesh, limits) = (Arc::clone(&fixture.mesh), DocumentLimits::default());
        Self {
            fixture,
            runner: Runner::new(mesh, limits, TaskTracker::new()),
        }
    }

    fn parse<'a>(&self, body: &'a [u8]) -> Option<Request<'a>> {
        let request = GraphQlRequest::parse(body)?;
        let document = self.runner.documents().get(&request).ok()?;
        // The two meshes make groups of different ids.
        let compares = !request.query.contains("createGroup");
        compares.then_some(Request { request, document })
    }

    async fn on_engine(&self, Request { request, document }: Request<'_>) -> Option<Vec<u8>> {
        let variables = request.variables()?;
        document.check_variables(&variables).ok()?;
        let response = self
            .runner
            .execute_on_engine(document, variables, Caller::default())
            .await;
        Some(self.fixture.answer(&response.text))
    }

    async fn on_fast_path(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let response = self
            .runner
            .execute_on_fast_path(&request.document, &request.request, Caller::default())
            .await?;
        Some(self.fixture.answer(&response.text))
    }

    async fn subscribe(&self) -> (Arc<Recorder>, Subscription) {
        let body = self
            .fixture
            .line(MESSAGES.as_bytes())
            .await
            .expect("a request");
        let Request { document, .. } = self.parse(&body).expect("a document");
        let target = self.runner.subscribe(
            &document,
            async_graphql::Variables::default(),
            Caller::default(),
        );
        let target = target.await.expect("a subscription");
        self.fixture.subscribe(&target.group, target.selection)
    }

    fn messages(&self, recorder: &Recorder) -> Vec<Vec<u8>> {
        self.fixture.mesh.hub.flush();
        let messages: Vec<Bytes> = recorder.take();
        messages
            .iter()
            .map(|message| self.fixture.answer(message))
            .collect()
    }
}

/// An answer of the engine with its errors in one order: it finds them in that of a hash map.
fn sorted(answer: &[u8]) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(answer).expect("JSON");
    if let Some(errors) = answer.get_mut("errors").and_then(Value::as_array_mut) {
        errors.sort_by_key(ToString::to_string);
    }
    answer.to_string().into_bytes()
}

async fn target([fast, engine]: &mut [Side; 2], input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let subscribed = [fast.subscribe().await, engine.subscribe().await];
    // A document runs on the fast path once the engine has executed it.
    for line in input
        .split(|byte| *byte == b'\n')
        .chain(input.split(|byte| *byte == b'\n'))
    {
        // Their clocks are two, and time passes on both.
        let (ours, theirs) = (
            fast.fixture.line(line).await,
            engine.fixture.line(line).await,
        );
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            continue;
        };
        let (Some(ours), Some(theirs)) = (fast.parse(&ours), engine.parse(&theirs)) else {
            continue;
        };
        let (answer, kind) = match fast.on_fast_path(&ours).await {
            Some(answer) => (Some(answer), "fast"),
            None => (fast.on_engine(ours).await, "engine"),
        };
        let expected = engine.on_engine(theirs).await;
        let (ours, theirs) = match kind {
            "fast" => (answer.clone(), expected),
            _ => (
                answer.as_deref().map(sorted),
                expected.as_deref().map(sorted),
            ),
        };
        let text =
            |answer: Option<Vec<u8>>| answer.map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(text(ours), text(theirs), "{kind}: {}", line.escape_ascii());
        let [ours, theirs] = &subscribed;
        assert_eq!(
            fast.messages(&ours.0),
            engine.messages(&theirs.0),
            "{kind}: {}",
            line.escape_ascii()
        );
        if let Some(answer) = answer {
            outcome.passed(kind);
            outcome.answered(&serde_json::from_slice(&answer).expect("JSON"));
        }
    }
    drop(subscribed);
    for side in [fast, engine] {
        side.fixture.end().await;
        side.fixture.begin().await;
    }
    outcome
}

#[test]
fn fast_path() {
    let fuzz = Fuzz {
        target: "fast_path",
        tokens: "requests",
        kinds: &["fast", "engine"],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut sides = runtime.block_on(Fixture::pair()).map(Side::new);
    fuzz.run(|input| runtime.block_on(target(&mut sides, input)));
}
