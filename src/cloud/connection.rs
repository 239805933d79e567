//! One cloud socket: here its client, its outbox, its group's messages, its running call, its
//! timers and the server's stop meet.

mod calls;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::cloud::CloudSettings;
use crate::cloud::calls::Calls;
use crate::cloud::close;
use crate::cloud::connection::calls::Outcome;
use crate::cloud::entry::Entrance;
use crate::cloud::inbox::Full;
use crate::cloud::member::{Leaving, Member};
use crate::cloud::session::{Action, Session};
use crate::hub::Publication;
use crate::memory::{Lease, Purpose};
use crate::metrics::Transport;
use crate::model::message::Message;
use crate::realtime::close::Close;
use crate::realtime::close_handshake::{CloseHandshake, PeerState};
use crate::realtime::io::OutboxIo;
use crate::realtime::liveness::{KeepAliveCheck, Liveness};
use crate::realtime::operation::next_outcome;
use crate::realtime::outbox::Outbox;
use crate::realtime::pause::Pause;
use crate::realtime::socket::{ConnectionContext, Upgraded};

/// Texts of a client that count as one message: a project sets variables in each frame, and most
/// of these go together in one report.
const TEXTS_PER_MESSAGE: usize = 32;
/// Bytes that count as one more text: one text may have many messages.
const TEXT_BYTES: usize = 512;
/// How long the last calls of a closed socket may take.
const FINISH: Duration = Duration::from_secs(5);
/// What may wait before the socket is a member, in bytes.
const ENTERING_BYTES: usize = 4096;

/// What remains of a closed socket.
pub struct Departed {
    joined: Arc<OnceLock<Leaving>>,
    settings: CloudSettings,
}

impl Departed {
    /// Lets the node leave its group, unless its project comes back soon.
    pub async fn leave(self, stop: &CancellationToken) {
        if let Some(leaving) = self.joined.get() {
            leaving.leave(self.settings.leave, stop).await;
        }
    }
}

struct Connection {
    context: ConnectionContext,
    caller: Caller,
    settings: CloudSettings,
    /// The join code in the address.
    code: Option<String>,
    session: Session,
    outbox: Arc<Outbox>,
    /// The node, once it has joined.
    joined: Arc<OnceLock<Leaving>>,
    member: Option<Member>,
    running: Option<BoxFuture<'static, Outcome>>,
    /// Before this, no report begins.
    next_report: Instant,
    next_heartbeat: Instant,
    liveness: Liveness,
    /// While its client sends too fast, nothing is read.
    pause: Pause,
    /// Texts since the last one that counted as a message.
    texts: usize,
    /// Counts what the session holds.
    lease: Lease,
}

/// Serves an upgraded socket until either side ends it. `code` is the join code in its address.
pub async fn serve(
    socket: Upgraded,
    context: ConnectionContext,
    caller: Caller,
    settings: CloudSettings,
    code: Option<String>,
) -> Departed {
    let memory = context.runner.mesh().memory.clone();
    let (limits, stop) = (context.limits, context.stop.clone());
    let outbox = Outbox::new(limits.outbox_bytes, memory.clone());
    let socket = match socket {
        Upgraded::Plain(tcp) => Box::new(tcp),
        Upgraded::Other(socket) => socket,
    };
    let (reader, mut writer) = tokio::io::split(socket);
    let now = Instant::now();
    let mut connection = Connection {
        context,
        caller,
        settings,
        code,
        session: Session::default(),
        outbox: Arc::clone(&outbox),
        joined: Arc::default(),
        member: None,
        running: None,
        next_report: now,
        next_heartbeat: now,
        liveness: Liveness::new(now),
        pause: Pause::default(),
        texts: 0,
        lease: memory.lease(Purpose::Requests, 0),
    };
    let io = OutboxIo {
        reader,
        outbox: Arc::clone(&outbox),
    };
    let mut frames = io.frames(limits.message_bytes).await;
    let handshake = Box::pin(connection.run(&mut frames, &mut writer)).await;
    // Before the close, however long that takes: a project that comes back is the same node.
    let _: Result<_, Elapsed> = timeout(FINISH, connection.finish()).await;
    (connection.member, connection.running) = (None, None);
    let joined = Arc::clone(&connection.joined);
    if let Some(handshake) = handshake {
        let limit = limits.close_timeout;
        let closing = handshake.run(&mut frames, &mut writer, &outbox, limit, &stop);
        Box::pin(closing).await;
    }
    Departed { joined, settings }
}

