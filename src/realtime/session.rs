//! Who may say what when on one socket. Messages go in, acts come out: nothing here
//! waits, and there is no socket.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use crate::auth::ApiKeys;
use crate::realtime::credentials::key_in;
use crate::realtime::frame::{
    ClientFrame, Close, Dialect, KEEP_ALIVE, Offer, Subprotocol, channel_error, connection_ack,
    connection_error, stray_error, subprotocol_error,
};
use crate::resolvers::document::OwnedGraphQlRequest;

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
    /// Bytes that its subscriptions' selections may take.
    pub selection_bytes: usize,
    /// How long `connection_init` may take.
    pub init: Duration,
    /// Time between two signs of life.
    pub keep_alive: Duration,
    /// How long a client of AppSync is told to wait for the next sign of life.
    pub connection_timeout: Duration,
    /// After what silence of the client the connection is given up.
    pub peer_timeout: Duration,
    /// The same while connections run short.
    pub short_peer_timeout: Duration,
    /// How long a reader may take to come to the close that ends its connection.
    pub close_timeout: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            operations: 100,
            message_bytes: 256 * 1024,
            outbox_bytes: 1024 * 1024,
            selection_bytes: 512 * 1024,
            init: Duration::from_secs(15),
            keep_alive: Duration::from_secs(20),
            connection_timeout: Duration::from_secs(90),
            peer_timeout: Duration::from_mins(3),
            short_peer_timeout: Duration::from_mins(1),
            close_timeout: Duration::from_mins(1),
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

impl Operation {
    /// The client's operation `id`, the socket's so many-th.
    pub fn new(id: &str, number: u64) -> Self {
        Self {
            id: id.into(),
            number,
        }
    }
}

