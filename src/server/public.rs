//! A folder of pages beside the API, on a listener of its own (`--public`): a built editor, packaged
//! projects, a school's own pages. A port is an origin of its own, so these pages cannot read what
//! the server's own pages keep in the browser.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;

use crate::memory::{Lease, Purpose};
use crate::server::listen::Connection;
use crate::server::{extension, http};

/// What a file takes in memory while it is sent: a piece that is read, and what waits for the peer.
const FILE_BYTES: usize = 128 * 1024;

/// The API, the extension if pages are served, and the files of `folder` at every other path.
pub fn router(folder: &Path, with_pages: bool) -> Router {
    // A missing file is an empty 404, and a folder without index.html shows nothing.
    let files = ServeDir::new(folder)
        .precompressed_br()
        .precompressed_gzip();
    let files = Router::new()
        .fallback_service(files)
        .layer(middleware::from_fn(send));
    let extension = if with_pages {
        extension::router()
    } else {
        Router::new()
    };
    http::api().merge(extension).fallback_service(files)
}

/// Whether a path names a file that stands in the folder for other uses: `.env`, `.git`.
fn is_hidden(path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy();
    path.split(['/', '\\']).any(|name| name.starts_with('.'))
}

/// Answers with a file, whose bytes count while they wait for the peer.
async fn send(
    Extension(connection): Extension<Arc<Connection>>,
    request: Request,
    next: Next,
) -> Response {
    if is_hidden(request.uri().path()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let unread = &connection.unread;
    if unread.total() + FILE_BYTES > unread.limit() {
        let later = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
    }
    let memory = &connection.state.runner.mesh().memory;
    let leases = [unread, memory].map(|it| it.lease(Purpose::Responses, FILE_BYTES));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Pages change when a school builds them again: browsers ask whether they did.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response.map(|body| {
        Body::new(FileBody {
            body,
            connection,
            _leases: leases,
        })
    })
}

/// A file that is being sent. As long as the peer reads, its connection is not idle: an editor of
/// 20 MB may take a class minutes.
struct FileBody {
    body: Body,
    connection: Arc<Connection>,
    _leases: [Lease; 2],
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.connection.activity.note();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_with_a_dot_are_hidden_in_any_spelling() {
        for path in [
            "/.env",
            "/a/.git/config",
            "/%2egit/config",
            "/..",
            "/a/%2E%2e/b",
            "/a%5c.env",
        ] {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["/", "/index.html", "/a.b/c.js", "/static/%E3%81%82.png"] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
