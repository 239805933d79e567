//! The pump of one socket: the only place where its client, its outbox, its running
//! operations, its timers and the server's stop meet.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_graphql_parser::types::OperationType;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::hub::Subscription;
use crate::realtime::frame::{Close, Dialect, channel_error};
use crate::realtime::outbox::Outbox;
use crate::realtime::session::{Act, Operation, Session, SocketLimits};
use crate::realtime::subscriber::Subscriber;
use crate::resolvers::answer;
use crate::resolvers::document::OwnedAsk;
use crate::resolvers::run::{Runner, Wanted};

/// Bytes read from a socket at once; the library holds this much for every connection,
/// and clients say little after their first messages.
const READ_BYTES: usize = 512;
/// How long the last frames may take to be written before the socket is dropped.
const GOODBYE: Duration = Duration::from_secs(5);

/// What a socket needs of its server.
#[derive(Clone)]
pub struct Service {
    /// What runs operations.
    pub runner: Runner,
    /// How much a socket may take.
    pub limits: SocketLimits,
    /// Cancelled when this socket shall say goodbye.
    pub stop: CancellationToken,
}

/// What an operation came to.
enum Outcome {
    Listening(Operation, Wanted),
    Answered(Operation, Value),
    Refused(Operation, Vec<Value>),
}

struct Pump {
    service: Service,
    caller: Caller,
    session: Session,
    outbox: Arc<Outbox>,
    subscriptions: HashMap<String, Subscription>,
    /// Operations that wait for the one that runs: a sender's report is never overtaken
    /// by its later fire (decision D18).
    queue: VecDeque<(Operation, Dialect, OwnedAsk)>,
    running: Option<BoxFuture<'static, Outcome>>,
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
    let pump = |outbox| Pump {
        service,
        caller,
        session,
        outbox,
        subscriptions: HashMap::new(),
        queue: VecDeque::new(),
        running: None,
    };
    match socket {
        Upgraded::Plain(tcp) => {
            let tcp = Arc::new(tcp);
            let pump = pump(Outbox::direct(limit, Arc::clone(&tcp)));
            converse(Shared(Arc::clone(&tcp)), Shared(tcp), pump)
        }
        Upgraded::Other(socket) => {
            let (reader, writer) = tokio::io::split(socket);
            converse(reader, writer, pump(Outbox::new(limit)))
        }
    }
}

fn converse<R, W>(reader: R, mut writer: W, mut pump: Pump) -> BoxFuture<'static, ()>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(pump.service.limits.message_bytes))
        .max_frame_size(Some(pump.service.limits.message_bytes));
    let line = Line {
        reader,
        outbox: Arc::clone(&pump.outbox),
    };
    Box::pin(async move {
        let mut frames = WebSocketStream::from_raw_socket(line, Role::Server, Some(config)).await;
        let close = pump.converse(&mut frames, &mut writer).await;
        // Nothing more is heard from here on, whatever the goodbye takes.
        pump.subscriptions.clear();
        if let Some(close) = close {
            pump.outbox.close(close);
            say_goodbye(&mut frames, &mut writer, &pump.outbox).await;
        }
    })
}

