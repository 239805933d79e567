//! Who may say what when on one socket. Messages go in, acts come out: nothing here
//! waits, and there is no socket.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use crate::auth::ApiKeys;
use crate::realtime::credentials::key_in;
use crate::realtime::frame::{
    ClientFrame, Close, Dialect, KEEP_ALIVE, Subprotocol, channel_error, connection_ack,
    connection_error, stray_error,
};
use crate::resolvers::document::OwnedAsk;

/// The longest operation id, in bytes.
const ID_BYTES: usize = 256;

/// Bounds of one socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Operations at once.
    pub operations: usize,
    /// Bytes of one message from the client.
    pub message_bytes: usize,
    /// Bytes that may wait for the client to read them.
    pub outbox_bytes: usize,
    /// How long `connection_init` may take.
    pub init: Duration,
    /// Time between two signs of life.
    pub keep_alive: Duration,
    /// How long a client is told to wait for the next sign of life.
    pub patience: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            operations: 100,
            message_bytes: 256 * 1024,
            outbox_bytes: 1024 * 1024,
            init: Duration::from_secs(15),
            keep_alive: Duration::from_secs(20),
            patience: Duration::from_mins(5),
        }
    }
}

/// What the socket is to do next.
#[derive(Debug)]
pub enum Act {
    /// Send a text.
    Say(String),
    /// Run an operation and tell the session of its outcome.
    Run {
        /// Its id.
        id: String,
        /// How it is talked about.
        dialect: Dialect,
        /// What is asked.
        ask: OwnedAsk,
    },
    /// Forget an operation.
    Stop(String),
    /// Close the socket.
    Close(Close),
}

/// The conversation on one socket.
#[derive(Debug)]
pub struct Session {
    protocol: Subprotocol,
    keys: ApiKeys,
    limits: SocketLimits,
    shown: Option<String>,
    open: bool,
    operations: HashMap<String, Dialect>,
}

impl Session {
    /// A conversation whose upgrade showed the key `shown`, if any.
    pub fn new(
        protocol: Subprotocol,
        keys: ApiKeys,
        limits: SocketLimits,
        shown: Option<String>,
    ) -> Self {
        Self {
            protocol,
            keys,
            limits,
            shown,
            open: false,
            operations: HashMap::new(),
        }
    }

