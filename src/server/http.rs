//! The routes, CORS, and AppSync's way of refusing a whole request (docs/protocols.md).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Incoming;
use serde_json::json;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use crate::auth::Unauthorized;
use crate::server::listen::Connection;
use crate::server::origins::Origins;
use crate::server::{extension, health, metrics, page, pages, query, stream, upgrade};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// Response headers that a page may read: without them, Amplify in a browser cannot
/// see why a request was refused.
const EXPOSED: [HeaderName; 6] = [
    REQUEST_ID,
    ERROR_TYPE,
    HeaderName::from_static("x-amz-user-agent"),
    HeaderName::from_static("x-amzn-errormessage"),
    header::DATE,
    HeaderName::from_static("x-amz-schema-version"),
];
/// How long a browser may cache a preflight response.
const PREFLIGHT_AGE: Duration = Duration::from_hours(24);

const GRAPHQL: &str = "/graphql";
/// The same endpoint as some clients write it.
const GRAPHQL_AND_SLASH: &str = "/graphql/";

/// Cloud variables; a join code may follow.
const CLOUD: &str = "/cloud";

/// Serves one connection's requests: the headers of every response, then the routes.
pub fn service(
    connection: Arc<Connection>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone
{
    let origins = connection.state.settings.origins.clone();
    let routes = tower::service_fn(move |request| route(Arc::clone(&connection), request));
    ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(
            REQUEST_ID,
            |_: &Response| Some(request_id()),
        ))
        .layer(cors(&origins))
        .service(routes)
}

/// Mutations go past the router: with it, its boxed futures and its trace they take 13 % more
/// CPU, 12.6 instead of 11.1 µs; with the layers alone 11.5 µs (docs/performance.md, HTTP).
async fn route(
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if stream::is_path(request.uri().path()) {
        return Ok(stream::serve(&connection, request).await);
    }
    let is_endpoint = [GRAPHQL, GRAPHQL_AND_SLASH].contains(&request.uri().path());
    if request.method() == Method::POST && is_endpoint {
        return Ok(query::post(&connection, request).await);
    }
    let router = connection.router.clone();
    request.extensions_mut().insert(connection);
    router.oneshot(request).await
}

/// Every route of the server's own listeners but POST /graphql; those of the pages if they are served.
pub fn router(with_pages: bool) -> Router {
    let pages = if with_pages {
        pages::router().merge(extension::router())
    } else {
        Router::new()
    };
    api()
        .merge(pages)
        .route("/metrics", get(metrics::show))
        .fallback(|| async { StatusCode::NOT_FOUND })
}

/// What every listener serves, but POST /graphql.
pub fn api() -> Router {
    Router::new()
        .route(GRAPHQL, get(get_graphql))
        .route(GRAPHQL_AND_SLASH, get(get_graphql_and_slash))
        .route("/graphql/realtime", get(upgrade::upgrade))
        // What AppSync's clients derive from an endpoint that ends with a slash.
        .route("/graphql//realtime", get(upgrade::upgrade))
        .route("/graphql/realtime/", get(upgrade::upgrade))
        .route(CLOUD, get(get_cloud))
        .route("/cloud/", get(get_cloud))
        .route("/cloud/{code}", get(get_cloud_of))
        .route("/graphql/assets/{file}", get(page::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        // Handlers log their own failures.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_failure(()),
        )
}

/// A span per request, without its query, which may contain a key or what pupils wrote, and without
/// the join code of a cloud socket.
fn span(request: &Request<Body>) -> tracing::Span {
    let path = request.uri().path();
    let path = if path.starts_with(CLOUD) { CLOUD } else { path };
    tracing::debug_span!("request", method = %request.method(), path)
}

/// Any page may call, as with AppSync, and the key decides, unless the settings name the pages.
fn cors(origins: &Origins) -> CorsLayer {
    // Without a list, responses depend on none of the request's headers: caches need no copy
    // for each.
    let vary = origins.is_a_list().then_some(header::ORIGIN);
    CorsLayer::new()
        .allow_origin(origins.cors())
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_AGE)
        .vary(vary.into_iter().collect::<Vec<_>>())
}

/// A random UUID from the thread's own generator (`uuid`'s fast-rng): two ids do not
/// show how many requests came between them.
fn request_id() -> HeaderValue {
    let mut text = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("a UUID is visible ASCII")
}

/// GET /graphql: a WebSocket upgrade, the GraphiQL page, or a query in the URL.
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

/// GET /graphql/: the same, but for the page, whose relative paths need the other address: a
/// proxy may serve it under a prefix.
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