impl Connection {
    /// Runs until the client has left (`None`) or the connection is to be closed.
    async fn run(
        &mut self,
        frames: &mut WebSocketStream<OutboxIo<impl AsyncRead + Unpin>>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Option<CloseHandshake> {
        let limits = self.context.limits;
        let interval = limits.keep_alive.min(limits.peer_timeout / 4);
        // First for a handshake that does not come, then for each keep-alive.
        let mut timer = pin!(sleep(limits.init));
        let stop = self.context.stop.clone();
        loop {
            let outbox = Arc::clone(&self.outbox);
            let written = poll_fn(|cx| outbox.poll_write(cx, Pin::new(writer)));
            let due = self.next_call();
            let close = tokio::select! {
                () = stop.cancelled() => Some(Close::RESTART),
                written = written => {
                    written.ok()?;
                    self.on_written()
                }
                frame = frames.next(), if self.accepts_more() => {
                    self.liveness.record_activity(Instant::now());
                    let frame = frame?;
                    self.count(&frame);
                    match frame {
                        Ok(Frame::Text(text)) => self.on_text(&text),
                        Ok(Frame::Close(close)) => {
                            return Some(CloseHandshake::after_close(close.as_ref()));
                        }
                        // Binary messages too: TurboWarp's server ignores them.
                        Ok(_) => None,
                        Err(error) => return Some(CloseHandshake::after_error(&error)),
                    }
                }
                () = self.pause.is_over() => None,
                outcome = next_outcome(&mut self.running) => self.on_outcome(outcome),
                message = next_message(self.member.as_ref()) => match message {
                    Ok(message) => self.on_message(message.message()),
                    Err(Full) => Some(self.too_slow()),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.begin_call();
                    None
                }
                () = &mut timer => {
                    if !self.session.has_shaken_hands() {
                        Some(close::NO_HANDSHAKE)
                    } else if self.keep_alive(interval) == KeepAliveCheck::TimedOut {
                        let (close, peer) = (Close::PEER_TIMEOUT, PeerState::Lost);
                        return Some(CloseHandshake { close, peer });
                    } else {
                        timer.as_mut().reset(Instant::now() + interval);
                        None
                    }
                }
            };
            if let Some(close) = close {
                return Some(close.into());
            }
        }
    }

    /// Whether one more text is read: what waits to be reported is limited.
    fn accepts_more(&mut self) -> bool {
        let limits = &self.context.runner.mesh().limits;
        let bytes = match &self.member {
            Some(_) => limits.status_bytes,
            None => limits.status_bytes.min(ENTERING_BYTES),
        };
        let pending = self.session.pending();
        !self.pause.is_on() && pending.bytes() < bytes && pending.len() < limits.keys_per_node
    }

    /// Counts a frame towards the rate of messages. Projects send texts alone, so every other
    /// frame is a message of its own.
    fn count<E>(&mut self, frame: &Result<Frame, E>) {
        let Ok(frame) = frame else { return };
        let texts = if frame.is_text() {
            1
        } else {
            TEXTS_PER_MESSAGE
        };
        self.texts += texts + frame.len() / TEXT_BYTES;
        let rate_limits = &self.context.runner.mesh().rate_limits;
        while self.texts >= TEXTS_PER_MESSAGE {
            self.texts -= TEXTS_PER_MESSAGE;
            if let Some(time) = rate_limits.message(self.caller) {
                self.pause.begin(time);
            }
        }
    }

    fn on_text(&mut self, text: &str) -> Option<Close> {
        for action in self.session.on_text(text) {
            match action {
                Action::Enter(handshake) => {
                    let entrance = Entrance {
                        calls: Calls {
                            runner: self.context.runner.clone(),
                            caller: self.caller,
                        },
                        settings: self.settings,
                        inbox_bytes: self.context.limits.outbox_bytes,
                        joined: Arc::clone(&self.joined),
                    };
                    let entering = entrance.enter(self.code.take(), handshake);
                    self.running = Some(Box::pin(async move {
                        Outcome::Entered(entering.await.map(Box::new))
                    }));
                }
                Action::Rename { from, to } => {
                    let shown = self.member.as_ref().map(|member| &member.project);
                    let pending = self.session.pending();
                    let value = pending.value(&from);
                    let value = value.or_else(|| shown.and_then(|project| project.value(&from)));
                    if let Some(value) = value {
                        pending.set(to, value);
                    }
                }
                Action::Close(close) => return Some(close),
            }
        }
        self.account();
        None
    }

    fn on_message(&mut self, message: &Message) -> Option<Close> {
        let member = self.member.as_ref()?;
        match message {
            Message::Status(status) => {
                member.project.record(status);
                if let Some(text) = self.session.on_status(status) {
                    self.outbox.send(&text);
                }
                self.account();
                None
            }
            Message::Events(_) => None,
            Message::Dissolved(_) => Some(member.ended()),
        }
    }

    fn on_written(&self) -> Option<Close> {
        self.outbox.is_full().then(|| self.too_slow())
    }

    fn too_slow(&self) -> Close {
        self.context
            .runner
            .mesh()
            .metrics
            .slow_reader(Transport::Cloud);
        Close::TOO_SLOW
    }

    fn keep_alive(&mut self, next: Duration) -> KeepAliveCheck {
        if self.outbox.take_resumed() {
            self.liveness.record_activity(Instant::now());
        }
        let timeout = self.context.peer_timeout();
        let check = self.liveness.check(Instant::now(), timeout, next);
        self.outbox.ping();
        check
    }

    /// Accounts for what the session holds.
    fn account(&mut self) {
        let bytes = self.session.bytes();
        if self.lease.bytes() != bytes {
            self.lease.resize(bytes);
        }
    }
}

async fn next_message(member: Option<&Member>) -> Result<Arc<Publication>, Full> {
    match member {
        Some(member) => member.inbox.next().await,
        None => std::future::pending().await,
    }
}
