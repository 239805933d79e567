//! The extension for Scratch-family editors and the JavaScript client, built from `web/extension` and
//! `clients/js` and embedded. Editors and pages of any origin load them; the extension finds its server by
//! its own address.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;

use crate::server::http::answer;
use crate::server::listen::Connection;
use crate::server::pages;

const SCRIPT: &str = include_str!("extension/mesh.js");
const MODULE: &str = include_str!("extension/mesh.mjs");
const CLIENT: &str = include_str!("extension/client.mjs");

/// The routes of the extension. A school's folder may have a folder of this name, too.
pub fn router() -> Router {
    Router::new()
        // For TurboWarp.
        .route("/extension/mesh.js", get(async || script(SCRIPT)))
        // For Xcratch.
        .route("/extension/mesh.mjs", get(async || script(MODULE)))
        // For programs in a browser, which need no npm then.
        .route("/extension/client.mjs", get(async || script(CLIENT)))
        .route("/extension/config.json", get(config))
}

fn script(text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A class loads it at once; an update reaches the next lesson.
        (header::CACHE_CONTROL, "public, max-age=600"),
    ];
    (headers, text).into_response()
}

/// GET /extension/config.json: the public key, which every client carries.
async fn config(Extension(connection): Extension<Arc<Connection>>) -> Response {
    let body = json!({"key": pages::public_key(&connection)});
    pages::private(answer(StatusCode::OK, body.to_string()))
}
