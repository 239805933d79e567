//! Any requests for event streams, ids of operations and ids of events: what is sent for them
//! reads back as the same events.

use serde_json::{Value, json};

use crate::fuzz::{Fuzz, Outcome};
use crate::realtime::position::PositionRequest;
use crate::realtime::protocol::Dialect;
use crate::realtime::stream::request::StreamRequest;

/// The events of a text, as the published client and browsers read them.
fn events(text: &str) -> Vec<(String, Value)> {
    assert!(text.ends_with("\n\n") && !text.contains('\r'), "{text:?}");
    let blocks = text.trim_end_matches('\n').split("\n\n").map(|block| {
        let (event, data) = block.split_once('\n').expect("two lines");
        let event = event.strip_prefix("event: ").expect("an event");
        let data = data.strip_prefix("data:").expect("data");
        let data = serde_json::from_str(data).unwrap_or_default();
        (event.to_owned(), data)
    });
    blocks.collect()
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    let errors = vec![json!({"message": text})];
    let payload = json!({"data": null, "errors": errors});
    let refused = Dialect::SingleStream.error(&text, errors.clone());
    let expected = [
        ("next".into(), json!({"id": text, "payload": payload})),
        ("complete".into(), json!({"id": text})),
    ];
    assert_eq!(events(&refused), expected);
    let refused = Dialect::EventStream.error(&text, errors);
    let expected = [("next".into(), payload), ("complete".into(), Value::Null)];
    assert_eq!(events(&refused), expected);
    if let Some(position) = PositionRequest::of_events(Some(&text)).after
        && !position.epoch.is_empty()
    {
        outcome.passed("event id");
        let id = format!("{}:{}", position.epoch, position.offset);
        assert_eq!(PositionRequest::of_events(Some(&id)).after, Some(position));
    }
    let payload = serde_json::from_slice(input).unwrap_or_default();
    if let Some(request) = StreamRequest::parse(payload) {
        outcome.passed("request");
        outcome.had((request.operation_id.is_some(), &request.positions.is_ok()));
        match request.with_event_ids(None).positions {
            Ok(asked) => assert!(asked.is_some()),
            Err(wrong) => outcome.had(wrong),
        }
    }
    outcome
}

#[test]
fn event_streams() {
    let fuzz = Fuzz {
        target: "event_streams",
        tokens: "requests",
        kinds: &["event id", "request"],
    };
    fuzz.run(target);
}
