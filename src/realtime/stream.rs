//! GraphQL over server-sent events: one event stream, from its first subscription to its end. Its
//! HTTP connection takes the bytes from the outbox; the task here does the rest.

#[cfg(test)]
mod fuzz;
pub mod operations;
pub mod request;
mod single;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::auth::{Authenticator, Grant, Unauthorized};
use crate::metrics::Transport;
use crate::model::join_code::JoinCode;
use crate::realtime::SocketLimits;
use crate::realtime::close::Close;
use crate::realtime::message::{COMMENT, channel_error};
use crate::realtime::operation::Registration;
use crate::realtime::outbox::Outbox;
use crate::realtime::protocol::Dialect;
use crate::realtime::stream::operations::Operations;
use crate::realtime::subscriptions::Subscriptions;
use crate::resolvers::run::Runner;

/// What an event stream needs of its server.
pub struct StreamContext {
    /// The mesh.
    pub runner: Runner,
    /// How much the stream may take.
    pub limits: SocketLimits,
    /// Checks what opened it.
    pub authenticator: Authenticator,
    /// What opened it.
    pub grant: Grant,
    /// The join code that came with it, for operations that carry none.
    pub join_code: Option<JoinCode>,
    /// Cancelled when the stream is to end.
    pub stop: CancellationToken,
}

/// An event stream.
pub struct EventStream {
    context: StreamContext,
    dialect: Dialect,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
    /// Cancelled when the client has left.
    left: CancellationToken,
    /// Whether messages are missing at its end.
    cut: AtomicBool,
}

#[derive(Default)]
struct State {
    subscriptions: Subscriptions,
    /// Where operations share the stream: those that run, and the subscriptions.
    operations: Operations,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client has left, or has read everything.
    Left,
    /// The client did not read the end in time.
    Unread,
}

impl EventStream {
    /// A stream without subscriptions. The first comment of one that is shared waits for its client.
    pub fn new(context: StreamContext, dialect: Dialect) -> Arc<Self> {
        let memory = context.runner.mesh().memory.clone();
        let outbox = Outbox::of_events(context.limits.outbox_bytes, memory);
        if dialect == Dialect::SingleStream {
            outbox.send(COMMENT);
        }
        Arc::new(Self {
            context,
            dialect,
            outbox,
            state: Mutex::default(),
            left: CancellationToken::new(),
            cut: AtomicBool::new(false),
        })
    }

    /// Registers a subscription, or returns the events that refuse it.
    pub fn register(&self, registration: Registration) -> Result<(), String> {
        self.register_in(&mut self.state(), registration)
    }

    fn register_in(&self, state: &mut State, registration: Registration) -> Result<(), String> {
        let id = registration.operation.id.clone();
        let (mesh, outbox) = (self.context.runner.mesh(), &self.outbox);
        let limit = self.context.limits.selection_bytes;
        let subscriptions = &mut state.subscriptions;
        let registered = subscriptions.register(mesh, outbox, self.dialect, registration, limit);
        registered.map_err(|message| {
            let error = channel_error("LimitExceeded", &message);
            self.dialect.error(&id, vec![error])
        })
    }

    /// The bytes of its events.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Notes at its drop that the client has left.
    pub fn reader(&self) -> DropGuard {
        self.left.clone().drop_guard()
    }

    /// Waits until the client has left.
    pub async fn left(&self) {
        self.left.cancelled().await;
    }

    /// Whether it has ended: nothing more is delivered.
    pub fn has_ended(&self) -> bool {
        self.left.is_cancelled() || self.outbox.is_closed()
    }

    /// Whether it was cut: messages are missing after those that the client got.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Runs until the stream has ended and its client has read that, or has left.
    pub async fn run(&self) -> Ending {
        let close = self.serve().await;
        self.end_operations();
        match close {
            Some(close) => {
                let cut = [Close::TOO_SLOW, Close::PEER_TIMEOUT].contains(&close);
                self.cut.store(cut, Ordering::Relaxed);
                self.outbox.close(close);
            }
            None => self.outbox.finish(),
        }
        tokio::select! {
            () = self.left.cancelled() => Ending::Left,
            () = tokio::time::sleep(self.context.limits.close_timeout) => Ending::Unread,
        }
    }

    /// Ends its subscriptions and operations; an operation that still runs registers nothing
    /// after this.
    pub fn end_operations(&self) {
        let mut state = self.state();
        state.operations.close();
        state.subscriptions.clear();
    }

    /// Runs until the client has left, or everything was sent (`None`), or it is to be closed.
    async fn serve(&self) -> Option<Close> {
        let limits = self.context.limits;
        let interval = limits.keep_alive.min(limits.peer_timeout / 4);
        let mut next_check = Instant::now() + interval;
        let mut stalled = Duration::ZERO;
        loop {
            tokio::select! {
                () = self.context.stop.cancelled() => return Some(Close::RESTART),
                () = self.left.cancelled() => return None,
                () = poll_fn(|cx| self.outbox.poll_work(cx)) => {
                    if self.outbox.is_full() {
                        self.context.runner.mesh().metrics.slow_reader(Transport::EventStream);
                        return Some(Close::TOO_SLOW);
                    }
                    if self.remove_ended() {
                        return None;
                    }
                    self.render().await;
                }
                () = sleep_until(next_check) => {
                    if self.is_revoked() {
                        return Some(Close::UNAUTHORIZED);
                    }
                    stalled = if self.outbox.has_stalled() { stalled + interval } else { Duration::ZERO };
                    if stalled >= limits.peer_timeout {
                        return Some(Close::PEER_TIMEOUT);
                    }
                    self.outbox.send(COMMENT);
                    next_check += interval;
                }
            }
        }
    }

    /// Removes the subscriptions that have ended; returns whether the stream ends with them.
    fn remove_ended(&self) -> bool {
        let ended = self.outbox.take_ended();
        if self.dialect != Dialect::SingleStream {
            return !ended.is_empty();
        }
        let mut state = self.state();
        for operation in &ended {
            if state.operations.end(operation) {
                state.subscriptions.remove(&operation.id);
            }
        }
        false
    }

    async fn render(&self) {
        if self.outbox.can_render() {
            let permit = self.context.runner.mesh().hub.rendering_permit().await;
            self.outbox.render_next();
            drop(permit);
            // Other tasks get a turn between two renderings.
            tokio::task::yield_now().await;
        }
    }

    /// Whether the key that opened the stream was removed.
    fn is_revoked(&self) -> bool {
        let context = &self.context;
        let now = context.runner.mesh().clock.now();
        let checked = context.authenticator.recheck(&context.grant, now);
        matches!(checked, Err(Unauthorized::WrongKey))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
