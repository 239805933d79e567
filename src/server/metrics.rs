//! GET /metrics: the counters, for Prometheus and its kin.
//!
//! They are counts of the whole server, without a name, key, domain or address, so any valid API
//! key may read them; in prod, where the public key is in every client, one of an operator. A monitor on
//! this machine needs none: it can see as much of the process anyway. What a proxy on this machine
//! passes on is not the machine's own, and has to show a key. With `--metrics-listen` all of this is
//! on a listener of its own (`monitor.rs`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use crate::memory::machine;
use crate::metrics::{Snapshot, StoreFigures};
use crate::server::AppState;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query::authenticate;

/// The media type of `OpenMetrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the store's figures are shown.
const FRESH: Duration = Duration::from_secs(1);

/// GET /metrics.
pub async fn show(
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
) -> Response {
    let state = &connection.state;
    if !connection.is_of_this_machine(&headers) {
        match authenticate(&connection, &headers).await {
            Err(why) => return HttpError::from(why).response(),
            Ok(caller) if state.settings.metrics.admits(caller.role) => {}
            Ok(_) => return HttpError::OPERATORS_ONLY.response(),
        }
    }
    response(state)
}

/// The counters.
pub fn response(state: &AppState) -> Response {
    let mesh = state.runner.mesh();
    let snapshot = Snapshot {
        store: state
            .scrapes
            .figures(|| mesh.store.figures(mesh.clock.now())),
        memory: mesh.memory.by_purpose(),
        memory_limit: mesh.memory.limit(),
        resident: machine::resident(),
        uptime: state.scrapes.began.elapsed(),
    };
    let text = mesh.metrics.text_with(snapshot);
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

/// What the store said to the last scrape: it counts everything that lives, under its lock, so it is
/// asked once a second at most.
#[derive(Debug)]
pub struct Scrapes {
    began: Instant,
    last: Mutex<Option<(Instant, StoreFigures)>>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: Mutex::default(),
        }
    }
}

impl Scrapes {
    fn figures(&self, count: impl FnOnce() -> StoreFigures) -> StoreFigures {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, figures)) if at.elapsed() < FRESH => figures,
            _ => {
                let figures = count();
                *last = Some((Instant::now(), figures));
                figures
            }
        }
    }
}
