//! Queries and mutations over HTTP: POST with a JSON envelope, GET with a query string.

use async_graphql_parser::types::OperationType;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::{Caller, Credential, Grant, Unauthorized};
use crate::domains::{caller_address, is_trusted};
use crate::memory::Purpose;
use crate::model::error::ClientError;
use crate::model::join_code::JoinCode;
use crate::realtime::credentials::{API_KEY, AUTHORIZATION, JOIN_CODE};
use crate::resolvers::budget::large_response_bytes;
use crate::resolvers::document::DocumentError;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::response;
use crate::resolvers::run::GraphQlResponse;
use crate::server::body::ResponseBody;
use crate::server::http::answer as respond;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::request_body;

/// POST /graphql.
pub async fn post(connection: &Connection, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let state = &connection.state;
    let answered = async {
        let caller = authenticate(connection, &head.headers).await?;
        check_content_type(&head.headers)?;
        let (body, _held) = request_body::read(state, body).await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(HttpError::EMPTY);
        }
        let graphql = GraphQlRequest::parse(&body).ok_or(HttpError::UNREADABLE)?;
        execute(connection, &graphql, caller).await
    };
    answered.await.unwrap_or_else(HttpError::response)
}

/// GET /graphql?query=…; AppSync lets mutations through as well.
pub async fn get(connection: &Connection, head: Parts) -> Response {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct QueryParams {
        query: String,
        variables: Option<String>,
        operation_name: Option<String>,
    }
    let answered = async {
        let caller = authenticate(connection, &head.headers).await?;
        let Query(params): Query<QueryParams> =
            Query::try_from_uri(&head.uri).map_err(|_| HttpError::UNREADABLE)?;
        let variables = params.variables.filter(|text| !text.is_empty());
        let variables = variables
            .as_deref()
            .map(serde_json::from_str::<&RawValue>)
            .transpose();
        let variables = variables.map_err(|_| HttpError::UNREADABLE)?;
        let graphql = GraphQlRequest::new(
            params.query.into(),
            variables,
            params.operation_name.map(Into::into),
        );
        let graphql = graphql.ok_or(HttpError::UNREADABLE)?;
        execute(connection, &graphql, caller).await
    };
    answered.await.unwrap_or_else(HttpError::response)
}

/// The credential in the headers.
pub fn credential_in(headers: &HeaderMap) -> Option<Credential<'_>> {
    let header = |name| headers.get(name)?.to_str().ok();
    let key = header(API_KEY).map(Credential::key);
    key.or_else(|| Credential::authorization(header(AUTHORIZATION)?))
}

/// The join code in the headers, in any of its forms; what is no code is none.
fn join_code_in(headers: &HeaderMap) -> Option<JoinCode> {
    let code = std::str::from_utf8(headers.get(JOIN_CODE)?.as_bytes()).ok()?;
    JoinCode::parse(JOIN_CODE, code).ok()
}

/// Checks who calls.
pub async fn authenticate(
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<Caller, Unauthorized> {
    let caller = caller(connection, headers);
    let grant = check(connection, credential_in(headers), caller).await?;
    Ok(Caller {
        role: grant.role,
        ..caller
    })
}

/// Checks a caller's credential. Only a wrong key waits for its answer.
pub async fn check(
    connection: &Connection,
    given: Option<Credential<'_>>,
    caller: Caller,
) -> Result<Grant, Unauthorized> {
    let state = &connection.state;
    let now = state.runner.mesh().clock.now();
    let authenticator = &state.settings.authenticator;
    let checked = authenticator.authenticate(given.as_ref(), now).await;
    if checked.is_err_and(Unauthorized::is_guess) {
        let limits = &state.runner.mesh().rate_limits;
        // Boxed: right keys do not carry its timer.
        Box::pin(limits.wrong_key(caller)).await;
    }
    checked
}

/// Where a call comes from, before its credentials are checked.
pub fn caller(connection: &Connection, headers: &HeaderMap) -> Caller {
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let forwarded: Vec<_> = forwarded
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    let trusted = &connection.state.settings.trusted_proxies;
    let peer = connection.peer.ip();
    if !forwarded.is_empty() && !is_trusted(peer, trusted) {
        connection.state.forwarded_hint.call_once(|| {
            tracing::warn!(
                "X-Forwarded-For comes from a peer that is no trusted proxy and is not used: if it \
                 is your proxy, set MESH_TRUSTED_PROXIES to its network; until then all its \
                 clients count as one address"
            );
        });
    }
    Caller {
        address: caller_address(peer, &forwarded, trusted),
        connection: (!is_trusted(peer, trusted)).then_some(connection.number),
        join_code: join_code_in(headers),
        ..Caller::default()
    }
}

/// Whether a body is JSON.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), HttpError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let known = ["application/json", "application/graphql"]
        .iter()
        .any(|k| kind.eq_ignore_ascii_case(k));
    if known {
        Ok(())
    } else {
        Err(HttpError::CONTENT_TYPE)
    }
}

async fn execute(
    connection: &Connection,
    graphql: &GraphQlRequest<'_>,
    caller: Caller,
) -> Result<Response, HttpError> {
    let runner = &connection.state.runner;
    let document = match runner.document(graphql, caller) {
        Ok(document) => document,
        Err(DocumentError::NoOperation) => return Err(HttpError::UNREADABLE),
        Err(DocumentError::NoOperationName) => return Err(HttpError::NO_OPERATION_NAME),
        Err(error) => {
            return Ok(ok(
                connection,
                runner.reject(&response::document_error(&error)),
            ));
        }
    };
    if document.kind() == OperationType::Subscription {
        return Err(HttpError::SUBSCRIPTION);
    }
    let unread = &connection.unread;
    if unread.total() >= unread.limit() {
        return Ok(ok(connection, unread_refusal(connection)));
    }
    let kind = document.kind();
    let answered = runner.execute(document, graphql, caller).await;
    let mut answered = answered.ok_or(HttpError::UNREADABLE)?;
    let (size, waiting) = (answered.text.len(), unread.total());
    if size > large_response_bytes(kind) && waiting > 0 && waiting + size > unread.limit() {
        answered = unread_refusal(connection);
    }
    Ok(ok(connection, answered))
}

/// The answer, counted until the peer's system has taken it (decision D24).
fn ok(connection: &Connection, answered: GraphQlResponse) -> Response {
    let unread = &connection.unread;
    let place = unread.lease(Purpose::Responses, answered.text.len());
    respond(StatusCode::OK, ResponseBody::new(answered, place))
}

/// The refusal of a connection that leaves too many responses unread.
pub fn unread_refusal(connection: &Connection) -> GraphQlResponse {
    let bytes = connection.unread.limit();
    let runner = &connection.state.runner;
    runner.reject_with(&ClientError::UnreadResponses { bytes })
}
