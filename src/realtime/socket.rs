//! The connection of one socket: the only place where its client, its outbox, its running
//! operations, its timers and the server's stop meet.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::hub::Subscription;
use crate::memory::{Lease, Purpose, Work};
use crate::realtime::ConnectionSlots;
use crate::realtime::ending::{self, Ending, Peer};
use crate::realtime::frame::{Close, Dialect, channel_error};
use crate::realtime::liveness::{Liveness, Look};
use crate::realtime::operation::{Outcome, next, run};
use crate::realtime::outbox::Outbox;
use crate::realtime::session::{Action, Operation, Session, SocketLimits};
use crate::realtime::subscriber::SocketSubscriber;
use crate::realtime::wire::{Line, Shared};
use crate::resolvers::document::OwnedGraphQlRequest;
use crate::resolvers::run::Runner;

/// Bytes read at once, held for every connection: clients say little after they began.
const READ_BYTES: usize = 512;

/// What a socket needs of its server.
#[derive(Clone)]
pub struct Service {
    /// What runs operations.
    pub runner: Runner,
    /// How much a socket may take.
    pub limits: SocketLimits,
    /// Cancelled when this socket shall say goodbye.
    pub stop: CancellationToken,
    /// The places for connections, of which this socket has one.
    pub places: ConnectionSlots,
}

struct Connection {
    service: Service,
    caller: Caller,
    session: Session,
    outbox: Arc<Outbox>,
    /// Each with the bytes of its selection.
    subscriptions: HashMap<String, (Subscription, usize)>,
    selection_bytes: usize,
    /// Operations that wait for the one that runs: a sender's report is never overtaken
    /// by its later fire (decision D18).
    queue: VecDeque<Queued>,
    /// Bytes of the operations that wait.
    queued_bytes: usize,
    /// The same in the memory budget.
    queued: Option<Lease>,
    running: Option<BoxFuture<'static, Outcome>>,
    liveness: Liveness,
}

/// An operation that waits.
struct Queued {
    of: Operation,
    dialect: Dialect,
    ask: OwnedGraphQlRequest,
    bytes: usize,
}

/// A socket as the upgrade left it.
pub enum Upgraded {
    /// Plain TCP: whoever speaks may write to it.
    Plain(TcpStream),
    /// Anything else, such as TLS.
    Other(Box<dyn Duplex>),
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Serves an upgraded socket until either side ends it. The future is boxed, and its parts
/// are moved into it before it is made: each would stand in it once more otherwise, and
/// there is one for every socket.
pub fn serve(
    socket: Upgraded,
    session: Session,
    service: Service,
    caller: Caller,
) -> BoxFuture<'static, ()> {
    let limit = service.limits.outbox_bytes;
    let memory = service.runner.mesh().memory.clone();
    match socket {
        Upgraded::Plain(tcp) => {
            let tcp = Arc::new(tcp);
            let outbox = Outbox::direct(limit, memory, Arc::clone(&tcp));
            let (reader, writer) = (Shared(Arc::clone(&tcp)), Shared(tcp));
            converse(reader, writer, outbox, session, service, caller)
        }
        Upgraded::Other(socket) => {
            let (reader, writer) = tokio::io::split(socket);
            let outbox = Outbox::new(limit, memory);
            converse(reader, writer, outbox, session, service, caller)
        }
    }
}

