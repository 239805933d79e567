//! The routes, CORS, and AppSync's way of refusing a whole request (protocol section 2).

use std::sync::Arc;

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::auth::Unauthorized;
use crate::server::{Doors, health, page, query, upgrade};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// How long a browser may remember a preflight's answer.
const PREFLIGHT_AGE: Duration = Duration::from_hours(24);

/// Every route of the server.
pub fn router(doors: Arc<Doors>) -> Router {
    Router::new()
        .route("/graphql", get(get_graphql).post(query::post))
        .route("/graphql/realtime", get(get_realtime))
        .route("/graphql/assets/{file}", get(page::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(doors)
        .layer(middleware::from_fn(stamp))
        .layer(cors())
        .layer(CatchPanicLayer::new())
}

/// A socket, a page for people, or a query in the URL.
async fn get_graphql(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    if upgrade::is_wanted(&request) {
        return upgrade::upgrade(doors, request);
    }
    let headers = request.headers();
    let by_browser = headers
        .get(header::ACCEPT)
        .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    if by_browser && request.uri().query().is_none() {
        return page::page(&doors);
    }
    query::get(doors, request).await
}

async fn get_realtime(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    upgrade::upgrade(doors, request)
}

/// Any page may call, as with AppSync; the key decides.
fn cors() -> CorsLayer {
    let exposed = [
        "x-amzn-requestid",
        "x-amzn-errortype",
        "x-amz-user-agent",
        "x-amzn-errormessage",
        "date",
        "x-amz-schema-version",
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(PREFLIGHT_AGE)
}

async fn stamp(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// An answer in JSON.
pub fn answer(status: StatusCode, body: Vec<u8>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json;charset=UTF-8")],
        body,
    )
        .into_response()
}

/// A request that is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    kind: &'static str,
    message: &'static str,
}

impl Refused {
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
    /// Several operations and no name.
    pub const NO_OPERATION_NAME: Self = Self::bad("Missing operation name.");
    /// A subscription where it cannot be served.
    pub const SUBSCRIPTION: Self = Self::bad(
        "Subscriptions are not supported over HTTP; open a WebSocket at /graphql/realtime or /graphql.",
    );
    /// A WebSocket upgrade that is none.
    pub const NO_UPGRADE: Self =
        Self::bad("A WebSocket upgrade (RFC 6455, version 13) is wanted here.");
    /// The work broke.
    pub const BROKEN: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        kind: "InternalFailure",
        message: "The service is out of order. Please try again.",
    };

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

impl From<Unauthorized> for Refused {
    fn from(why: Unauthorized) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: Unauthorized::KIND,
            message: why.message(),
        }
    }
}
