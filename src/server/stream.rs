//! GraphQL over server-sent events at /graphql/stream (docs/protocols.md, Event streams):
//! `distinct` has a stream for each operation, `single` one for all.

mod body;
mod distinct;
pub mod single;
pub mod slots;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Grant};
use crate::memory::{Lease, Purpose};
use crate::metrics::SocketProtocol;
use crate::model::join_code::JoinCode;
use crate::realtime::credentials::{self, headers_in_query};
use crate::realtime::protocol::Dialect;
use crate::realtime::stream::{Ending, EventStream, StreamContext};
use crate::server::AppState;
use crate::server::footprint::STREAM_BYTES;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query::{self, check_content_type};
use crate::server::request_body;
use crate::server::stream::slots::{StreamSlot, StreamSlots};
use crate::server::upgrade::until_drained;

/// Where event streams are, and what clients derive from an endpoint that ends with a slash.
const PATHS: [&str; 3] = ["/graphql/stream", "/graphql//stream", "/graphql/stream/"];

/// The methods that pages may use here, beside those of other addresses.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,DELETE,OPTIONS");

/// Whether a request is about event streams.
pub fn is_path(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Whether a browser asks what a page may send to an event stream.
pub fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && is_path(request.uri().path())
}

/// Names the methods in the answer to such a request.
pub fn allow_methods(mut response: Response) -> Response {
    if let Some(methods) = response
        .headers_mut()
        .get_mut(header::ACCESS_CONTROL_ALLOW_METHODS)
    {
        *methods = METHODS;
    }
    response
}

/// Answers a request about event streams.
pub async fn serve(connection: &Arc<Connection>, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let answered = match (&head.method, single::token(&head)) {
        (&Method::PUT, _) => single::reserve(connection, &head).await,
        (&Method::GET, Some(token)) => single::open(connection, &head, token),
        (&Method::POST, Some(token)) => single::operate(connection, &head, body, token).await,
        (&Method::DELETE, Some(token)) => single::end(connection, &head, token),
        (&Method::GET, None) => distinct::open(connection, &head, body, Dialect::EventSource).await,
        (&Method::POST, None) => {
            distinct::open(connection, &head, body, Dialect::EventStream).await
        }
        (&Method::DELETE, None) => Err(HttpError::NO_STREAM),
        _ => Err(HttpError::STREAM_METHOD),
    };
    answered.unwrap_or_else(HttpError::response)
}

/// Who calls, by the headers, or by those in the query: a browser's `EventSource` sends none.
async fn authenticate(connection: &Connection, head: &Parts) -> Result<(Caller, Grant), HttpError> {
    let shown = headers_in_query(head.uri.query().unwrap_or_default());
    let given = query::credential_in(&head.headers);
    let given = given.or_else(|| credentials::credential_in(shown.as_ref()?));
    let sender = query::caller(connection, &head.headers);
    let code = shown.as_ref().and_then(credentials::join_code_in);
    let caller = Caller {
        join_code: sender.join_code.or(code),
        ..sender
    };
    let grant = query::check(connection, given, caller).await?;
    let role = grant.role;
    Ok((Caller { role, ..caller }, grant))
}

/// The request as JSON, and the lease of its body.
async fn payload(
    connection: &Connection,
    head: &Parts,
    body: Incoming,
) -> Result<(Value, Option<Lease>), HttpError> {
    if head.method == Method::GET {
        return Ok((payload_of_query(head)?, None));
    }
    check_content_type(&head.headers)?;
    let (text, lease) = request_body::read(&connection.state, body).await?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(HttpError::EMPTY);
    }
    let payload = serde_json::from_slice(&text);
    Ok((payload.map_err(|_| HttpError::UNREADABLE)?, lease))
}

/// The request in a query string, as the body of a POST.
fn payload_of_query(head: &Parts) -> Result<Value, HttpError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct QueryParams {
        query: String,
        variables: Option<String>,
        operation_name: Option<String>,
        extensions: Option<String>,
    }
    let Query(params): Query<QueryParams> =
        Query::try_from_uri(&head.uri).map_err(|_| HttpError::UNREADABLE)?;
    let json = |text: Option<String>| match text.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(&text).map_err(|_| HttpError::UNREADABLE),
        None => Ok(Value::Null),
    };
    Ok(json!({
        "query": params.query,
        "variables": json(params.variables)?,
        "operationName": params.operation_name,
        "extensions": json(params.extensions)?,
    }))
}

/// A slot for an event stream to a caller.
fn slot(
    slots: &StreamSlots,
    connection: &Connection,
    caller: Caller,
) -> Result<StreamSlot, HttpError> {
    let trusted = &connection.state.settings.trusted_proxies;
    let slot = slots.acquire(caller.address, trusted);
    slot.map_err(|_| HttpError::TOO_MANY_STREAMS)
}

/// What an event stream needs.
fn context(
    state: &AppState,
    grant: Grant,
    join_code: Option<JoinCode>,
    stop: &CancellationToken,
) -> StreamContext {
    StreamContext {
        runner: state.runner.clone(),
        limits: state.settings.sockets,
        authenticator: state.settings.authenticator.clone(),
        grant,
        join_code,
        stop: stop.clone(),
    }
}

/// The connection that carries an event stream, and its slot.
struct Carried {
    connection: Arc<Connection>,
    over_http1: bool,
    place: StreamSlot,
}

impl Carried {
    /// Of the request that opens the stream.
    fn by(connection: &Arc<Connection>, head: &Parts, caller: Caller) -> Result<Self, HttpError> {
        Ok(Self {
            connection: Arc::clone(connection),
            over_http1: head.version < Version::HTTP_2,
            place: slot(&connection.state.streams, connection, caller)?,
        })
    }

    /// Runs an event stream to its end.
    async fn run(self, stream: &EventStream, stop: &CancellationToken) {
        let state = &self.connection.state;
        let mesh = state.runner.mesh();
        let _open = mesh.metrics.socket(SocketProtocol::Sse);
        let _held = mesh.memory.lease(Purpose::Connections, STREAM_BYTES);
        let ending = until_drained(state, stop, stream.run()).await;
        if ending == Ending::Unread {
            if self.over_http1 {
                self.connection.activity.cut();
            }
            // A connection of HTTP/2 carries other requests as well: the stream keeps its slot.
            stream.left().await;
        }
        drop(self.place);
    }
}

fn respond(body: Body) -> Response {
    let no_buffer = axum::http::HeaderName::from_static("x-accel-buffering");
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // nginx passes on what it gets.
        (no_buffer, "no"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (StatusCode::OK, headers, body).into_response()
}
