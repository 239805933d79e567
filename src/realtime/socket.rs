//! From an upgraded socket to its connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::realtime::close::Close;
use crate::realtime::close_handshake::CloseHandshake;
use crate::realtime::connection::Connection;
use crate::realtime::io::{OutboxIo, SharedTcp};
use crate::realtime::outbox::Outbox;
use crate::realtime::session::Session;
use crate::realtime::{ConnectionSlots, SocketLimits};
use crate::resolvers::run::Runner;

/// The longest message that is read as one while a socket is refused; all of them are discarded.
const DISCARDED_MESSAGE_BYTES: usize = 4096;

/// What a connection needs of its server.
#[derive(Clone)]
pub struct ConnectionContext {
    /// Runs operations.
    pub runner: Runner,
    /// How much the socket may take.
    pub limits: SocketLimits,
    /// Cancelled when this socket is to be closed.
    pub stop: CancellationToken,
    /// The connection slots, of which this socket has one.
    pub slots: ConnectionSlots,
}

impl ConnectionContext {
    /// How long a peer may be silent: less while connections run short.
    pub fn peer_timeout(&self) -> Duration {
        let limits = &self.limits;
        if self.slots.run_low() {
            limits.short_peer_timeout.min(limits.peer_timeout)
        } else {
            limits.peer_timeout
        }
    }
}

/// A socket after the upgrade.
pub enum Upgraded {
    /// Plain TCP, to which the hub's dispatchers may write.
    Plain(TcpStream),
    /// Anything else, such as TLS.
    Other(Box<dyn Duplex>),
}

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Closes an upgraded socket whose address has its share of the connections, within `limit`.
/// Clients count a refused upgrade as a blocked network; after this close they connect again.
pub async fn refuse(socket: Upgraded, context: &ConnectionContext, limit: Duration) {
    let socket = match socket {
        Upgraded::Plain(tcp) => Box::new(tcp),
        Upgraded::Other(socket) => socket,
    };
    let (reader, mut writer) = tokio::io::split(socket);
    let memory = context.runner.mesh().memory.clone();
    let outbox = Outbox::new(context.limits.outbox_bytes, memory);
    let io = OutboxIo {
        reader,
        outbox: Arc::clone(&outbox),
    };
    let mut frames = io.frames(DISCARDED_MESSAGE_BYTES).await;
    let handshake = CloseHandshake::from(Close::TOO_MANY);
    let stop = &context.stop;
    let closing = handshake.run(&mut frames, &mut writer, &outbox, limit, stop);
    closing.await;
}

/// Serves an upgraded socket until either side ends it.
pub fn serve(
    socket: Upgraded,
    session: Session,
    context: ConnectionContext,
    caller: Caller,
) -> BoxFuture<'static, ()> {
    let limit = context.limits.outbox_bytes;
    let memory = context.runner.mesh().memory.clone();
    match socket {
        Upgraded::Plain(tcp) => {
            let tcp = Arc::new(tcp);
            let outbox = Outbox::with_socket(limit, memory, Arc::clone(&tcp));
            let (reader, writer) = (SharedTcp(Arc::clone(&tcp)), SharedTcp(tcp));
            Connection::new(context, caller, session, outbox).serve(reader, writer)
        }
        Upgraded::Other(socket) => {
            let (reader, writer) = tokio::io::split(socket);
            let outbox = Outbox::new(limit, memory);
            Connection::new(context, caller, session, outbox).serve(reader, writer)
        }
    }
}