    /// Whether the connection was acknowledged.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The text that shows the client that the server lives, if its protocol has one.
    pub fn keep_alive(&self) -> Option<&'static str> {
        (self.open && self.protocol == Subprotocol::GraphqlWs).then_some(KEEP_ALIVE)
    }

    /// Hears a text from the client.
    pub fn hear(&mut self, text: &str) -> Vec<Act> {
        let Some(frame) = ClientFrame::read(text) else {
            return self.not_understood("unreadable");
        };
        match (self.protocol, frame.kind.as_str()) {
            (_, "connection_init") => self.init(&frame),
            (Subprotocol::GraphqlTransportWs, "subscribe") => self.subscribe(frame),
            (Subprotocol::GraphqlTransportWs, "complete") => self.stop(frame.id, false),
            (Subprotocol::GraphqlTransportWs, "ping") => vec![Act::Say(pong(frame.payload))],
            (Subprotocol::GraphqlTransportWs, "pong") => Vec::new(),
            // Before the acknowledgement AppSync ignores what it does not wait for.
            (Subprotocol::GraphqlWs, _) if !self.open => Vec::new(),
            (Subprotocol::GraphqlWs, "start") => self.start(frame),
            (Subprotocol::GraphqlWs, "stop") => self.stop(frame.id, true),
            (Subprotocol::GraphqlWs, "connection_terminate") => vec![Act::Close(Close::NORMAL)],
            _ => self.not_understood("unknown"),
        }
    }

    /// The operation was refused.
    pub fn refused(&mut self, id: &str, errors: Vec<Value>) -> Vec<Act> {
        let dialect = self.operations.remove(id);
        dialect
            .map(|dialect| Act::Say(dialect.error(id, errors)))
            .into_iter()
            .collect()
    }

    /// A query or mutation was answered.
    pub fn answered(&mut self, id: &str, payload: &Value) -> Vec<Act> {
        let Some(dialect) = self.operations.remove(id) else {
            return Vec::new();
        };
        vec![
            Act::Say(dialect.answer(id, payload)),
            Act::Say(Dialect::complete(id)),
        ]
    }

    /// How an operation that still runs is talked about.
    pub fn dialect_of(&self, id: &str) -> Option<Dialect> {
        self.operations.get(id).copied()
    }

    fn init(&mut self, frame: &ClientFrame) -> Vec<Act> {
        if self.open {
            return match self.protocol {
                Subprotocol::GraphqlTransportWs => vec![Act::Close(Close::SECOND_INIT)],
                Subprotocol::GraphqlWs => self.acknowledge(),
            };
        }
        let members = frame.members();
        let nested = members
            .and_then(|m| m.get("headers"))
            .and_then(Value::as_object);
        let in_payload = members.and_then(key_in).or_else(|| nested.and_then(key_in));
        match self.keys.check(self.shown.as_deref().or(in_payload)) {
            Ok(()) => {
                self.open = true;
                self.shown = None;
                self.acknowledge()
            }
            Err(why) if self.protocol == Subprotocol::GraphqlWs => {
                vec![
                    Act::Say(connection_error(why)),
                    Act::Close(Close::UNAUTHORIZED),
                ]
            }
            // This client would come back after any other code.
            Err(_) => vec![Act::Close(Close::UNAUTHORIZED)],
        }
    }

    fn acknowledge(&self) -> Vec<Act> {
        let ack = Act::Say(connection_ack(
            self.protocol,
            self.limits.patience.as_millis(),
        ));
        // At once: one client counts its patience only from the first sign of life, and
        // another does not start anew at the acknowledgement.
        std::iter::once(ack)
            .chain(self.keep_alive().map(|ka| Act::Say(ka.into())))
            .collect()
    }

    fn start(&mut self, frame: ClientFrame) -> Vec<Act> {
        let Some(id) = frame.id.clone().filter(|id| id.len() <= ID_BYTES) else {
            return vec![Act::Say(stray_error(&channel_error(
                "BadRequestException",
                "start needs an id of up to 256 bytes",
            )))];
        };
        let Some(payload) = frame.members() else {
            return Self::bad_start(Dialect::AppSync, &id);
        };
        let Some(data) = payload.get("data").and_then(Value::as_str) else {
            return match frame.payload.map(OwnedAsk::deserialize) {
                Some(Ok(ask)) => self.run(Dialect::Legacy, id, ask),
                _ => Self::bad_start(Dialect::Legacy, &id),
            };
        };
        let authorization = payload
            .get("extensions")
            .and_then(|e| e.get("authorization"))
            .and_then(Value::as_object);
        if let Some(shown) = authorization.and_then(key_in)
            && let Err(why) = self.keys.check(Some(shown))
        {
            let error = channel_error(crate::auth::Unauthorized::KIND, why.message());
            return vec![Act::Say(Dialect::AppSync.error(&id, vec![error]))];
        }
        match serde_json::from_str(data) {
            Ok(ask) => self.run(Dialect::AppSync, id, ask),
            Err(_) => Self::bad_start(Dialect::AppSync, &id),
        }
    }

    fn subscribe(&mut self, frame: ClientFrame) -> Vec<Act> {
        if !self.open {
            return vec![Act::Close(Close::UNAUTHORIZED)];
        }
        match (
            frame.id.filter(|id| id.len() <= ID_BYTES),
            frame.payload.map(OwnedAsk::deserialize),
        ) {
            (Some(id), Some(Ok(ask))) => self.run(Dialect::Transport, id, ask),
            _ => vec![Act::Close(Close::BAD_MESSAGE)],
        }
    }

    fn run(&mut self, dialect: Dialect, id: String, ask: OwnedAsk) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.operations.contains_key(&id) {
            match dialect {
                Dialect::AppSync => {
                    let error = channel_error(
                        "DuplicatedOperationError",
                        "This id is in use on the connection",
                    );
                    return vec![Act::Say(dialect.error(&id, vec![error]))];
                }
                Dialect::Transport => return vec![Act::Close(Close::DUPLICATE)],
                // The legacy protocol's own server starts the operation over.
                Dialect::Legacy => acts.push(Act::Stop(id.clone())),
            }
        } else if self.operations.len() >= self.limits.operations {
            let message = format!(
                "Max number of {} subscriptions reached",
                self.limits.operations
            );
            return vec![Act::Say(dialect.error(
                &id,
                vec![channel_error("MaxSubscriptionsReachedError", &message)],
            ))];
        }
        self.operations.insert(id.clone(), dialect);
        acts.push(Act::Run { id, dialect, ask });
        acts
    }

    fn bad_start(dialect: Dialect, id: &str) -> Vec<Act> {
        let error = channel_error(
            "BadRequestException",
            "The payload holds no readable GraphQL request",
        );
        vec![Act::Say(dialect.error(id, vec![error]))]
    }

    fn stop(&mut self, id: Option<String>, confirmed: bool) -> Vec<Act> {
        let Some(id) = id.filter(|id| self.operations.remove(id).is_some()) else {
            return Vec::new();
        };
        let confirmation = confirmed.then(|| Act::Say(Dialect::complete(&id)));
        std::iter::once(Act::Stop(id)).chain(confirmation).collect()
    }

    fn not_understood(&self, what: &str) -> Vec<Act> {
        match self.protocol {
            Subprotocol::GraphqlTransportWs => vec![Act::Close(Close::BAD_MESSAGE)],
            Subprotocol::GraphqlWs => {
                let message = format!("{what} not supported through the realtime channel");
                vec![Act::Say(stray_error(&channel_error(
                    "UnsupportedOperation",
                    &message,
                )))]
            }
        }
    }
}

