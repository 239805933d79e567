//! GET /metrics: the counters, for Prometheus and its kin.
//!
//! They are counts of the whole server, without a name, key, domain or address, so any valid API
//! key may read them. A monitor on this machine needs none: it can see as much of the process
//! anyway. What a proxy on this machine passes on is not the machine's own, and has to show a
//! key.

use std::sync::Arc;

use axum::Extension;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query::authenticate;

/// The media type of `OpenMetrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// GET /metrics.
pub async fn show(
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
) -> Response {
    let state = &connection.state;
    if !connection.is_of_this_machine(&headers)
        && let Err(why) = authenticate(&connection, &headers).await
    {
        return HttpError::from(why).response();
    }
    let text = state.runner.mesh().metrics.text();
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}