/// GET /cloud: cloud variables; the handshake names the project.
async fn get_cloud(
    Extension(connection): Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Response {
    upgrade::upgrade_cloud(connection, request, None)
}

/// GET /cloud/CODE: the cloud variables of the group with this join code.
async fn get_cloud_of(
    Extension(connection): Extension<Arc<Connection>>,
    Path(code): Path<String>,
    request: Request<Body>,
) -> Response {
    upgrade::upgrade_cloud(connection, request, Some(code))
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
    /// What to do next, beside AppSync's own text.
    hint: Option<&'static str>,
}

impl HttpError {
    /// The body is empty.
    pub const EMPTY: Self = Self::malformed("Request body is empty.");
    /// The request holds no GraphQL query.
    pub const UNREADABLE: Self = Self::malformed("Unable to parse GraphQL query.");
    /// The request comes from a page that may not call.
    pub const ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        kind: "ForbiddenException",
        message: "Pages of this origin may not call this server.",
        hint: Some("who runs the server can add the page's origin to MESH_ALLOWED_ORIGINS"),
    };
    /// The content type is not JSON.
    pub const CONTENT_TYPE: Self = Self::malformed("Unable to parse GraphQL query.")
        .hinting("send the header content-type: application/json");
    /// The body did not arrive in time.
    pub const TOO_LATE: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        kind: "MalformedHttpRequestException",
        message: "The request's body took too long to arrive.",
        hint: None,
    };
    /// The body is larger than the server takes.
    pub const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "MalformedHttpRequestException",
        message: "The request's body is too large.",
        hint: None,
    };
    /// The body is cut into more pieces than the server takes.
    pub const TOO_MANY_PIECES: Self = Self {
        status: StatusCode::BAD_REQUEST,
        kind: "MalformedHttpRequestException",
        message: "The request's body comes in too many pieces: send it as a whole.",
        hint: None,
    };
    /// There is no memory for the body now (decision D26).
    pub const FULL: Self = Self {
        status: StatusCode::OK,
        kind: "LimitExceeded",
        message: "The server's memory is full. Please try again.",
        hint: None,
    };
    /// Several operations and no name.
    pub const NO_OPERATION_NAME: Self = Self::bad("Missing operation name.");
    /// A subscription where it cannot be served.
    pub const SUBSCRIPTION: Self = Self::bad(
        "Subscriptions are not supported over HTTP; open a WebSocket at /graphql/realtime or /graphql, or an event stream at /graphql/stream.",
    );
    /// A WebSocket upgrade that is none.
    pub const NO_UPGRADE: Self =
        Self::bad("A WebSocket upgrade (RFC 6455, version 13) is wanted here.");
    /// A method that event streams do not have.
    pub const STREAM_METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..Self::bad("An event stream has the methods GET, POST, PUT and DELETE.")
    };
    /// The client does not read event streams.
    pub const NO_EVENTS: Self = Self {
        status: StatusCode::NOT_ACCEPTABLE,
        ..Self::bad("This address answers with an event stream.")
    }
    .hinting("send the header accept: text/event-stream");
    /// A token of no event stream.
    pub const NO_STREAM: Self = Self {
        status: StatusCode::NOT_FOUND,
        ..Self::bad("There is no event stream with this token: reserve one by PUT.")
    };
    /// Another request has opened the event stream.
    pub const STREAM_IS_OPEN: Self = Self {
        status: StatusCode::CONFLICT,
        ..Self::bad("This event stream is open already: reserve another one by PUT.")
    };
    /// An operation without an id on a shared event stream.
    pub const NO_OPERATION_ID: Self = Self::bad("operationId must be a text of 1 to 256 bytes.");
    /// An operation with the id of another one.
    pub const OPERATION_ID_IN_USE: Self = Self {
        status: StatusCode::CONFLICT,
        ..Self::bad("This operationId is in use on the event stream.")
    };
    /// The client's address has its share of the event streams.
    pub const TOO_MANY_STREAMS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        kind: "LimitExceeded",
        message: "Too many event streams from here. Please try again later.",
        hint: None,
    };
    const fn malformed(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "MalformedHttpRequestException",
            message,
            hint: None,
        }
    }

    const fn hinting(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    const fn bad(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestException",
            message,
            hint: None,
        }
    }

    /// The refusal as AppSync answers it.
    pub fn response(self) -> Response {
        let mut error = json!({"errorType": self.kind, "message": self.message});
        if let Some(hint) = self.hint {
            error["hint"] = hint.into();
        }
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
            hint: Some(why.hint()),
        }
    }
}
