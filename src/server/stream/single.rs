//! graphql-sse's single connection mode: PUT reserves an event stream, GET opens it, POST begins an
//! operation whose results it carries, DELETE ends one. The token of the reservation is what the
//! connection is on a WebSocket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::realtime::protocol::Dialect;
use crate::realtime::session::is_valid_id;
use crate::realtime::stream::EventStream;
use crate::realtime::stream::operations::NotBegun;
use crate::realtime::stream::request::StreamRequest;
use crate::resolvers::log_context;
use crate::server::AppState;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query;
use crate::server::stream::body::StreamBody;
use crate::server::stream::{Carried, authenticate, context, payload, respond, slot};

const TOKEN: HeaderName = HeaderName::from_static("x-graphql-event-stream-token");

/// The event streams of this mode, by their tokens.
#[derive(Default)]
pub struct Reservations {
    by_token: Mutex<HashMap<String, Arc<Reservation>>>,
}

/// An event stream that is reserved, or open.
struct Reservation {
    stream: Arc<EventStream>,
    /// Taken by the request that opens it.
    opens: Mutex<Option<oneshot::Sender<Carried>>>,
}

impl Reservations {
    fn get(&self, token: &str) -> Option<Arc<Reservation>> {
        let found = lock(&self.by_token).get(token).cloned();
        found.filter(|reservation| !reservation.stream.has_ended())
    }
}

/// Removes a token at its drop.
struct TokenGuard {
    state: Arc<AppState>,
    token: String,
}

impl Drop for TokenGuard {
    fn drop(&mut self) {
        lock(&self.state.reservations.by_token).remove(&self.token);
    }
}

/// The token that a request shows.
pub fn token(head: &Parts) -> Option<&str> {
    let shown = head.headers.get(TOKEN);
    let pairs = head.uri.query().unwrap_or_default().split('&');
    let in_query = || {
        pairs
            .into_iter()
            .find_map(|pair| pair.strip_prefix("token="))
    };
    shown.map_or_else(in_query, |token| token.to_str().ok())
}

/// PUT: reserves an event stream and answers its token.
pub async fn reserve(connection: &Arc<Connection>, head: &Parts) -> Result<Response, HttpError> {
    let (caller, grant) = authenticate(connection, head).await?;
    let state = &connection.state;
    let waiting = slot(&state.waiting_streams, connection, caller)?;
    let stop = CancellationToken::new();
    let context = context(state, grant, caller.join_code, &stop);
    let stream = EventStream::new(context, Dialect::SingleStream);
    let (opens, opened) = oneshot::channel();
    let token = uuid::Uuid::new_v4().to_string();
    let reservation = Reservation {
        stream: Arc::clone(&stream),
        opens: Mutex::new(Some(opens)),
    };
    lock(&state.reservations.by_token).insert(token.clone(), Arc::new(reservation));
    let guard = TokenGuard {
        state: Arc::clone(state),
        token: token.clone(),
    };
    let serving = async move {
        let (settings, stopping) = (&guard.state.settings, &guard.state.stop);
        let carried = wait(opened, settings.http.stream_reservation, stopping).await;
        drop(waiting);
        match carried {
            Some(carried) => carried.run(&stream, &stop).await,
            None => stream.end_operations(),
        }
    };
    state.tasks.spawn(log_context::in_task(serving));
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::CREATED, headers, token).into_response())
}

/// Waits until the stream is opened; `None` if no request opens it in `time`.
async fn wait<T>(
    mut opened: oneshot::Receiver<T>,
    time: Duration,
    stop: &CancellationToken,
) -> Option<T> {
    tokio::select! {
        opened = &mut opened => return opened.ok(),
        () = sleep(time) => {}
        () = stop.cancelled() => {}
    }
    // A request may have opened it at the same moment: its response has begun and needs its task.
    opened.close();
    opened.try_recv().ok()
}

/// GET: opens the event stream. Its token shows who reserved it.
pub fn open(
    connection: &Arc<Connection>,
    head: &Parts,
    token: &str,
) -> Result<Response, HttpError> {
    let state = &connection.state;
    let found = state.reservations.get(token).ok_or(HttpError::NO_STREAM)?;
    let caller = query::caller(connection, &head.headers);
    found.stream.authorize(caller)?;
    let mut opens = lock(&found.opens);
    if opens.is_none() {
        return Err(HttpError::STREAM_IS_OPEN);
    }
    let carried = Carried::by(connection, head, caller)?;
    let body = StreamBody::new(Arc::clone(&found.stream), connection.activity.begin());
    let opened = opens
        .take()
        .is_some_and(|opens| opens.send(carried).is_ok());
    if !opened {
        // Its time was over just now.
        return Err(HttpError::NO_STREAM);
    }
    Ok(respond(Body::new(body)))
}

/// POST: runs an operation; it stands, or has its result queued, when this is answered.
pub async fn operate(
    connection: &Arc<Connection>,
    head: &Parts,
    body: Incoming,
    token: &str,
) -> Result<Response, HttpError> {
    let state = &connection.state;
    let found = state.reservations.get(token).ok_or(HttpError::NO_STREAM)?;
    let caller = query::caller(connection, &head.headers);
    let caller = found.stream.authorize(caller)?;
    let (payload, _lease) = payload(connection, head, body).await?;
    let request = StreamRequest::parse(payload).ok_or(HttpError::UNREADABLE)?;
    let id = request.operation_id.clone().filter(|id| is_valid_id(id));
    let id = id.ok_or(HttpError::NO_OPERATION_ID)?;
    let begun = found.stream.begin(&id).map_err(|why| match why {
        NotBegun::Closed => HttpError::NO_STREAM,
        NotBegun::Duplicate | NotBegun::TooMany => HttpError::OPERATION_ID_IN_USE,
    });
    if let Some(key) = begun? {
        // To its end, also when its client leaves.
        let executing = Arc::clone(&found.stream).execute(key, request, caller);
        let _ = state.tasks.spawn(log_context::in_task(executing)).await;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndParams {
    operation_id: String,
}

/// DELETE: ends an operation.
pub fn end(connection: &Connection, head: &Parts, token: &str) -> Result<Response, HttpError> {
    let found = connection.state.reservations.get(token);
    let found = found.ok_or(HttpError::NO_STREAM)?;
    let params = Query::<EndParams>::try_from_uri(&head.uri);
    let Query(EndParams { operation_id: id }) = params.map_err(|_| HttpError::NO_OPERATION_ID)?;
    found.stream.end(&id);
    Ok(StatusCode::OK.into_response())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which branch sees it first is random: each repetition tries both.
    #[tokio::test]
    async fn an_opening_at_the_last_moment_is_served() {
        for _ in 0..64 {
            let stop = CancellationToken::new();
            stop.cancel();
            let (opens, opened) = oneshot::channel();
            opens.send("carried").unwrap();
            let waited = wait(opened, Duration::MAX, &stop).await;
            assert_eq!(waited, Some("carried"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_opening_after_the_time_is_refused() {
        let (opens, opened) = oneshot::channel::<()>();
        let waited = wait(opened, Duration::from_secs(5), &CancellationToken::new()).await;
        assert_eq!(waited, None);
        assert!(opens.send(()).is_err());
    }
}
