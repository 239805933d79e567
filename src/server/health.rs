//! Health checks: is the process alive, is it ready for work.

use std::sync::Arc;

use axum::Extension;
use axum::http::StatusCode;

use crate::server::AppState;
use crate::server::listen::Connection;

/// GET /healthz: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// GET /readyz: the store takes writes and the server is not stopping.
pub async fn ready(
    Extension(connection): Extension<Arc<Connection>>,
) -> (StatusCode, &'static str) {
    readiness(&connection.state).await
}

/// The same for any listener.
pub async fn readiness(state: &AppState) -> (StatusCode, &'static str) {
    if state.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match state.runner.mesh().store.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(error = error.with_causes(), "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not take writes\n",
            )
        }
    }
}
