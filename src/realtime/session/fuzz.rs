//! Any texts on a socket of any protocol: the session answers as its protocol says. The first
//! line names the subprotocol and the key of the upgrade; `!response`, `!rejected` and `!ended`
//! are outcomes of the oldest operation.

use std::collections::VecDeque;

use serde_json::json;

use super::*;
use crate::auth::ApiKeys;
use crate::fuzz::{Fuzz, Outcome};

struct Client {
    session: Session,
    protocol: Subprotocol,
    running: VecDeque<(OperationKey, Dialect)>,
    closed: bool,
    previous: String,
}

impl Client {
    fn new(upgrade: &str) -> Self {
        let mut words = upgrade.split_whitespace();
        let offer = Offer::parse(words.by_ref().take(1));
        let limits = SocketLimits {
            operations: 3,
            ..SocketLimits::default()
        };
        let key = words
            .next()
            .map(|word| Credential::key(word.replace("key", "da2-key")));
        let authenticator = Authenticator::new(ApiKeys::new(["da2-key"]));
        Self {
            session: Session::new(offer, authenticator, Clock::fixed(), limits, key),
            protocol: match offer {
                Offer::Known(protocol) => protocol,
                Offer::Nothing | Offer::Unknown => Subprotocol::GraphqlWs,
            },
            running: VecDeque::new(),
            closed: false,
            previous: String::new(),
        }
    }

    fn line(&mut self, line: &str, outcome: &mut Outcome) {
        let oldest = match line {
            "!response" | "!rejected" | "!ended" => self.running.pop_front(),
            _ => None,
        };
        let actions = match (line, oldest) {
            ("!response", Some((operation, dialect))) => {
                let text = dialect.response(&operation.id, br#"{"data":null}"#);
                self.session.on_response(&operation, text)
            }
            ("!rejected", Some((operation, _))) => self
                .session
                .on_rejected(&operation, vec![json!({"message": "m"})]),
            ("!ended", Some((operation, _))) => {
                self.session.on_subscription_ended(&operation);
                assert_eq!(self.session.dialect_of(&operation), None);
                Vec::new()
            }
            _ => self.session.on_message(line),
        };
        for action in actions {
            assert!(!self.closed, "{action:?} after a close");
            let summary = self.action(action, outcome);
            outcome.had((self.protocol.name(), &self.previous, &summary));
            self.previous = summary;
        }
        self.running
            .retain(|(operation, _)| self.session.dialect_of(operation).is_some());
        assert!(self.running.len() <= 3, "{} operations", self.running.len());
    }

    fn action(&mut self, action: Action, outcome: &mut Outcome) -> String {
        match action {
            Action::Send(text) => self.message(text.as_bytes()),
            Action::Respond(text) => self.message(&text),
            Action::Run {
                operation, dialect, ..
            } => {
                assert!(self.session.is_open() && is_valid_id(&operation.id));
                outcome.passed(match dialect {
                    Dialect::AppSync => "appsync",
                    Dialect::Legacy => "legacy",
                    Dialect::Transport => "transport",
                    other => panic!("{other:?} on a socket"),
                });
                self.running.push_back((operation, dialect));
                format!("run {dialect:?}")
            }
            Action::Cancel(_) => "cancel".into(),
            Action::FetchKeys => "fetch keys".into(),
            Action::WrongKey => "wrong key".into(),
            Action::Close(close) => {
                self.closed = true;
                format!("close {}", close.code)
            }
        }
    }

    /// Checks a message to the client; returns its type and error.
    fn message(&self, text: &[u8]) -> String {
        let message: Value = serde_json::from_slice(text).expect("JSON");
        let kind = message["type"].as_str().expect("a type");
        let kinds: &[&str] = match self.protocol {
            Subprotocol::GraphqlWs => &[
                "connection_ack",
                "connection_error",
                "ka",
                "error",
                "complete",
                "data",
            ],
            Subprotocol::GraphqlTransportWs => {
                &["connection_ack", "next", "error", "complete", "pong"]
            }
        };
        assert!(kinds.contains(&kind), "{message}");
        if kind == "error" && self.protocol == Subprotocol::GraphqlTransportWs {
            let errors = message["payload"].as_array().expect("a list");
            assert!(message["id"].is_string() && !errors.is_empty(), "{message}");
        }
        let error = message.pointer("/payload/errors/0/errorType");
        format!(
            "{kind} {}",
            error.and_then(Value::as_str).unwrap_or_default()
        )
    }
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let mut client = Client::new(lines.next().unwrap_or_default());
    for line in lines {
        if client.closed {
            break;
        }
        client.line(line, &mut outcome);
    }
    outcome
}

#[test]
fn sessions() {
    let fuzz = Fuzz {
        target: "sessions",
        tokens: "sessions",
        kinds: &["appsync", "legacy", "transport"],
    };
    fuzz.run(target);
}
