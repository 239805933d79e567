//! The routes and CORS (docs/protocols.md).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::trace::TraceLayer;
use tracing::Instrument as _;

use crate::resolvers::log_context;
use crate::server::listen::Connection;
use crate::server::metrics_access::MetricsAccess;
use crate::server::origins::Origins;
use crate::server::request_id::{AMZN_REQUEST_ID, RequestId};
use crate::server::{
    ServerSettings, extension, health, metrics, page, pages, query, stream, upgrade,
};

/// Names the kind of an error, also that of a request that is refused as a whole.
pub const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// Response headers that a page may read: without them, Amplify in a browser cannot
/// see why a request was refused.
const EXPOSED: [HeaderName; 6] = [
    AMZN_REQUEST_ID,
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

/// Serves one connection's requests: a span for its log and an id in its response, then CORS, then the
/// routes.
pub fn service(
    connection: Arc<Connection>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone
{
    let origins = connection.state.settings.origins.clone();
    let routes = tower::service_fn(move |request| route(Arc::clone(&connection), request));
    let routes = ServiceBuilder::new().layer(cors(&origins)).service(routes);
    tower::service_fn(move |request: Request<Incoming>| {
        let id = RequestId::of(request.headers());
        let span = span(&request, id);
        let served = log_context::of_request(id.id(), routes.clone().oneshot(request));
        let served = served.instrument(span);
        async move {
            let mut response = served.await?;
            id.answer(response.headers_mut());
            Ok(response)
        }
    })
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

/// Every route of the server's own listeners but POST /graphql; those of the pages
/// and the counters if they are served here.
pub fn router(settings: &ServerSettings) -> Router {
    let mut router = api();
    if settings.pages {
        router = router.merge(pages::router()).merge(extension::router());
    }
    if settings.metrics != MetricsAccess::OwnListener {
        router = router.route("/metrics", get(metrics::show));
    }
    router.fallback(|| async { StatusCode::NOT_FOUND })
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
                .make_span_with(|_: &Request<Body>| tracing::Span::current())
                .on_failure(()),
        )
}

/// A span per request, with its id and the place that it is for: a whole path may have a join code,
/// and a query a key or what pupils wrote.
fn span<B>(request: &Request<B>, id: RequestId) -> tracing::Span {
    tracing::debug_span!(
        "request",
        id = %id.id(),
        method = %known(request.method()),
        path = place(request.uri().path()),
    )
}

/// The method of a request, unless the client made it up.
fn known(method: &Method) -> &str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    if KNOWN.contains(method) {
        method.as_str()
    } else {
        "other"
    }
}

/// The part of a path that says nothing of its request.
fn place(path: &str) -> &'static str {
    const PLACES: [&str; 8] = [
        "/graphql/realtime",
        "/graphql/stream",
        GRAPHQL,
        CLOUD,
        "/metrics",
        "/healthz",
        "/readyz",
        "/join",
    ];
    let found = PLACES.iter().find(|place| path.starts_with(*place));
    found.copied().unwrap_or("/")
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
        return if connection.state.settings.graphiql {
            page::page(&connection.state)
        } else {
            page::off()
        };
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
