//! Any requests, one after the other: each is answered with JSON in AppSync's format, and no
//! resolver panics. A line is a body, as over HTTP.

use async_graphql_parser::types::OperationType;
use serde_json::Value;

use super::*;
use crate::fuzz::fixture::{Fixture, Recorder};
use crate::fuzz::{Fuzz, Outcome};
use crate::hub::Subscription;

struct Target {
    fixture: Fixture,
    runner: Runner,
}

impl Target {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let (mesh, limits) = (Arc::clone(&fixture.mesh), DocumentLimits::default());
        Self {
            fixture,
            runner: Runner::new(mesh, limits, TaskTracker::new()),
        }
    }

    async fn run(&mut self, input: &[u8]) -> Outcome {
        let (mut outcome, mut subscriptions) = (Outcome::default(), Vec::new());
        for line in input.split(|byte| *byte == b'\n') {
            let Some(body) = self.fixture.line(line).await else {
                continue;
            };
            if let Some(subscription) = self.request(&body, &mut outcome).await {
                subscriptions.push(subscription);
            }
        }
        self.fixture.end().await;
        for (recorder, _subscription) in subscriptions {
            for message in recorder.take() {
                let message: Value = serde_json::from_slice(&message).expect("JSON");
                outcome.passed("message");
                outcome.answered(&message);
            }
        }
        self.fixture.begin().await;
        outcome
    }

    async fn request(
        &self,
        body: &[u8],
        outcome: &mut Outcome,
    ) -> Option<(Arc<Recorder>, Subscription)> {
        let request = GraphQlRequest::parse(body)?;
        let document = match self.runner.documents().get(&request) {
            Ok(document) => document,
            Err(error) => {
                outcome.had(std::mem::discriminant(&error));
                return None;
            }
        };
        if document.kind() == OperationType::Subscription {
            let variables = request.variables()?;
            document.check_variables(&variables).ok()?;
            return match self
                .runner
                .subscribe(&document, variables, Caller::default())
                .await
            {
                Ok(target) => {
                    outcome.passed("subscription");
                    Some(self.fixture.subscribe(&target.group, target.selection))
                }
                Err(errors) => {
                    assert!(!errors.is_empty());
                    None
                }
            };
        }
        let response = self
            .runner
            .execute(document, &request, Caller::default())
            .await?;
        let limit = self.runner.mesh().limits.response_bytes;
        assert!(
            response.text.len() <= limit,
            "{} bytes",
            response.text.len()
        );
        let answer: Value = serde_json::from_slice(&response.text).expect("JSON");
        let errors = answer
            .get("errors")
            .map(|errors| errors.as_array().expect("a list"));
        assert!(answer.get("data").is_some(), "{answer}");
        for error in errors.into_iter().flatten() {
            assert!(error["message"].is_string(), "{answer}");
            // Nothing fails in memory: a resolver panicked.
            assert_ne!(error["errorType"], "InternalFailure", "{answer}");
        }
        outcome.passed(if errors.is_none() {
            "answer"
        } else {
            "refusal"
        });
        outcome.answered(&answer);
        None
    }
}

#[test]
fn requests() {
    let fuzz = Fuzz {
        target: "requests",
        tokens: "requests",
        kinds: &["answer", "refusal", "subscription", "message"],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut target = runtime.block_on(Target::new());
    fuzz.run(|input| runtime.block_on(target.run(input)));
}
