//! Any events: the function returns a value or an error, and no resolver panics. A line is an
//! event, or a batch.

use std::sync::Arc;

use super::*;
use crate::fuzz::fixture::Fixture;
use crate::fuzz::{Fuzz, Outcome};

struct Target {
    fixture: Fixture,
    handler: Handler,
}

impl Target {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let handler = Handler::new((*Arc::clone(&fixture.mesh)).clone());
        Self { fixture, handler }
    }

    async fn run(&mut self, input: &[u8]) -> Outcome {
        let mut outcome = Outcome::default();
        for line in input.split(|byte| *byte == b'\n') {
            let Some(line) = self.fixture.line(line).await else {
                continue;
            };
            let Ok(event) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            match self.handler.handle(event.clone()).await {
                Ok(Value::Array(items)) if event.is_array() => {
                    assert_eq!(Some(items.len()), event.as_array().map(Vec::len));
                    for item in &items {
                        assert!(item.get("data").is_some(), "{item}");
                        outcome.answered(item);
                    }
                    outcome.passed("batch");
                }
                Ok(value) => {
                    let error = &value["error"]["type"];
                    assert_ne!(error, "InternalFailure", "{value}");
                    outcome.passed(if error.is_string() {
                        "refusal"
                    } else {
                        "value"
                    });
                    outcome.had(error.as_str());
                    outcome.answered(&value);
                }
                Err(malformed) => outcome.had(std::mem::discriminant(&malformed)),
            }
        }
        self.fixture.end().await;
        self.fixture.begin().await;
        outcome
    }
}

#[test]
fn lambda() {
    let fuzz = Fuzz {
        target: "lambda",
        tokens: "lambda",
        kinds: &["value", "refusal", "batch"],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut target = runtime.block_on(Target::new());
    fuzz.run(|input| runtime.block_on(target.run(input)));
}
