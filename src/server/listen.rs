//! Accepts connections, plain and TLS, up to a bound, and serves HTTP/1.1 and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::server::{Doors, Listeners, http};

/// How long to wait after the system refused a connection, such as for want of file handles.
const BREATHER: Duration = Duration::from_millis(100);

/// The peer's address of the connection a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Accepts until the server stops.
pub async fn accept_all(doors: Arc<Doors>, listeners: Listeners) {
    let router = http::router(Arc::clone(&doors));
    let places = Arc::new(Semaphore::new(doors.settings.http.connections));
    let plain = accept(&doors, &router, &places, &listeners.plain, None);
    match &listeners.tls {
        Some((listener, config)) => {
            let acceptor = TlsAcceptor::from(Arc::clone(config));
            tokio::join!(
                plain,
                accept(&doors, &router, &places, listener, Some(acceptor))
            );
        }
        None => plain.await,
    }
}

async fn accept(
    doors: &Arc<Doors>,
    router: &Router,
    places: &Arc<Semaphore>,
    listener: &TcpListener,
    tls: Option<TlsAcceptor>,
) {
    loop {
        let (stream, peer, place) = tokio::select! {
            () = doors.stop.cancelled() => return,
            accepted = accept_one(listener, places) => accepted,
        };
        let (doors, router, tls) = (Arc::clone(doors), router.clone(), tls.clone());
        doors.tasks.clone().spawn(async move {
            let patience = doors.settings.http.patience;
            match tls {
                None => serve(stream, peer, &doors, router, place).await,
                Some(tls) => {
                    // A peer that does not finish its handshake is its own loss.
                    if let Ok(Ok(stream)) = tokio::time::timeout(patience, tls.accept(stream)).await
                    {
                        serve(stream, peer, &doors, router, place).await;
                    }
                }
            }
        });
    }
}

async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Messages are small and each matters now: no waiting for more to send.
                let _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// A place among the connections; a WebSocket keeps it after its upgrade.
pub type Place = Arc<OwnedSemaphorePermit>;

async fn serve<S>(
    stream: S,
    peer: SocketAddr,
    doors: &Arc<Doors>,
    router: Router,
    place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place: Place = Arc::new(place);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Arc::clone(&place));
        router.clone().oneshot(request)
    });
    let limits = doors.settings.http;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        .max_buf_size(limits.head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // Errors here are the peer's: broken requests, closed sockets.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = doors.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