fn pong(payload: Option<Value>) -> String {
    match payload {
        Some(payload) => serde_json::json!({"type": "pong", "payload": payload}).to_string(),
        None => r#"{"type":"pong"}"#.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "da2-key";

    fn session(protocol: Subprotocol, shown: Option<&str>) -> Session {
        let limits = SocketLimits {
            operations: 2,
            ..SocketLimits::default()
        };
        Session::new(protocol, ApiKeys::new([KEY]), limits, shown.map(Into::into))
    }

    fn open(protocol: Subprotocol) -> Session {
        let mut session = session(protocol, Some(KEY));
        session.hear(r#"{"type":"connection_init"}"#);
        assert!(session.is_open());
        session
    }

    /// What is said, run, stopped or closed, briefly.
    fn told(acts: Vec<Act>) -> Vec<String> {
        let brief = |act| match act {
            Act::Say(text) => {
                let value: Value = serde_json::from_str(&text).unwrap();
                let kind = value["type"].as_str().unwrap().to_owned();
                match value
                    .pointer("/payload/errors/0/errorType")
                    .and_then(Value::as_str)
                {
                    Some(error) => format!("{kind} {error}"),
                    None => kind,
                }
            }
            Act::Run { id, dialect, .. } => format!("run {id} {dialect:?}"),
            Act::Stop(id) => format!("forget {id}"),
            Act::Close(close) => format!("close {}", close.code),
        };
        acts.into_iter().map(brief).collect()
    }

    fn appsync_start(id: &str, key: &str) -> String {
        let data = json!({"query": "subscription { x }"}).to_string();
        json!({"id": id, "type": "start", "payload": {"data": data,
            "extensions": {"authorization": {"host": "h", "X-Api-Key": key}}}})
        .to_string()
    }

    fn legacy_start(id: &str) -> String {
        json!({"id": id, "type": "start", "payload": {"query": "subscription { x }", "variables": null}}).to_string()
    }

    fn subscribe(id: &str) -> String {
        json!({"id": id, "type": "subscribe", "payload": {"query": "subscription { x }"}})
            .to_string()
    }

    #[test]
    fn an_acknowledgement_is_followed_by_a_sign_of_life_at_once() {
        let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
        assert_eq!(
            told(session.hear(r#"{"type":"connection_init"}"#)),
            ["connection_ack", "ka"]
        );
    }

    #[test]
    fn the_newer_protocol_has_no_sign_of_life_of_its_own() {
        let mut session = session(Subprotocol::GraphqlTransportWs, None);
        let init = json!({"type": "connection_init", "payload": {"X-API-Key": KEY}}).to_string();
        assert_eq!(told(session.hear(&init)), ["connection_ack"]);
        assert_eq!(session.keep_alive(), None);
    }

    #[test]
    fn a_wrong_key_is_turned_away_only_after_connection_init() {
        let mut wrong = session(Subprotocol::GraphqlWs, Some("da2-wrong"));
        let turned_away = ["connection_error UnauthorizedException", "close 4401"];
        assert_eq!(
            told(wrong.hear(r#"{"type":"connection_init"}"#)),
            turned_away
        );
        let mut none = session(Subprotocol::GraphqlTransportWs, None);
        assert_eq!(
            told(none.hear(r#"{"type":"connection_init"}"#)),
            ["close 4401"]
        );
    }

    #[test]
    fn what_comes_before_connection_init_is_ignored_or_refused() {
        let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
        assert!(session.hear(&appsync_start("1", KEY)).is_empty());
        let mut session = self::session(Subprotocol::GraphqlTransportWs, Some(KEY));
        assert_eq!(told(session.hear(&subscribe("1"))), ["close 4401"]);
    }

    #[test]
    fn each_start_tells_its_own_dialect() {
        let mut session = open(Subprotocol::GraphqlWs);
        assert_eq!(
            told(session.hear(&appsync_start("1", KEY))),
            ["run 1 AppSync"]
        );
        assert_eq!(told(session.hear(&legacy_start("2"))), ["run 2 Legacy"]);
        let mut session = open(Subprotocol::GraphqlTransportWs);
        assert_eq!(told(session.hear(&subscribe("3"))), ["run 3 Transport"]);
    }

    #[test]
    fn a_start_with_a_wrong_key_is_refused_by_its_id() {
        let mut session = open(Subprotocol::GraphqlWs);
        assert_eq!(
            told(session.hear(&appsync_start("1", "da2-wrong"))),
            ["error UnauthorizedException"]
        );
        assert_eq!(session.dialect_of("1"), None);
    }

    #[test]
    fn an_id_in_use_is_refused_or_started_over() {
        let mut session = open(Subprotocol::GraphqlWs);
        session.hear(&appsync_start("1", KEY));
        assert_eq!(
            told(session.hear(&appsync_start("1", KEY))),
            ["error DuplicatedOperationError"]
        );
        assert_eq!(session.dialect_of("1"), Some(Dialect::AppSync));
        session.hear(&legacy_start("2"));
        assert_eq!(
            told(session.hear(&legacy_start("2"))),
            ["forget 2", "run 2 Legacy"]
        );
        let mut session = open(Subprotocol::GraphqlTransportWs);
        session.hear(&subscribe("1"));
        assert_eq!(told(session.hear(&subscribe("1"))), ["close 4409"]);
    }

    #[test]
    fn one_operation_too_many_is_refused_by_its_id() {
        let mut session = open(Subprotocol::GraphqlWs);
        session.hear(&appsync_start("1", KEY));
        session.hear(&appsync_start("2", KEY));
        assert_eq!(
            told(session.hear(&appsync_start("3", KEY))),
            ["error MaxSubscriptionsReachedError"]
        );
        session.hear(r#"{"type":"stop","id":"1"}"#);
        assert_eq!(
            told(session.hear(&appsync_start("3", KEY))),
            ["run 3 AppSync"]
        );
    }

    #[test]
    fn stop_forgets_and_confirms_and_complete_only_forgets() {
        let mut session = open(Subprotocol::GraphqlWs);
        session.hear(&appsync_start("1", KEY));
        assert_eq!(
            told(session.hear(r#"{"type":"stop","id":"1"}"#)),
            ["forget 1", "complete"]
        );
        assert!(session.hear(r#"{"type":"stop","id":"1"}"#).is_empty());
        let mut session = open(Subprotocol::GraphqlTransportWs);
        session.hear(&subscribe("1"));
        assert_eq!(
            told(session.hear(r#"{"type":"complete","id":"1"}"#)),
            ["forget 1"]
        );
    }

    #[test]
    fn unknown_and_unreadable_messages_are_answered_and_the_connection_stays() {
        let mut session = open(Subprotocol::GraphqlWs);
        for text in [
            r#"{"type":"subscribe","id":"1"}"#,
            "meow",
            "[]",
            "{}",
            r#"{"type":7}"#,
        ] {
            assert_eq!(
                told(session.hear(text)),
                ["error UnsupportedOperation"],
                "{text}"
            );
        }
        for text in [
            r#"{"type":"start","id":"1"}"#,
            r#"{"type":"start","id":"1","payload":{"data":"{"}}"#,
        ] {
            assert_eq!(
                told(session.hear(text)),
                ["error BadRequestException"],
                "{text}"
            );
        }
    }

    #[test]
    fn the_newer_protocol_closes_on_anything_it_does_not_know() {
        for text in [
            r#"{"type":"start","id":"1"}"#,
            "meow",
            r#"{"type":"subscribe","id":"1"}"#,
        ] {
            assert_eq!(
                told(open(Subprotocol::GraphqlTransportWs).hear(text)),
                ["close 4400"],
                "{text}"
            );
        }
        let again = r#"{"type":"connection_init"}"#;
        assert_eq!(
            told(open(Subprotocol::GraphqlTransportWs).hear(again)),
            ["close 4429"]
        );
        assert_eq!(
            told(open(Subprotocol::GraphqlTransportWs).hear(r#"{"type":"ping"}"#)),
            ["pong"]
        );
    }

    #[test]
    fn an_answer_completes_its_operation() {
        let mut session = open(Subprotocol::GraphqlTransportWs);
        session.hear(&subscribe("1"));
        assert_eq!(
            told(session.answered("1", &json!({"data": {}}))),
            ["next", "complete"]
        );
        assert!(session.answered("1", &json!({"data": {}})).is_empty());
        session.hear(&subscribe("2"));
        assert_eq!(
            told(session.refused("2", vec![json!({"message": "m"})])),
            ["error"]
        );
    }
}