fn converse(
    reader: impl AsyncRead + Unpin + Send + 'static,
    mut writer: impl AsyncWrite + Unpin + Send + 'static,
    outbox: Arc<Outbox>,
    session: Session,
    service: Service,
    caller: Caller,
) -> BoxFuture<'static, ()> {
    let mut connection = Connection {
        service,
        caller,
        session,
        outbox,
        subscriptions: HashMap::new(),
        selection_bytes: 0,
        queue: VecDeque::new(),
        queued_bytes: 0,
        queued: None,
        running: None,
        liveness: Liveness::new(Instant::now()),
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(connection.service.limits.message_bytes))
        .max_frame_size(Some(connection.service.limits.message_bytes));
    let line = Line {
        reader,
        outbox: Arc::clone(&connection.outbox),
    };
    Box::pin(async move {
        let mut frames = WebSocketStream::from_raw_socket(line, Role::Server, Some(config)).await;
        let ending = connection.converse(&mut frames, &mut writer).await;
        // Nothing more is heard from here on, however long the close takes.
        connection.subscriptions.clear();
        connection.outbox.forget_unrendered();
        if let Some(ending) = ending {
            let Service { limits, stop, .. } = &connection.service;
            let (limit, to) = (limits.close_timeout, &connection.outbox);
            // Boxed: it would stand in every open socket's future otherwise.
            Box::pin(ending::end(
                ending,
                &mut frames,
                &mut writer,
                to,
                limit,
                stop,
            ))
            .await;
        }
    })
}