impl Pump {
    /// Until the client leaves (`None`) or is to be told goodbye.
    async fn converse(
        &mut self,
        frames: &mut WebSocketStream<Line<impl AsyncRead + Unpin>>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Option<Close> {
        let limits = self.service.limits;
        // Rings for the connection_init that does not come, then for each sign of life.
        let mut bell = pin!(sleep(limits.init));
        let mut open = false;
        let stop = self.service.stop.clone();
        loop {
            let outbox = Arc::clone(&self.outbox);
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer)));
            let acts = tokio::select! {
                () = stop.cancelled() => return Some(Close::RESTART),
                written = written => {
                    written.ok()?;
                    if self.outbox.is_full() {
                        return Some(Close::TOO_SLOW);
                    }
                    continue;
                }
                frame = frames.next(), if self.queue.len() < limits.operations => match frame? {
                    Ok(Message::Text(text)) => self.session.hear(&text),
                    Ok(Message::Binary(_)) => return Some(Close::NOT_TEXT),
                    Ok(Message::Close(_)) => return Some(Close::NORMAL),
                    Ok(_) => continue,
                    Err(error) => return close_after(&error),
                },
                outcome = next(&mut self.running) => self.conclude(outcome),
                () = &mut bell => {
                    if !open {
                        return Some(Close::INIT_TIMEOUT);
                    }
                    self.stay_alive();
                    bell.as_mut().reset(Instant::now() + limits.keep_alive);
                    continue;
                }
            };
            if !open && self.session.is_open() {
                open = true;
                bell.as_mut().reset(Instant::now() + limits.keep_alive);
            }
            if let Some(close) = self.perform(acts) {
                return Some(close);
            }
            self.run_next();
        }
    }

    fn perform(&mut self, acts: Vec<Act>) -> Option<Close> {
        for act in acts {
            match act {
                Act::Say(text) => self.outbox.say(&text),
                Act::Stop(id) => {
                    self.subscriptions.remove(&id);
                    self.queue.retain(|(waiting, ..)| waiting.id != id);
                }
                Act::Run { of, dialect, ask } => self.queue.push_back((of, dialect, ask)),
                Act::Close(close) => return Some(close),
            }
        }
        None
    }

    fn run_next(&mut self) {
        if self.running.is_none()
            && let Some((of, dialect, ask)) = self.queue.pop_front()
        {
            if self.queue.is_empty() {
                // Most sockets ask once, and then only listen.
                self.queue = VecDeque::new();
            }
            let runner = self.service.runner.clone();
            self.running = Some(Box::pin(run(runner, self.caller, of, dialect, ask)));
        }
    }

    fn conclude(&mut self, outcome: Outcome) -> Vec<Act> {
        match outcome {
            Outcome::Answered(of, payload) => self.session.answered(&of, &payload),
            Outcome::Refused(of, errors) => self.session.refused(&of, errors),
            Outcome::Listening(of, wanted) => {
                // The client may have stopped it meanwhile.
                if let Some(dialect) = self.session.dialect_of(&of) {
                    let outbox = Arc::clone(&self.outbox);
                    let subscriber = Subscriber::new(outbox, &of.id, dialect);
                    let hub = &self.service.runner.mesh().hub;
                    let subscription =
                        hub.listen(&wanted.group, wanted.selection, Arc::new(subscriber));
                    self.subscriptions.insert(of.id, subscription);
                }
                Vec::new()
            }
        }
    }

    fn stay_alive(&mut self) {
        match self.session.keep_alive() {
            Some(text) => self.outbox.say(text),
            None => self.outbox.ping(),
        }
    }
}

async fn run(
    runner: Runner,
    caller: Caller,
    of: Operation,
    dialect: Dialect,
    ask: OwnedAsk,
) -> Outcome {
    let (document, variables) = match ask.open(runner.documents()) {
        Ok(opened) => opened,
        Err(error) => return Outcome::Refused(of, vec![answer::document_error(&error)]),
    };
    let kind = document.kind();
    if kind == OperationType::Subscription {
        return match runner.subscribe(&document, variables, caller).await {
            Ok(wanted) => Outcome::Listening(of, wanted),
            Err(errors) => Outcome::Refused(of, errors),
        };
    }
    if dialect == Dialect::AppSync {
        let message = format!("{kind} not supported through the realtime channel");
        return Outcome::Refused(of, vec![channel_error("UnsupportedOperation", &message)]);
    }
    let Some(response) = runner.answer(document, variables, caller).await else {
        let busy = channel_error("InternalFailure", "The service is busy. Please try again.");
        return Outcome::Refused(of, vec![busy]);
    };
    Outcome::Answered(
        of,
        serde_json::to_value(answer::Answer(&response)).unwrap_or_default(),
    )
}

/// The running operation's outcome; pending while none runs.
async fn next(running: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match running {
        Some(operation) => {
            let outcome = operation.await;
            *running = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

fn close_after(error: &WsError) -> Option<Close> {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => Some(Close::TOO_BIG),
        WsError::Protocol(_) => Some(Close::BAD_FRAME),
        WsError::Utf8(_) => Some(Close::NOT_UTF8),
        _ => None,
    }
}

/// Writes what is left and waits for the client's own goodbye, both within a bound.
async fn say_goodbye(
    frames: &mut WebSocketStream<Line<impl AsyncRead + Unpin>>,
    writer: &mut (impl AsyncWrite + Unpin),
    outbox: &Outbox,
) {
    let farewell = async {
        while !outbox.is_empty() {
            poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer))).await?;
        }
        writer.shutdown().await?;
        while let Some(Ok(_)) = frames.next().await {}
        io::Result::Ok(())
    };
    // Whoever does not listen to a goodbye is dropped without one.
    let _ = timeout(GOODBYE, farewell).await;
}

/// A socket as the WebSocket library sees it: it reads the wire, and what it writes
/// (pongs, the echo of a close) waits its turn in the outbox.
#[derive(Debug)]
pub struct Line<R> {
    reader: R,
    outbox: Arc<Outbox>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Line<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl<R: Unpin> AsyncWrite for Line<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outbox.raw(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A TCP socket that its reader, its writer and the speakers share.
pub(super) struct Shared(pub(super) Arc<TcpStream>);

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
