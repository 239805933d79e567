//! The routes, CORS, and AppSync's way of refusing a whole request (protocol section 2).

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Incoming;
use serde_json::json;
use tower::ServiceExt as _;

use crate::auth::Unauthorized;
use crate::server::listen::Connection;
use crate::server::{health, page, query, upgrade};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// What a page may read beside the body: without this, Amplify in a browser cannot tell
/// why a request was refused.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-user-agent,x-amzn-ErrorMessage,Date,x-amz-schema-version",
);
const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// Seconds that a browser may remember a preflight's answer.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");

const GRAPHQL: &str = "/graphql";
/// The same endpoint as some write it.
const GRAPHQL_AND_SLASH: &str = "/graphql/";

/// Every route of the server but POST /graphql.
pub fn router() -> Router {
    Router::new()
        .route(GRAPHQL, get(get_graphql))
        .route(GRAPHQL_AND_SLASH, get(get_graphql_and_slash))
        .route("/graphql/realtime", get(upgrade::upgrade))
        // What AppSync's clients make of an endpoint that ends with a slash, and with one of
        // theirs after it.
        .route("/graphql//realtime", get(upgrade::upgrade))
        .route("/graphql/realtime/", get(upgrade::upgrade))
        .route("/graphql/assets/{file}", get(page::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(|| async { StatusCode::NOT_FOUND })
}

/// Answers a request. Mutations come by the thousand and go straight to their door; the
/// router and its boxes would cost as much as the work itself.
pub async fn respond(connection: Arc<Connection>, mut request: Request<Incoming>) -> Response {
    let mut response = match *request.method() {
        Method::POST if [GRAPHQL, GRAPHQL_AND_SLASH].contains(&request.uri().path()) => {
            query::post(&connection, request).await
        }
        Method::OPTIONS => preflight(request.headers()),
        _ => {
            let router = connection.router.clone();
            request.extensions_mut().insert(connection);
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id());
    // Any page may call, as with AppSync; the key decides.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// Says what a page may send; asks for no key.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

/// A random UUID, of the thread's own generator (`uuid`'s fast-rng): whoever compares two
/// ids learns nothing of what else was asked between them.
fn request_id() -> HeaderValue {
    let mut text = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(ANY)
}

/// A socket, a page for people, or a query in the URL.
async fn get_graphql(
    Extension(connection): Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Response {
    if upgrade::is_wanted(request.headers()) {
        return upgrade::upgrade(Extension(connection), request).await;
    }
    let accepted = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accepted| accepted.to_str().ok());
    if accepted.is_some_and(|kinds| kinds.contains("text/html")) && request.uri().query().is_none()
    {
        return page::page(&connection.state);
    }
    query::get(&connection, request.into_parts().0).await
}

/// The same, but that the page is shown where its parts are found, which it names by relative
/// paths: a proxy may serve it under a prefix.
async fn get_graphql_and_slash(
    connection: Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Response {
    if upgrade::is_wanted(request.headers()) || request.uri().query().is_some() {
        return get_graphql(connection, request).await;
    }
    let place = [(header::LOCATION, "../graphql")];
    (StatusCode::TEMPORARY_REDIRECT, place).into_response()
}

/// An answer in JSON.
pub fn answer(status: StatusCode, body: impl Into<Body>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json;charset=UTF-8")],
        body.into(),
    )
        .into_response()
}

/// A request that is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpError {
    status: StatusCode,
    kind: &'static str,
    message: &'static str,
}

impl HttpError {
    /// The body is empty.
    pub const EMPTY: Self = Self::malformed("Request body is empty.");
    /// The request holds no GraphQL query.
    pub const UNREADABLE: Self = Self::malformed("Unable to parse GraphQL query.");
    /// The body did not arrive in time.
    pub const TOO_LATE: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        kind: "MalformedHttpRequestException",
        message: "The request's body took too long to arrive.",
    };
    /// The body is larger than the server takes.
    pub const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "MalformedHttpRequestException",
        message: "The request's body is too large.",
    };
    /// There is no memory for the body now (decision D26).
    pub const FULL: Self = Self {
        status: StatusCode::OK,
        kind: "LimitExceeded",
        message: "The server's memory is full. Please try again.",
    };
    /// Several operations and no name.
    pub const NO_OPERATION_NAME: Self = Self::bad("Missing operation name.");
    /// A subscription where it cannot be served.
    pub const SUBSCRIPTION: Self = Self::bad(
        "Subscriptions are not supported over HTTP; open a WebSocket at /graphql/realtime or /graphql.",
    );
    /// A WebSocket upgrade that is none.
    pub const NO_UPGRADE: Self =
        Self::bad("A WebSocket upgrade (RFC 6455, version 13) is wanted here.");
    const fn malformed(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "MalformedHttpRequestException",
            message,
        }
    }

    const fn bad(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestException",
            message,
        }
    }

    /// The refusal as AppSync answers it.
    pub fn response(self) -> Response {
        let error = json!({"errorType": self.kind, "message": self.message});
        let mut response = answer(
            self.status,
            json!({"errors": [error]}).to_string().into_bytes(),
        );
        response
            .headers_mut()
            .insert(ERROR_TYPE, HeaderValue::from_static(self.kind));
        response
    }
}

impl From<Unauthorized> for HttpError {
    fn from(why: Unauthorized) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: Unauthorized::KIND,
            message: why.message(),
        }
    }
}
