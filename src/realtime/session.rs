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

/// An operation. Its number tells it from an earlier one of the same id, whose answer
/// may still be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client's name for it.
    pub id: String,
    number: u64,
}

/// What the socket is to do next.
#[derive(Debug)]
pub enum Act {
    /// Send a text.
    Say(String),
    /// Run an operation and tell the session of its outcome.
    Run {
        /// Which one.
        of: Operation,
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
    operations: HashMap<String, (Dialect, u64)>,
    started: u64,
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
            started: 0,
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
    pub fn refused(&mut self, of: &Operation, errors: Vec<Value>) -> Vec<Act> {
        let dialect = self.end(of);
        let error = dialect.map(|dialect| Act::Say(dialect.error(&of.id, errors)));
        error.into_iter().collect()
    }

    /// A query or mutation was answered.
    pub fn answered(&mut self, of: &Operation, payload: &Value) -> Vec<Act> {
        let Some(dialect) = self.end(of) else {
            return Vec::new();
        };
        let complete = Act::Say(Dialect::complete(&of.id));
        vec![Act::Say(dialect.answer(&of.id, payload)), complete]
    }

    /// How an operation that still runs is talked about.
    pub fn dialect_of(&self, of: &Operation) -> Option<Dialect> {
        let running = self.operations.get(&of.id);
        running
            .filter(|(_, number)| *number == of.number)
            .map(|(dialect, _)| *dialect)
    }

    fn end(&mut self, of: &Operation) -> Option<Dialect> {
        let dialect = self.dialect_of(of)?;
        self.operations.remove(&of.id);
        Some(dialect)
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
        self.started += 1;
        let of = Operation {
            id,
            number: self.started,
        };
        self.operations.insert(of.id.clone(), (dialect, of.number));
        acts.push(Act::Run { of, dialect, ask });
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
mod tests;
