//! Accepts connections, plain and TLS, up to a bound, and serves HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Request};
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::memory::{Lease, Memory, Purpose};
use crate::metrics::OpenGuard;
use crate::server::address_slots::AddressSlot;
use crate::server::footprint::{HTTP_BYTES, SOCKET_BYTES, TLS_BYTES};
use crate::server::http_error::HttpError;
use crate::server::{AppState, Listeners, http, public, stream, tcp};

/// How long to wait after the system refused a connection, such as for want of file handles.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bytes that a stream of HTTP/2 holds on their way out; the rest of an answer waits in
/// its body.
const SEND_BUFFER: usize = 64 * 1024;

/// Headers by which a proxy says that a request is not its own.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "forwarded", "via", "x-real-ip"];

/// A connection, as its requests know it. A WebSocket keeps it after its upgrade, and
/// with it the place among the connections.
pub struct Connection {
    /// What all connections share.
    pub state: Arc<AppState>,
    /// The routes.
    pub router: Router,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Its number, by which its requests are counted.
    pub number: u64,
    /// The requests, by which it is seen whether the connection is in use.
    pub activity: Arc<Activity>,
    /// Responses that the peer has not read, up to the limit of one connection.
    pub unread: Memory,
    _place: OwnedSemaphorePermit,
    _share: Option<AddressSlot>,
    _held: Lease,
    _open: OpenGuard,
}

impl Connection {
    /// Whether a request with these headers comes from this machine, and not through a proxy on it.
    pub fn is_of_this_machine(&self, headers: &HeaderMap) -> bool {
        let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        self.peer.ip().to_canonical().is_loopback() && !forwarded
    }
}

/// Accepts until the server stops.
pub async fn accept_all(state: Arc<AppState>, listeners: Listeners) {
    let router = http::router(&state.settings);
    let mut all = vec![accept(&state, router.clone(), listeners.plain, None)];
    if let Some((listener, config)) = listeners.tls {
        all.push(accept(&state, router, listener, Some(config.into())));
    }
    if let Some((listener, folder)) = listeners.public {
        all.push(accept(
            &state,
            public::router(&folder, state.settings.pages),
            listener,
            None,
        ));
    }
    join_all(all).await;
}

async fn accept(
    state: &Arc<AppState>,
    router: Router,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) {
    let memory = &state.runner.mesh().memory;
    let bytes = SOCKET_BYTES + tls.as_ref().map_or(0, |_| TLS_BYTES);
    loop {
        let (stream, peer, place) = tokio::select! {
            () = state.stop.cancelled() => return,
            accepted = accept_one(&listener, state) => accepted,
        };
        let (taken, trusted) = (state.slots.taken(), &state.settings.trusted_proxies);
        // Beyond its share an address's connection is closed at once.
        let Ok(share) = state.address_slots.acquire(peer.ip(), trusted, taken) else {
            continue;
        };
        let connection = Connection {
            state: Arc::clone(state),
            router: router.clone(),
            peer,
            number: state.accepted.fetch_add(1, Ordering::Relaxed),
            activity: Arc::default(),
            unread: Memory::new(state.settings.http.unread_bytes),
            _place: place,
            _share: share,
            _held: memory.lease(Purpose::Connections, bytes),
            _open: state.runner.mesh().metrics.connection(),
        };
        let tls = tls.clone();
        state.tasks.spawn(async move {
            let timeout = connection.state.settings.http.request_timeout;
            match tls {
                None => serve(stream, connection).await,
                Some(tls) => {
                    // A peer that does not finish its handshake is dropped.
                    if let Ok(Ok(stream)) = tokio::time::timeout(timeout, tls.accept(stream)).await
                    {
                        serve(stream, connection).await;
                    }
                }
            }
        });
    }
}

async fn accept_one(
    listener: &TcpListener,
    state: &AppState,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let acquired = state.slots.acquire().await;
        let slot = acquired.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Messages are small and each matters now: no waiting for more to send.
                let _ = stream.set_nodelay(true);
                // What a system does not know costs time alone: the server's own timers stay.
                let _ = tcp::watch_peer(&stream, state.settings.sockets.peer_timeout);
                return (stream, peer, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve<S>(stream: S, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let state = Arc::clone(&connection.state);
    // Until the connection ends or becomes a WebSocket.
    let memory = &state.runner.mesh().memory;
    let _held = memory.lease(Purpose::Connections, HTTP_BYTES);
    let origins = state.settings.origins.clone();
    let activity = Arc::clone(&connection.activity);
    let counter = Arc::clone(&activity);
    let routes = http::service(connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let in_flight = counter.begin();
        let is_allowed = origins.allow(&request);
        let routes = routes.clone();
        async move {
            let is_preflight_of_stream = stream::is_preflight(&request);
            let mut response = if is_allowed {
                routes.oneshot(request).await
            } else {
                Ok(HttpError::ORIGIN.response())
            };
            if is_preflight_of_stream {
                response = response.map(stream::allow_methods);
            }
            drop(in_flight);
            response
        }
    });
    let limits = state.settings.http;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // One published client (gql for Python) compares header names with this form only.
        .title_case_headers(true)
        // A timer of ours watches the whole connection; the library's would be set anew
        // for every request.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.request_timeout)
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut idle_check = std::pin::pin!(tokio::time::sleep(limits.request_timeout));
    let (mut seen, mut leaving) = (0, false);
    loop {
        // Errors here are the peer's: broken requests, closed sockets.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = state.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
                return;
            }
            () = activity.cut.notified() => return,
            () = idle_check.as_mut() => {
                let idle = activity.is_idle_since(&mut seen);
                if idle && (leaving || seen == 0) {
                    // A peer that never sent a request, or does not read its response, is
                    // dropped.
                    return;
                }
                if idle {
                    connection.as_mut().graceful_shutdown();
                }
                leaving = idle;
                let wait = if leaving { limits.request_timeout } else { limits.idle };
                idle_check.as_mut().reset(tokio::time::Instant::now() + wait);
            }
        }
    }
}

/// What a peer does on a connection: requests, and reading of files.
#[derive(Default)]
pub struct Activity {
    steps: AtomicU64,
    in_flight: AtomicUsize,
    cut: Notify,
}

/// A request that is being served.
pub struct InFlight(Arc<Activity>);

impl Activity {
    /// Notes that the peer does something.
    pub fn note(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request is being served, until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.note();
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Drops the connection as it is.
    pub fn cut(&self) {
        self.cut.notify_one();
    }

    /// Whether nothing was done since the last check, and no request is in flight.
    fn is_idle_since(&self, seen: &mut u64) -> bool {
        let steps = self.steps.load(Ordering::Relaxed);
        let nothing_new = std::mem::replace(seen, steps) == steps;
        nothing_new && self.in_flight.load(Ordering::Relaxed) == 0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