/// What the socket is to do next.
#[derive(Debug)]
pub enum Action {
    /// Send a text.
    Send(String),
    /// Send the answer to a query or mutation.
    Answer(Vec<u8>),
    /// Run an operation and tell the session of its outcome.
    Run {
        /// Which one.
        of: Operation,
        /// How it is talked about.
        dialect: Dialect,
        /// What is asked.
        ask: OwnedGraphQlRequest,
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
    /// Whether the client offered it, or nothing.
    spoken: bool,
    keys: ApiKeys,
    limits: SocketLimits,
    shown: Option<String>,
    open: bool,
    operations: HashMap<String, (Dialect, u64)>,
    started: u64,
}

impl Session {
    /// A conversation whose upgrade offered protocols and showed the key `shown`, if any.
    pub fn new(offer: Offer, keys: ApiKeys, limits: SocketLimits, shown: Option<String>) -> Self {
        let protocol = match offer {
            Offer::Known(protocol) => protocol,
            Offer::Nothing | Offer::Unknown => Subprotocol::GraphqlWs,
        };
        Self {
            protocol,
            spoken: offer != Offer::Unknown,
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
    pub fn hear(&mut self, text: &str) -> Vec<Action> {
        if !self.spoken {
            let error = Action::Send(subprotocol_error());
            return vec![error, Action::Close(Close::UNKNOWN_PROTOCOL)];
        }
        let Some(frame) = ClientFrame::read(text) else {
            return self.not_understood("unreadable");
        };
        match (self.protocol, frame.kind.as_str()) {
            (_, "connection_init") => self.init(&frame),
            (Subprotocol::GraphqlTransportWs, "subscribe") => self.subscribe(frame),
            (Subprotocol::GraphqlTransportWs, "complete") => self.stop(frame.id, false),
            (Subprotocol::GraphqlTransportWs, "ping") => vec![Action::Send(pong(frame.payload))],
            (Subprotocol::GraphqlTransportWs, "pong") => Vec::new(),
            // Before the acknowledgement AppSync ignores what it does not wait for.
            (Subprotocol::GraphqlWs, _) if !self.open => Vec::new(),
            (Subprotocol::GraphqlWs, "start") => self.start(frame),
            (Subprotocol::GraphqlWs, "stop") => self.stop(frame.id, true),
            (Subprotocol::GraphqlWs, "connection_terminate") => vec![Action::Close(Close::NORMAL)],
            _ => self.not_understood("unknown"),
        }
    }

    /// The operation was refused.
    pub fn refused(&mut self, of: &Operation, errors: Vec<Value>) -> Vec<Action> {
        let dialect = self.end(of);
        let error = dialect.map(|dialect| Action::Send(dialect.error(&of.id, errors)));
        error.into_iter().collect()
    }

    /// A query or mutation was answered, in this text.
    pub fn answered(&mut self, of: &Operation, text: Vec<u8>) -> Vec<Action> {
        if self.end(of).is_none() {
            return Vec::new();
        }
        let complete = Action::Send(Dialect::complete(&of.id));
        vec![Action::Answer(text), complete]
    }

    /// A subscription was ended by an error that the client has been told; says whether
    /// it was still there.
    pub fn ended(&mut self, of: &Operation) -> bool {
        self.end(of).is_some()
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

    fn init(&mut self, frame: &ClientFrame) -> Vec<Action> {
        if self.open {
            return match self.protocol {
                Subprotocol::GraphqlTransportWs => vec![Action::Close(Close::SECOND_INIT)],
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
                    Action::Send(connection_error(why)),
                    Action::Close(Close::UNAUTHORIZED),
                ]
            }
            // This client would come back after any other code.
            Err(_) => vec![Action::Close(Close::UNAUTHORIZED)],
        }
    }

    fn acknowledge(&self) -> Vec<Action> {
        let ack = Action::Send(connection_ack(
            self.protocol,
            self.limits.connection_timeout.as_millis(),
        ));
        // At once: one client counts its patience only from the first sign of life, and
        // another does not start anew at the acknowledgement.
        std::iter::once(ack)
            .chain(self.keep_alive().map(|ka| Action::Send(ka.into())))
            .collect()
    }

    fn start(&mut self, frame: ClientFrame) -> Vec<Action> {
        let Some(id) = frame.id.clone().filter(|id| is_id(id)) else {
            return vec![Action::Send(stray_error(&channel_error(
                "BadRequestException",
                "start needs an id of 1 to 256 bytes",
            )))];
        };
        let Some(payload) = frame.members() else {
            return Self::bad_start(Dialect::AppSync, &id);
        };
        let Some(data) = payload.get("data").and_then(Value::as_str) else {
            return match frame.payload.map(OwnedGraphQlRequest::deserialize) {
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
            return vec![Action::Send(Dialect::AppSync.error(&id, vec![error]))];
        }
        match serde_json::from_str(data) {
            Ok(ask) => self.run(Dialect::AppSync, id, ask),
            Err(_) => Self::bad_start(Dialect::AppSync, &id),
        }
    }

    fn subscribe(&mut self, frame: ClientFrame) -> Vec<Action> {
        if !self.open {
            return vec![Action::Close(Close::UNAUTHORIZED)];
        }
        match (
            frame.id.filter(|id| is_id(id)),
            frame.payload.map(OwnedGraphQlRequest::deserialize),
        ) {
            (Some(id), Some(Ok(ask))) => self.run(Dialect::Transport, id, ask),
            _ => vec![Action::Close(Close::BAD_MESSAGE)],
        }
    }

    fn run(&mut self, dialect: Dialect, id: String, ask: OwnedGraphQlRequest) -> Vec<Action> {
        let mut acts = Vec::new();
        if self.operations.contains_key(&id) {
            match dialect {
                Dialect::AppSync => {
                    let error = channel_error(
                        "DuplicatedOperationError",
                        "This id is in use on the connection",
                    );
                    return vec![Action::Send(dialect.error(&id, vec![error]))];
                }
                Dialect::Transport => return vec![Action::Close(Close::DUPLICATE)],
                // The legacy protocol's own server starts the operation over.
                Dialect::Legacy => acts.push(Action::Stop(id.clone())),
            }
        } else if self.operations.len() >= self.limits.operations {
            let message = format!(
                "Max number of {} subscriptions reached",
                self.limits.operations
            );
            return vec![Action::Send(dialect.error(
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
        acts.push(Action::Run { of, dialect, ask });
        acts
    }

    fn bad_start(dialect: Dialect, id: &str) -> Vec<Action> {
        let error = channel_error(
            "BadRequestException",
            "The payload holds no readable GraphQL request",
        );
        vec![Action::Send(dialect.error(id, vec![error]))]
    }

    fn stop(&mut self, id: Option<String>, confirmed: bool) -> Vec<Action> {
        let Some(id) = id.filter(|id| self.operations.remove(id).is_some()) else {
            return Vec::new();
        };
        let confirmation = confirmed.then(|| Action::Send(Dialect::complete(&id)));
        std::iter::once(Action::Stop(id))
            .chain(confirmation)
            .collect()
    }

    fn not_understood(&self, what: &str) -> Vec<Action> {
        match self.protocol {
            Subprotocol::GraphqlTransportWs => vec![Action::Close(Close::BAD_MESSAGE)],
            Subprotocol::GraphqlWs => {
                let message = format!("{what} not supported through the realtime channel");
                vec![Action::Send(stray_error(&channel_error(
                    "UnsupportedOperation",
                    &message,
                )))]
            }
        }
    }
}

fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len())
}

fn pong(payload: Option<Value>) -> String {
    match payload {
        Some(payload) => serde_json::json!({"type": "pong", "payload": payload}).to_string(),
        None => r#"{"type":"pong"}"#.into(),
    }
}

#[cfg(test)]
mod tests;
