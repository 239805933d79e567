//! The protocol's state machine for one socket: messages go in, actions come out. Nothing
//! here waits or touches a socket.

mod action;

use std::collections::HashMap;

use serde::Deserialize as _;
use serde_json::Value;

use crate::auth::{Authenticator, Credential, Grant, Role, Unauthorized};
use crate::heartbeat::clock::Clock;
use crate::model::join_code::JoinCode;
use crate::realtime::SocketLimits;
use crate::realtime::close::Close;
use crate::realtime::credentials::{credential_in, join_code_in};
use crate::realtime::message::{
    ClientMessage, KEEP_ALIVE, channel_error, complete, connection_ack, connection_error,
    error_without_id, pong, subprotocol_error,
};
use crate::realtime::position::PositionRequest;
use crate::realtime::protocol::{Dialect, Offer, Subprotocol};
use crate::resolvers::request::OwnedGraphQlRequest;

pub use action::{Action, OperationKey};

/// The longest operation id, in bytes.
const MAX_ID_BYTES: usize = 256;

/// The state of the protocol on one socket.
#[derive(Debug)]
pub struct Session {
    protocol: Subprotocol,
    /// Whether the client offered a supported subprotocol, or none.
    supported: bool,
    authenticator: Authenticator,
    clock: Clock,
    limits: SocketLimits,
    /// What the upgrade carried.
    upgrade_credential: Option<Credential<'static>>,
    /// By what the connection was acknowledged; none before.
    grant: Option<Grant>,
    /// The join code of `connection_init`, for operations that carry none.
    join_code: Option<JoinCode>,
    operations: HashMap<String, (Dialect, u64)>,
    started: u64,
}

impl Session {
    /// A session after an upgrade that offered subprotocols and carried a credential.
    pub fn new(
        offer: Offer,
        authenticator: Authenticator,
        clock: Clock,
        limits: SocketLimits,
        upgrade_credential: Option<Credential<'static>>,
    ) -> Self {
        let protocol = match offer {
            Offer::Known(protocol) => protocol,
            Offer::Nothing | Offer::Unknown => Subprotocol::GraphqlWs,
        };
        Self {
            protocol,
            supported: offer != Offer::Unknown,
            authenticator,
            clock,
            limits,
            upgrade_credential,
            grant: None,
            join_code: None,
            operations: HashMap::new(),
            started: 0,
        }
    }

    /// What checks its credentials.
    pub fn authenticator(&self) -> Authenticator {
        self.authenticator.clone()
    }

    /// Whether the connection is acknowledged.
    pub fn is_open(&self) -> bool {
        self.grant.is_some()
    }

    /// What the client may do; nothing of it before the connection is acknowledged.
    pub fn role(&self) -> Role {
        self.grant.map(|grant| grant.role).unwrap_or_default()
    }

    /// Whether the key that opened the connection was removed; to be asked now and then. A token
    /// that is past its end closes no socket, for clients do not count on that: it starts nothing
    /// more.
    pub fn is_revoked(&mut self) -> bool {
        self.recheck() == Err(Unauthorized::WrongKey)
    }

    /// Whether what opened the connection still holds.
    fn recheck(&mut self) -> Result<(), Unauthorized> {
        if let Some(grant) = &mut self.grant {
            *grant = self.authenticator.recheck(grant, self.clock.now())?;
        }
        Ok(())
    }

