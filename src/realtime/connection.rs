//! One socket's connection: here its client, its outbox, its running operation, its timers
//! and the server's stop meet.

mod operation_queue;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tracing::Instrument as _;

use crate::auth::Caller;
use crate::metrics::Transport;
use crate::realtime::close::Close;
use crate::realtime::close_handshake::{CloseHandshake, PeerState};
use crate::realtime::connection::operation_queue::{OperationQueue, QueuedOperation};
use crate::realtime::io::OutboxIo;
use crate::realtime::liveness::{KeepAliveCheck, Liveness};
use crate::realtime::message::channel_error;
use crate::realtime::operation::{Outcome, next_outcome, run};
use crate::realtime::outbox::Outbox;
use crate::realtime::pause::Pause;
use crate::realtime::session::{Action, Session};
use crate::realtime::socket::ConnectionContext;
use crate::realtime::subscriptions::Subscriptions;

/// A socket's connection.
pub struct Connection {
    context: ConnectionContext,
    caller: Caller,
    session: Session,
    outbox: Arc<Outbox>,
    subscriptions: Subscriptions,
    /// Operations that wait for the running one: a sender's report is never overtaken by its
    /// later fire (decision D18).
    queue: OperationQueue,
    running: Option<BoxFuture<'static, Outcome>>,
    /// How many operations were begun, by which the log tells them apart.
    begun: u64,
    liveness: Liveness,
    /// While its client sends too fast, nothing is read.
    pause: Pause,
}

impl Connection {
    /// A connection that writes by `outbox`.
    pub fn new(
        context: ConnectionContext,
        caller: Caller,
        session: Session,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self {
            context,
            caller,
            session,
            outbox,
            subscriptions: Subscriptions::default(),
            queue: OperationQueue::default(),
            running: None,
            begun: 0,
            liveness: Liveness::new(Instant::now()),
            pause: Pause::default(),
        }
    }

