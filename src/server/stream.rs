//! GraphQL over server-sent events at /graphql/stream (docs/protocols.md, Event streams): one
//! operation per stream, by POST or GET.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Grant};
use crate::memory::{Lease, Purpose};
use crate::metrics::SocketProtocol;
use crate::realtime::credentials::{self, headers_in_query};
use crate::realtime::operation::{Outcome, Registration, run};
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;
use crate::realtime::stream::request::StreamRequest;
use crate::realtime::stream::{Ending, EventStream, StreamContext};
use crate::resolvers::response;
use crate::resolvers::run::GraphQlResponse;
use crate::server::body::ResponseBody;
use crate::server::footprint::STREAM_BYTES;
use crate::server::http::HttpError;
use crate::server::listen::Connection;
use crate::server::query::{self, check_content_type, unread_refusal};
use crate::server::request_body;
use crate::server::stream_body::StreamBody;
use crate::server::stream_slots::StreamSlot;
use crate::server::upgrade::until_drained;

/// Where event streams are.
pub const PATH: &str = "/graphql/stream";

/// The methods that pages may use here, beside those of other addresses.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,DELETE,OPTIONS");

/// Whether a browser asks what a page may send to [`PATH`].
pub fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && request.uri().path() == PATH
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

/// Answers a request to [`PATH`].
pub async fn serve(connection: &Arc<Connection>, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let answered = async {
        let dialect = match head.method {
            Method::POST => Dialect::EventStream,
            Method::GET => Dialect::EventSource,
            _ => return Err(HttpError::STREAM_METHOD),
        };
        let (caller, grant) = authenticate(connection, &head).await?;
        if !accepts_events(&head.headers) {
            return Err(HttpError::NO_EVENTS);
        }
        let (payload, _held) = payload(connection, &head, body).await?;
        let last_event_id = head.headers.get("last-event-id");
        let last_event_id = last_event_id.map(|id| id.to_str().unwrap_or("?"));
        let parsed = StreamRequest::parse(payload, last_event_id);
        let request = parsed.ok_or(HttpError::UNREADABLE)?;
        let place = place(connection, caller)?;
        let stream = Opening {
            connection,
            dialect,
            grant,
            over_http1: head.version < Version::HTTP_2,
            place,
        };
        Ok(stream.open(request, caller).await)
    };
    answered.await.unwrap_or_else(HttpError::response)
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

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let is_any = accepted.peek().is_none();
    is_any
        || accepted.any(|kinds| {
            let kinds = kinds.to_str().unwrap_or_default().to_ascii_lowercase();
            let known = ["text/event-stream", "text/*", "*/*"];
            known.iter().any(|kind| kinds.contains(kind))
        })
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

fn place(connection: &Connection, caller: Caller) -> Result<StreamSlot, HttpError> {
    let state = &connection.state;
    let trusted = &state.settings.trusted_proxies;
    let place = state.streams.acquire(caller.address, trusted);
    place.map_err(|_| HttpError::TOO_MANY_STREAMS)
}

/// An event stream that is to be opened.
struct Opening<'a> {
    connection: &'a Arc<Connection>,
    dialect: Dialect,
    grant: Grant,
    over_http1: bool,
    place: StreamSlot,
}

impl Opening<'_> {
    /// Runs the operation. The subscription stands before the response's first byte (decision D17).
    async fn open(self, request: StreamRequest, caller: Caller) -> Response {
        let (connection, dialect) = (self.connection, self.dialect);
        let positions = match request.positions {
            Ok(positions) => positions,
            Err(wrong) => {
                let error = response::request_error("ValidationError", wrong);
                return events(connection, dialect.error("", vec![error]).into_bytes());
            }
        };
        let unread = &connection.unread;
        if unread.total() >= unread.limit() {
            return self.answer(&unread_refusal(connection).text);
        }
        let runner = connection.state.runner.clone();
        let key = OperationKey::new("", 0);
        let graphql = request.graphql;
        match run(runner, caller, key, dialect, graphql, Some(positions)).await {
            Outcome::Response(_, text) => {
                let waiting = unread.total();
                if waiting > 0 && waiting + text.len() > unread.limit() {
                    return self.answer(&unread_refusal(connection).text);
                }
                let complete = dialect.complete("").into_bytes();
                events(connection, [text, complete].concat())
            }
            Outcome::Rejected(_, errors) => {
                events(connection, dialect.error("", errors).into_bytes())
            }
            Outcome::Subscription(registration) => self.subscribe(registration),
        }
    }

    /// The events of an operation that is answered at once.
    fn answer(&self, payload: &[u8]) -> Response {
        let next = self.dialect.response("", payload);
        let complete = self.dialect.complete("").into_bytes();
        events(self.connection, [next, complete].concat())
    }

    fn subscribe(self, registration: Registration) -> Response {
        let state = &self.connection.state;
        let stop = CancellationToken::new();
        let context = StreamContext {
            runner: state.runner.clone(),
            limits: state.settings.sockets,
            authenticator: state.settings.authenticator.clone(),
            grant: self.grant,
            stop: stop.clone(),
        };
        let stream = EventStream::new(context, self.dialect);
        if let Err(refused) = stream.register(registration) {
            return events(self.connection, refused.into_bytes());
        }
        let in_flight = self.connection.activity.begin();
        let body = StreamBody::new(Arc::clone(&stream), in_flight);
        let connection = Arc::clone(self.connection);
        state.tasks.spawn(async move {
            let state = &connection.state;
            let mesh = state.runner.mesh();
            let _open = mesh.metrics.socket(SocketProtocol::Sse);
            let _held = mesh.memory.lease(Purpose::Connections, STREAM_BYTES);
            let ending = until_drained(state, &stop, stream.run()).await;
            // A connection of HTTP/2 carries other requests as well.
            if ending == Ending::Unread && self.over_http1 {
                connection.activity.cut();
            }
            drop(self.place);
        });
        respond(Body::new(body))
    }
}

/// Events that are complete, counted until the peer's system has taken them (decision D24).
fn events(connection: &Connection, text: Vec<u8>) -> Response {
    let memory = &connection.state.runner.mesh().memory;
    let lease = memory.lease(Purpose::Responses, text.len());
    let unread = connection.unread.lease(Purpose::Responses, text.len());
    let response = GraphQlResponse {
        text,
        lease,
        validation_errors: Vec::new(),
    };
    respond(ResponseBody::new(response, unread).into())
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
