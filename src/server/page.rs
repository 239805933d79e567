//! The embedded GraphiQL page: a browser that opens /graphql needs no other host.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::server::AppState;
use crate::server::listen::Connection;

const PAGE: &str = include_str!("graphiql/index.html");
/// What the page has where the development key goes.
const KEY_PLACE: &str = "{{development_key}}";
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'";

/// GET /graphql for a browser. The development key is public knowledge; no other is put in.
pub fn page(state: &AppState) -> Response {
    let page = PAGE.replace(
        KEY_PLACE,
        state.settings.development_key.unwrap_or_default(),
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

/// GET /graphql for a browser, where the page is switched off.
pub fn off() -> Response {
    const TEXT: &str = "GraphiQL is off on this server. Who runs it can switch it on with \
                        MESH_GRAPHIQL=true.\n";
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::NOT_FOUND, headers, TEXT).into_response()
}

/// GET /graphql/assets/{file}.
pub async fn asset(
    Extension(connection): Extension<Arc<Connection>>,
    Path(file): Path<String>,
) -> Response {
    if !connection.state.settings.graphiql {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (kind, bytes): (_, &'static [u8]) = match file.as_str() {
        "graphiql.js" => (
            "text/javascript; charset=utf-8",
            include_bytes!("graphiql/graphiql.js"),
        ),
        "graphiql.css" => (
            "text/css; charset=utf-8",
            include_bytes!("graphiql/graphiql.css"),
        ),
        "LICENSES.txt" => (
            "text/plain; charset=utf-8",
            include_bytes!("graphiql/LICENSES.txt"),
        ),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, bytes).into_response()
}
