//! The monitor's own listener (`--metrics-listen`): /metrics, /healthz and /readyz without a key, and
//! nothing else. Its connections do not count among the others, so that a full server can be watched.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::server::{AppState, health, metrics};

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long a connection may wait for its next request; a monitor that asks less often connects
/// again.
const IDLE: Duration = Duration::from_secs(10);
/// How long a connection is used; a monitor connects again.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long the last response may take.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait after the system refused a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Accepts until the server stops.
pub async fn accept_all(state: Arc<AppState>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let routes = routes(Arc::clone(&state));
    loop {
        let place = Arc::clone(&slots).acquire_owned();
        let place = place.await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            () = state.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let (state, routes) = (Arc::clone(&state), routes.clone());
        state.tasks.clone().spawn(async move {
            serve(stream, routes, &state).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, routes: Router, state: &AppState) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let service = TowerToHyperService::new(routes);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(LIFETIME) => {}
        () = state.stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, connection).await;
}

fn routes(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/metrics", get(shown))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(ready))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(state)
}

async fn shown(State(state): State<Arc<AppState>>) -> Response {
    metrics::response(&state)
}

async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (headers, health::readiness(&state).await).into_response()
}
