//! graphql-sse's distinct connections mode: an event stream for one operation, by POST or GET.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Grant};
use crate::memory::Purpose;
use crate::realtime::operation::{Outcome, Registration, run};
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;
use crate::realtime::stream::EventStream;
use crate::realtime::stream::request::StreamRequest;
use crate::resolvers::log_context;
use crate::resolvers::response;
use crate::resolvers::run::GraphQlResponse;
use crate::server::body::ResponseBody;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query::unread_refusal;
use crate::server::stream::body::StreamBody;
use crate::server::stream::{Carried, authenticate, context, payload, respond};

/// Opens an event stream for one operation.
pub async fn open(
    connection: &Arc<Connection>,
    head: &Parts,
    body: Incoming,
    dialect: Dialect,
) -> Result<Response, HttpError> {
    let (caller, grant) = authenticate(connection, head).await?;
    if !accepts_events(&head.headers) {
        return Err(HttpError::NO_EVENTS);
    }
    let (payload, _held) = payload(connection, head, body).await?;
    let request = StreamRequest::parse(payload).ok_or(HttpError::UNREADABLE)?;
    let last_event_id = head.headers.get("last-event-id");
    let last_event_id = last_event_id.map(|id| id.to_str().unwrap_or("?"));
    let opening = Opening {
        dialect,
        grant,
        carried: Carried::by(connection, head, caller)?,
    };
    Ok(opening
        .run(request.with_event_ids(last_event_id), caller)
        .await)
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

/// An event stream for one operation.
struct Opening {
    dialect: Dialect,
    grant: Grant,
    carried: Carried,
}

impl Opening {
    /// Runs the operation. The subscription stands before the response's first byte (decision D17).
    async fn run(self, request: StreamRequest, caller: Caller) -> Response {
        let (connection, dialect) = (&self.carried.connection, self.dialect);
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
        match run(runner, caller, key, dialect, graphql, positions).await {
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
        events(&self.carried.connection, [next, complete].concat())
    }

    fn subscribe(self, registration: Registration) -> Response {
        let Self {
            dialect,
            grant,
            carried,
        } = self;
        let connection = &carried.connection;
        let stop = CancellationToken::new();
        let context = context(&connection.state, grant, None, &stop);
        let stream = EventStream::new(context, dialect);
        if let Err(refused) = stream.register(registration) {
            return events(connection, refused.into_bytes());
        }
        let body = StreamBody::new(Arc::clone(&stream), connection.activity.begin());
        let tasks = connection.state.tasks.clone();
        let serving = async move { carried.run(&stream, &stop).await };
        tasks.spawn(log_context::in_task(serving));
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