    /// The keep-alive text, if the protocol has one.
    pub fn keep_alive(&self) -> Option<&'static str> {
        (self.is_open() && self.protocol == Subprotocol::GraphqlWs).then_some(KEEP_ALIVE)
    }

    /// Handles a text message from the client.
    pub fn on_message(&mut self, text: &str) -> Vec<Action> {
        if !self.supported {
            let error = Action::Send(subprotocol_error());
            return vec![error, Action::Close(Close::UNKNOWN_PROTOCOL)];
        }
        let Some(message) = ClientMessage::parse(text) else {
            return self.unsupported("unreadable");
        };
        match (self.protocol, message.kind.as_str()) {
            (_, "connection_init") => self.init(&message),
            (Subprotocol::GraphqlTransportWs, "subscribe") => self.subscribe(message),
            (Subprotocol::GraphqlTransportWs, "complete") => self.stop(message.id, false),
            (Subprotocol::GraphqlTransportWs, "ping") => vec![Action::Send(pong(message.payload))],
            (Subprotocol::GraphqlTransportWs, "pong") => Vec::new(),
            // AppSync ignores everything before the acknowledgement.
            (Subprotocol::GraphqlWs, _) if !self.is_open() => Vec::new(),
            (Subprotocol::GraphqlWs, "start") => self.start(message),
            (Subprotocol::GraphqlWs, "stop") => self.stop(message.id, true),
            (Subprotocol::GraphqlWs, "connection_terminate") => vec![Action::Close(Close::NORMAL)],
            _ => self.unsupported("unknown"),
        }
    }

    /// An operation was rejected.
    pub fn on_rejected(&mut self, operation: &OperationKey, errors: Vec<Value>) -> Vec<Action> {
        let dialect = self.remove(operation);
        let error = dialect.map(|dialect| Action::Send(dialect.error(&operation.id, errors)));
        error.into_iter().collect()
    }

    /// A query or mutation has its response.
    pub fn on_response(&mut self, operation: &OperationKey, text: Vec<u8>) -> Vec<Action> {
        if self.remove(operation).is_none() {
            return Vec::new();
        }
        let complete = Action::Send(complete(&operation.id));
        vec![Action::Respond(text), complete]
    }

    /// A subscription was ended by an error that is sent already; returns whether it was
    /// still there.
    pub fn on_subscription_ended(&mut self, operation: &OperationKey) -> bool {
        self.remove(operation).is_some()
    }

    /// The protocol of an operation that was not yet removed.
    pub fn dialect_of(&self, operation: &OperationKey) -> Option<Dialect> {
        let running = self.operations.get(&operation.id);
        running
            .filter(|(_, number)| *number == operation.number)
            .map(|(dialect, _)| *dialect)
    }

    fn remove(&mut self, operation: &OperationKey) -> Option<Dialect> {
        let dialect = self.dialect_of(operation)?;
        self.operations.remove(&operation.id);
        Some(dialect)
    }

    fn init(&mut self, message: &ClientMessage) -> Vec<Action> {
        if self.is_open() {
            return match self.protocol {
                Subprotocol::GraphqlTransportWs => vec![Action::Close(Close::SECOND_INIT)],
                Subprotocol::GraphqlWs => self.acknowledge(),
            };
        }
        let payload = message.payload_object();
        let nested = payload
            .and_then(|p| p.get("headers"))
            .and_then(Value::as_object);
        let given = Credential::first_of([
            self.upgrade_credential.clone(),
            payload.and_then(credential_in),
            nested.and_then(credential_in),
        ]);
        match self.authenticator.check(given.as_ref(), self.clock.now()) {
            Ok(grant) => {
                self.grant = Some(grant);
                self.upgrade_credential = None;
                let mut objects = payload.into_iter().chain(nested);
                self.join_code = objects.find_map(join_code_in);
                self.acknowledge()
            }
            Err(why) if self.protocol == Subprotocol::GraphqlWs => {
                let error = Action::Send(connection_error(why));
                refuse_key(why, [error, Action::Close(Close::UNAUTHORIZED)])
            }
            // This client would reconnect after any other code.
            Err(why) => refuse_key(why, [Action::Close(Close::UNAUTHORIZED)]),
        }
    }

    fn acknowledge(&self) -> Vec<Action> {
        let ack = Action::Send(connection_ack(
            self.protocol,
            self.limits.connection_timeout.as_millis(),
        ));
        // A keep-alive follows at once: one client starts its timeout only with the first,
        // and another does not restart it at the acknowledgement.
        std::iter::once(ack)
            .chain(self.keep_alive().map(|ka| Action::Send(ka.into())))
            .collect()
    }

    fn start(&mut self, message: ClientMessage) -> Vec<Action> {
        let Some(id) = message.id.clone().filter(|id| is_valid_id(id)) else {
            return vec![Action::Send(error_without_id(&channel_error(
                "BadRequestException",
                "start needs an id of 1 to 256 bytes",
            )))];
        };
        let Some(payload) = message.payload_object() else {
            return bad_start(Dialect::AppSync, &id);
        };
        let Some(data) = payload.get("data").and_then(Value::as_str) else {
            if let Err(why) = self.recheck() {
                return removed(Dialect::Legacy, &id, why);
            }
            return match message.payload.map(OwnedGraphQlRequest::deserialize) {
                Some(Ok(request)) => self.run(Dialect::Legacy, id, request, None, None),
                _ => bad_start(Dialect::Legacy, &id),
            };
        };
        let authorization = payload
            .get("extensions")
            .and_then(|e| e.get("authorization"))
            .and_then(Value::as_object);
        let join_code = authorization.and_then(join_code_in);
        if let Some(given) = authorization.and_then(credential_in) {
            match self.authenticator.check(Some(&given), self.clock.now()) {
                Ok(fresh) => self.renew(fresh),
                Err(why) => {
                    let rejected = reject(Dialect::AppSync, &id, Unauthorized::KIND, why.message());
                    return refuse_key(why, rejected);
                }
            }
        }
        if let Err(why) = self.recheck() {
            return removed(Dialect::AppSync, &id, why);
        }
        match serde_json::from_str(data) {
            Ok(request) => self.run(Dialect::AppSync, id, request, None, join_code),
            Err(_) => bad_start(Dialect::AppSync, &id),
        }
    }

    /// A start with a token of its own keeps a connection alive that a token opened: AppSync's
    /// clients sign in again while they are connected.
    fn renew(&mut self, fresh: Grant) {
        if self.grant.is_some_and(|grant| grant.is_by_token()) {
            self.grant = Some(fresh);
        }
    }

    fn subscribe(&mut self, message: ClientMessage) -> Vec<Action> {
        match self.recheck() {
            Ok(()) if self.is_open() => {}
            Err(Unauthorized::WrongToken(_)) => return vec![Action::Close(Close::TOKEN_OVER)],
            Ok(()) | Err(_) => return vec![Action::Close(Close::UNAUTHORIZED)],
        }
        let positions = message.payload.as_ref().map(PositionRequest::parse);
        match (
            message.id.filter(|id| is_valid_id(id)),
            message.payload.map(OwnedGraphQlRequest::deserialize),
            positions,
        ) {
            (Some(id), Some(Ok(_)), Some(Err(wrong))) if !self.operations.contains_key(&id) => {
                reject(Dialect::Transport, &id, "ValidationError", wrong)
            }
            (Some(id), Some(Ok(request)), Some(positions)) => self.run(
                Dialect::Transport,
                id,
                request,
                positions.unwrap_or_default(),
                None,
            ),
            _ => vec![Action::Close(Close::BAD_MESSAGE)],
        }
    }

    fn run(
        &mut self,
        dialect: Dialect,
        id: String,
        request: OwnedGraphQlRequest,
        positions: Option<PositionRequest>,
        join_code: Option<JoinCode>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.operations.contains_key(&id) {
            match dialect {
                Dialect::AppSync => {
                    let message = "This id is in use on the connection";
                    return reject(dialect, &id, "DuplicatedOperationError", message);
                }
                Dialect::Transport
                | Dialect::EventStream
                | Dialect::EventSource
                | Dialect::SingleStream => {
                    return vec![Action::Close(Close::DUPLICATE)];
                }
                // The legacy protocol's own server restarts the operation.
                Dialect::Legacy => actions.push(Action::Cancel(id.clone())),
            }
        } else if self.operations.len() >= self.limits.operations {
            let limit = self.limits.operations;
            let message = format!("Max number of {limit} subscriptions reached");
            return reject(dialect, &id, "MaxSubscriptionsReachedError", &message);
        }
        self.started += 1;
        let number = self.started;
        self.operations.insert(id.clone(), (dialect, number));
        actions.push(Action::Run {
            operation: OperationKey { id, number },
            dialect,
            request,
            positions,
            join_code: join_code.or(self.join_code),
        });
        actions
    }

    fn stop(&mut self, id: Option<String>, confirmed: bool) -> Vec<Action> {
        let Some(id) = id.filter(|id| self.operations.remove(id).is_some()) else {
            return Vec::new();
        };
        let confirmation = confirmed.then(|| Action::Send(complete(&id)));
        std::iter::once(Action::Cancel(id))
            .chain(confirmation)
            .collect()
    }

    fn unsupported(&self, what: &str) -> Vec<Action> {
        match self.protocol {
            Subprotocol::GraphqlTransportWs => vec![Action::Close(Close::BAD_MESSAGE)],
            Subprotocol::GraphqlWs => {
                let message = format!("{what} not supported through the realtime channel");
                let error = channel_error("UnsupportedOperation", &message);
                vec![Action::Send(error_without_id(&error))]
            }
        }
    }
}

/// The answer to a missing or wrong key.
fn refuse_key(why: Unauthorized, answer: impl IntoIterator<Item = Action>) -> Vec<Action> {
    let fetch = why.wants_keys().then_some(Action::FetchKeys);
    let wrong = why.is_guess().then_some(Action::WrongKey);
    fetch.into_iter().chain(wrong).chain(answer).collect()
}

fn reject(dialect: Dialect, id: &str, kind: &str, message: &str) -> Vec<Action> {
    let error = channel_error(kind, message);
    vec![Action::Send(dialect.error(id, vec![error]))]
}

/// The key that opened the connection was removed, or its token is past its end. With a new token
/// a client may start on the same socket.
fn removed(dialect: Dialect, id: &str, why: Unauthorized) -> Vec<Action> {
    let mut actions = reject(dialect, id, Unauthorized::KIND, why.message());
    if why == Unauthorized::WrongKey {
        actions.push(Action::Close(Close::UNAUTHORIZED));
    }
    actions
}

fn bad_start(dialect: Dialect, id: &str) -> Vec<Action> {
    let message = "The payload holds no readable GraphQL request";
    reject(dialect, id, "BadRequestException", message)
}

/// Whether this may be the id of an operation.
pub fn is_valid_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
