//! From an upgraded socket to its connection.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::realtime::connection::Connection;
use crate::realtime::io::SharedTcp;
use crate::realtime::outbox::Outbox;
use crate::realtime::session::Session;
use crate::realtime::{ConnectionSlots, SocketLimits};
use crate::resolvers::run::Runner;

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