impl Connection {
    /// Until the client has left (`None`) or the connection is to be closed.
    async fn converse(
        &mut self,
        frames: &mut WebSocketStream<Line<impl AsyncRead + Unpin>>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Option<Ending> {
        let limits = self.service.limits;
        let beat = limits.keep_alive.min(limits.peer_timeout / 4);
        // Rings for the connection_init that does not come, then for each sign of life.
        let mut bell = pin!(sleep(limits.init));
        let mut open = false;
        let stop = self.service.stop.clone();
        loop {
            let outbox = Arc::clone(&self.outbox);
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer)));
            let (acts, bytes) = tokio::select! {
                () = stop.cancelled() => return Some(Close::RESTART.into()),
                written = written => {
                    written.ok()?;
                    if self.outbox.is_full() {
                        return Some(Close::TOO_SLOW.into());
                    }
                    if self.outbox.take_taken() {
                        // A ping comes to it late. TCP gives up who acknowledges nothing.
                        self.liveness.heard(Instant::now());
                    }
                    self.forget_ended();
                    if self.outbox.is_to_render() {
                        let hub = &self.service.runner.mesh().hub;
                        let turn = hub.turn_to_render().await;
                        self.outbox.render_next();
                        drop(turn);
                        // Others go on between two renderings.
                        tokio::task::yield_now().await;
                    }
                    (Vec::new(), 0)
                }
                frame = frames.next(), if self.takes_more() => {
                    self.liveness.heard(Instant::now());
                    match frame? {
                        Ok(Message::Text(text)) => (self.session.hear(&text), text.len()),
                        Ok(Message::Binary(_)) => return Some(Close::NOT_TEXT.into()),
                        Ok(Message::Close(close)) => return Some(Ending::answer(close.as_ref())),
                        Ok(_) => continue,
                        Err(error) => return Some(Ending::after(&error)),
                    }
                }
                outcome = next(&mut self.running) => (self.conclude(outcome), 0),
                () = &mut bell => {
                    if !open {
                        return Some(Close::INIT_TIMEOUT.into());
                    }
                    if self.look(beat) == Look::Gone {
                        return Some(Ending { close: Close::SILENT, peer: Peer::Gone });
                    }
                    bell.as_mut().reset(Instant::now() + beat);
                    continue;
                }
            };
            if !open && self.session.is_open() {
                open = true;
                bell.as_mut().reset(Instant::now() + beat);
            }
            if let Some(close) = self.perform(acts, bytes) {
                return Some(close.into());
            }
            self.run_next();
        }
    }

    /// Whether one more message is read: operations that wait are bounded, and so are
    /// their bytes.
    fn takes_more(&self) -> bool {
        let limits = &self.service.limits;
        self.queue.len() < limits.operations && self.queued_bytes < limits.message_bytes
    }

    /// Does what a message of so many `bytes` asks for.
    fn perform(&mut self, acts: Vec<Action>, bytes: usize) -> Option<Close> {
        for act in acts {
            match act {
                Action::Send(text) => self.outbox.say(&text),
                Action::Answer(text) => self.outbox.answer(text),
                Action::Stop(id) => {
                    self.unsubscribe(&id);
                    self.queue.retain(|waiting| waiting.of.id != id);
                    self.count_queued();
                }
                Action::Run { of, dialect, ask } => {
                    self.queue.push_back(Queued {
                        of,
                        dialect,
                        ask,
                        bytes,
                    });
                    self.count_queued();
                }
                Action::Close(close) => return Some(close),
            }
        }
        None
    }

    /// Starts the next operation, once the answer to the one before is written: a client
    /// that does not read its answers gets no more of them.
    fn run_next(&mut self) {
        if self.running.is_none()
            && !self.queue.is_empty()
            && !self.outbox.has_answer()
            && let Some(next) = self.queue.pop_front()
        {
            if self.queue.is_empty() {
                // Most sockets ask once, and then only listen.
                self.queue = VecDeque::new();
            }
            self.count_queued();
            let runner = self.service.runner.clone();
            let operation = run(runner, self.caller, next.of, next.dialect, next.ask);
            self.running = Some(Box::pin(operation));
        }
    }

    fn count_queued(&mut self) {
        self.queued_bytes = self.queue.iter().map(|waiting| waiting.bytes).sum();
        let memory = &self.service.runner.mesh().memory;
        self.queued =
            (self.queued_bytes > 0).then(|| memory.lease(Purpose::Queues, self.queued_bytes));
    }

    fn conclude(&mut self, outcome: Outcome) -> Vec<Action> {
        match outcome {
            Outcome::Answered(of, text) => self.session.answered(&of, text),
            Outcome::Refused(of, errors) => self.session.refused(&of, errors),
            Outcome::Listening(of, wanted) => {
                // The client may have stopped it meanwhile.
                let Some(dialect) = self.session.dialect_of(&of) else {
                    return Vec::new();
                };
                let bytes = wanted.selection.bytes();
                if let Err(message) = self.admit_selection(bytes) {
                    let error = channel_error("LimitExceeded", &message);
                    return self.session.refused(&of, vec![error]);
                }
                let (outbox, id) = (Arc::clone(&self.outbox), of.id.clone());
                let hub = &self.service.runner.mesh().hub;
                let subscription = hub.listen(&wanted.group, wanted.selection, |own| {
                    Arc::new(SocketSubscriber::new(outbox, of, dialect, own))
                });
                self.selection_bytes += bytes;
                self.subscriptions.insert(id, (subscription, bytes));
                Vec::new()
            }
        }
    }

    /// Whether a selection of so many bytes may be held (decisions D25, D26).
    fn admit_selection(&self, bytes: usize) -> Result<(), String> {
        let limit = self.service.limits.selection_bytes;
        if self.selection_bytes + bytes > limit {
            return Err(format!(
                "The selections of one connection take at most {limit} bytes"
            ));
        }
        let memory = &self.service.runner.mesh().memory;
        let admitted = memory.admit(Work::Data, bytes);
        admitted.map_err(|refusal| refusal.to_string())
    }

    fn unsubscribe(&mut self, id: &str) {
        if let Some((_, bytes)) = self.subscriptions.remove(id) {
            self.selection_bytes -= bytes;
        }
    }

    /// Forgets subscriptions that an error has ended.
    fn forget_ended(&mut self) {
        for of in self.outbox.take_ended() {
            if self.session.ended(&of) {
                self.unsubscribe(&of.id);
            }
        }
    }

    /// Shows a sign of life, and asks for one when the client was silent for long.
    fn look(&mut self, next: std::time::Duration) -> Look {
        let limits = &self.service.limits;
        let timeout = if self.service.places.run_short() {
            limits.short_peer_timeout.min(limits.peer_timeout)
        } else {
            limits.peer_timeout
        };
        let look = self.liveness.look(Instant::now(), timeout, next);
        match self.session.keep_alive() {
            Some(text) => self.outbox.say(text),
            None => self.outbox.ping(),
        }
        if look == Look::Ask && self.session.keep_alive().is_some() {
            self.outbox.ping();
        }
        look
    }
}

#[cfg(test)]
mod tests;