    /// Serves the connection until either side ends it. The future is boxed, and the parts
    /// are moved into it before it is made: each would take its space twice otherwise, and
    /// every socket has one.
    pub fn serve(
        mut self,
        reader: impl AsyncRead + Unpin + Send + 'static,
        mut writer: impl AsyncWrite + Unpin + Send + 'static,
    ) -> BoxFuture<'static, ()> {
        let message_bytes = self.context.limits.message_bytes;
        let outbox = Arc::clone(&self.outbox);
        let io = OutboxIo { reader, outbox };
        Box::pin(async move {
            let mut frames = io.frames(message_bytes).await;
            let handshake = self.run(&mut frames, &mut writer).await;
            // Nothing more is delivered, however long the close takes.
            self.subscriptions.clear();
            self.outbox.clear_unrendered();
            if let Some(handshake) = handshake {
                let (limit, stop) = (self.context.limits.close_timeout, &self.context.stop);
                // Boxed: few sockets need it at the same time.
                let (frames, writer) = (&mut frames, &mut writer);
                Box::pin(handshake.run(frames, writer, &self.outbox, limit, stop)).await;
            }
        })
    }

    /// Runs until the client has left (`None`) or the connection is to be closed.
    async fn run(
        &mut self,
        frames: &mut WebSocketStream<OutboxIo<impl AsyncRead + Unpin>>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Option<CloseHandshake> {
        let limits = self.context.limits;
        let interval = limits.keep_alive.min(limits.peer_timeout / 4);
        // First for a connection_init that does not come, then for each keep-alive.
        let mut timer = pin!(sleep(limits.init));
        let mut open = false;
        let stop = self.context.stop.clone();
        loop {
            let outbox = Arc::clone(&self.outbox);
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer)));
            let (actions, bytes) = tokio::select! {
                () = stop.cancelled() => return Some(Close::RESTART.into()),
                written = written => {
                    written.ok()?;
                    if let Some(close) = self.on_written().await {
                        return Some(close.into());
                    }
                    (Vec::new(), 0)
                }
                frame = frames.next(), if self.accepts_more() => {
                    self.liveness.record_activity(Instant::now());
                    let limits = &self.context.runner.mesh().rate_limits;
                    if let Some(time) = limits.message(self.caller) {
                        self.pause.begin(time);
                    }
                    match frame? {
                        Ok(Message::Text(text)) => (self.on_text(&text).await, text.len()),
                        Ok(Message::Binary(_)) => return Some(Close::NOT_TEXT.into()),
                        Ok(Message::Close(close)) => {
                            return Some(CloseHandshake::after_close(close.as_ref()));
                        }
                        Ok(_) => continue,
                        Err(error) => return Some(CloseHandshake::after_error(&error)),
                    }
                }
                () = self.pause.is_over() => continue,
                outcome = next_outcome(&mut self.running) => (self.on_outcome(outcome), 0),
                () = &mut timer => {
                    if !open {
                        return Some(Close::INIT_TIMEOUT.into());
                    }
                    // A key that was removed serves its sockets no longer than this.
                    if self.session.is_revoked() {
                        return Some(Close::UNAUTHORIZED.into());
                    }
                    if self.keep_alive(interval) == KeepAliveCheck::TimedOut {
                        let (close, peer) = (Close::PEER_TIMEOUT, PeerState::Lost);
                        return Some(CloseHandshake { close, peer });
                    }
                    timer.as_mut().reset(Instant::now() + interval);
                    continue;
                }
            };
            if !open && self.session.is_open() {
                open = true;
                timer.as_mut().reset(Instant::now() + interval);
            }
            if actions
                .iter()
                .any(|action| matches!(action, Action::WrongKey))
            {
                let limits = self.context.runner.mesh().rate_limits.clone();
                tokio::select! {
                    () = stop.cancelled() => return Some(Close::RESTART.into()),
                    () = Box::pin(limits.wrong_key(self.caller)) => {}
                }
            }
            if let Some(close) = self.perform(actions, bytes) {
                return Some(close.into());
            }
            self.run_next();
        }
    }

    /// Handles a text. One with a token of an unknown key waits until the keys were fetched again,
    /// if that may be done now.
    async fn on_text(&mut self, text: &str) -> Vec<Action> {
        let actions = self.session.on_message(text);
        let wants_keys = |action: &Action| matches!(action, Action::FetchKeys);
        if !actions.iter().any(wants_keys) {
            return actions;
        }
        let (authenticator, stop) = (self.session.authenticator(), self.context.stop.clone());
        // Boxed: few sockets need it at the same time.
        let refreshed = Box::pin(async move { authenticator.refreshed().await });
        tokio::select! {
            () = stop.cancelled() => Vec::new(),
            fetched = refreshed => if fetched { self.session.on_message(text) } else { actions },
        }
    }

    /// Does what the outbox has for this task after a write; `Some` if it is full.
    async fn on_written(&mut self) -> Option<Close> {
        if self.outbox.is_full() {
            self.context
                .runner
                .mesh()
                .metrics
                .slow_reader(Transport::WebSocket);
            return Some(Close::TOO_SLOW);
        }
        if self.outbox.take_resumed() {
            // A ping reaches a slow reader late. TCP drops a peer that acknowledges nothing.
            self.liveness.record_activity(Instant::now());
        }
        for operation in self.outbox.take_ended() {
            if self.session.on_subscription_ended(&operation) {
                self.subscriptions.remove(&operation.id);
            }
        }
        if self.outbox.can_render() {
            let permit = self.context.runner.mesh().hub.rendering_permit().await;
            self.outbox.render_next();
            drop(permit);
            // Other tasks get a turn between two renderings.
            tokio::task::yield_now().await;
        }
        None
    }

    /// Whether one more message is read: waiting operations and their bytes are limited.
    fn accepts_more(&self) -> bool {
        let limits = &self.context.limits;
        !self.pause.is_on()
            && self.queue.len() < limits.operations
            && self.queue.bytes() < limits.message_bytes
    }

    /// Performs the actions after a message of `bytes`.
    fn perform(&mut self, actions: Vec<Action>, bytes: usize) -> Option<Close> {
        let memory = &self.context.runner.mesh().memory;
        for action in actions {
            match action {
                Action::Send(text) => self.outbox.send(&text),
                Action::Respond(text) => self.outbox.respond(text),
                Action::Cancel(id) => {
                    self.subscriptions.remove(&id);
                    self.queue.remove(&id, memory);
                }
                Action::Run {
                    operation,
                    dialect,
                    request,
                    positions,
                    join_code,
                } => {
                    let queued = QueuedOperation {
                        operation,
                        dialect,
                        request,
                        positions,
                        join_code,
                        bytes,
                    };
                    self.queue.push(queued, memory);
                }
                Action::FetchKeys | Action::WrongKey => {}
                Action::Close(close) => return Some(close),
            }
        }
        None
    }

    /// Starts the next operation, once the response to the last one is written: a client
    /// that does not read its responses gets no more of them.
    fn run_next(&mut self) {
        if self.running.is_some() || self.queue.len() == 0 || self.outbox.has_response() {
            return;
        }
        let runner = self.context.runner.clone();
        if let Some(next) = self.queue.pop(&runner.mesh().memory) {
            let role = self.session.role();
            let caller = Caller {
                role,
                join_code: next.join_code.or(self.caller.join_code),
                ..self.caller
            };
            let operation = run(
                runner,
                caller,
                next.operation,
                next.dialect,
                next.request,
                next.positions,
            );
            self.begun += 1;
            let span = tracing::debug_span!("operation", number = self.begun);
            self.running = Some(Box::pin(operation.instrument(span)));
        }
    }

    fn on_outcome(&mut self, outcome: Outcome) -> Vec<Action> {
        let registration = match outcome {
            Outcome::Response(operation, text) => {
                return self.session.on_response(&operation, text);
            }
            Outcome::Rejected(operation, errors) => {
                let runner = &self.context.runner;
                for error in &errors {
                    runner.count_error(error);
                }
                return self.session.on_rejected(&operation, errors);
            }
            Outcome::Subscription(registration) => registration,
        };
        // The client may have stopped it meanwhile.
        let operation = registration.operation.clone();
        let Some(dialect) = self.session.dialect_of(&operation) else {
            return Vec::new();
        };
        let mesh = self.context.runner.mesh();
        let limit = self.context.limits.selection_bytes;
        let subscriptions = &mut self.subscriptions;
        match subscriptions.register(mesh, &self.outbox, dialect, registration, limit) {
            Ok(()) => Vec::new(),
            Err(message) => {
                let error = channel_error("LimitExceeded", &message);
                self.session.on_rejected(&operation, vec![error])
            }
        }
    }

    /// Sends a keep-alive, and a ping when the client was silent for long.
    fn keep_alive(&mut self, next: Duration) -> KeepAliveCheck {
        let timeout = self.context.peer_timeout();
        let check = self.liveness.check(Instant::now(), timeout, next);
        match self.session.keep_alive() {
            Some(text) => self.outbox.send(text),
            None => self.outbox.ping(),
        }
        if check == KeepAliveCheck::PingDue && self.session.keep_alive().is_some() {
            self.outbox.ping();
        }
        check
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
