//! Fuzz target `cloud`: the session of a cloud socket, by the texts of its client and the messages
//! of its group. An input's lines are its texts; those that begin with `>` are keys that another
//! node reports.

use crate::cloud::session::{Action, Session};
use crate::fuzz::{Fuzz, Outcome};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;

fn node(id: &str) -> NodeId {
    NodeId::parse("nodeId", id).expect("a valid id")
}

fn status(id: &str, data: Vec<SensorData>) -> NodeStatus {
    NodeStatus {
        node: node(id),
        group: GroupKey::parse("g", "d").expect("a valid group"),
        data: data.into(),
        timestamp: Timestamp::from_millis(1),
    }
}

/// Every line for a client is one message with a value for a cloud variable.
fn check(text: &str) {
    for line in text.split('\n') {
        let message: serde_json::Value = serde_json::from_str(line).expect("JSON in each line");
        assert_eq!(message["method"], "set");
        let name = message["name"].as_str().expect("a name");
        assert!(name.starts_with("☁ ") && message["value"].is_string());
    }
}

fn run(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let Ok(input) = std::str::from_utf8(input) else {
        return outcome;
    };
    let mut session = Session::default();
    for line in input.lines() {
        if let Some(key) = line.strip_prefix('>') {
            let (key, value) = (key.to_owned(), key.to_owned());
            let text = session.on_status(&status("other", vec![SensorData { key, value }]));
            if let Some(text) = text {
                outcome.passed("news");
                check(&text);
            }
            continue;
        }
        for action in session.on_text(line) {
            match action {
                Action::Enter(handshake) => {
                    outcome.passed("a handshake");
                    assert!(!handshake.user.is_empty());
                    assert_eq!(session.on_entered(node("own"), Vec::new()), None);
                }
                Action::Rename { from, to } => {
                    outcome.passed("a rename");
                    assert!(!from.is_empty() && !to.is_empty());
                }
                Action::Close(close) => {
                    outcome.had(close.code);
                    return outcome;
                }
            }
        }
        let waiting = session.pending().len();
        if let Some(data) = session.pending().begin() {
            outcome.passed("a set");
            assert_eq!(data.len(), waiting);
            assert!(data.iter().all(|data| !data.key.is_empty()));
            session.pending().on_reported();
            assert_eq!(session.on_status(&status("own", data)), None);
        }
    }
    outcome
}

#[test]
fn a_session_answers_any_texts() {
    let fuzz = Fuzz {
        target: "cloud",
        tokens: "cloud",
        kinds: &["a handshake", "a set", "a rename", "news"],
    };
    fuzz.run(run);
}
