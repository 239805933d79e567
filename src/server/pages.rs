//! The pages for people: the front page, the teacher's, the join page, the certificate's and the
//! network check. They are built from
//! `web/` and embedded, so a browser that opens them needs no other host.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;

use crate::auth::{Credential, Role};
use crate::server::http::answer;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::{addresses, query};

/// What the pages have where the path to the server's root goes: a proxy may serve them under a
/// prefix, so no path in them is absolute.
const ROOT_PLACE: &str = "{{root}}";
/// No script or style but the embedded ones, and nothing of another host. WebSockets are named by
/// scheme: not every browser counts those of the same host as its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// What a client that is no browser gets at the root.
const GREETING: &str = "Mesh v2: open this address in a browser, or send GraphQL to /graphql\n";

const CERTIFICATE: &str = include_str!("pages/certificate.html");
const DOCTOR: &str = include_str!("pages/doctor.html");
const FRONT: &str = include_str!("pages/front.html");
const JOIN: &str = include_str!("pages/join.html");
const TEACH: &str = include_str!("pages/teach.html");

/// The routes of the pages.
pub fn router() -> Router {
    Router::new()
        .route("/", get(front))
        .route("/doctor", get(async || page(DOCTOR, "./")))
        .route("/teach", get(async || page(TEACH, "./")))
        .route("/join", get(async || page(JOIN, "./")))
        .route("/join/{code}", get(async || page(JOIN, "../")))
        .route("/certificate", get(async || page(CERTIFICATE, "./")))
        .route("/certificate/mesh-v2-ca.crt", get(authority))
        .route("/pages/config.json", get(config))
        .route("/pages/{file}", get(asset))
        .route("/whoami", get(who_am_i))
}

/// GET /: the front page for a browser, a line of text for other clients.
async fn front(headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    let mut response = if accepted.any(|kinds| kinds.contains("text/html")) {
        page(FRONT, "./")
    } else {
        GREETING.into_response()
    };
    let vary = header::HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, vary);
    response
}

fn page(html: &str, root: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A page's address may have a join code.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html.replace(ROOT_PLACE, root)).into_response()
}

/// GET /pages/{file}.
async fn asset(Path(file): Path<String>) -> Response {
    let (kind, bytes): (_, &'static [u8]) = match file.as_str() {
        "certificate.js" => (SCRIPT, include_bytes!("pages/certificate.js")),
        "doctor.js" => (SCRIPT, include_bytes!("pages/doctor.js")),
        "front.js" => (SCRIPT, include_bytes!("pages/front.js")),
        "join.js" => (SCRIPT, include_bytes!("pages/join.js")),
        "teach.js" => (SCRIPT, include_bytes!("pages/teach.js")),
        "pages.css" => ("text/css; charset=utf-8", include_bytes!("pages/pages.css")),
        "icon.svg" => ("image/svg+xml", include_bytes!("pages/icon.svg")),
        "LICENSES.txt" => (
            "text/plain; charset=utf-8",
            include_bytes!("pages/LICENSES.txt"),
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

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// GET /pages/config.json: what the pages cannot know by themselves. The key is the public one,
/// which every client carries. Other machines are not shown the addresses of this one.
async fn config(
    Extension(connection): Extension<Arc<Connection>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let state = &connection.state;
    // A page of another origin says so, and learns nothing about this network either.
    let is_own = !headers.contains_key(header::ORIGIN)
        && state.settings.origins.own_host(&headers, &uri).is_some();
    let addresses = if is_own && connection.is_of_this_machine(&headers) {
        addresses::of_listener(state.listens)
    } else {
        Vec::new()
    };
    let addresses: Vec<_> = addresses.iter().map(url).collect();
    let body = json!({
        "key": public_key(&connection),
        "addresses": addresses,
        "graphiql": state.settings.graphiql,
    });
    private(answer(StatusCode::OK, body.to_string()))
}

/// The key that pupils' pages use: only one whose role is public.
pub(super) fn public_key(connection: &Connection) -> Option<&str> {
    let state = &connection.state;
    let key = state.settings.public_key.as_deref()?;
    let now = state.runner.mesh().clock.now();
    let checked = state
        .settings
        .authenticator
        .check(Some(&Credential::key(key)), now);
    checked
        .is_ok_and(|grant| grant.role == Role::Public)
        .then_some(key)
}

/// GET /certificate/mesh-v2-ca.crt: the authority of a self-signed certificate, in the type by which
/// devices offer to install it.
async fn authority(Extension(connection): Extension<Arc<Connection>>) -> Response {
    let Some(pem) = &connection.state.settings.authority else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, pem.to_string()).into_response()
}

/// GET /whoami: the role of the request's key, by which a page sees whether it is a teacher's.
async fn who_am_i(
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
) -> Response {
    let answered = query::authenticate(&connection, &headers).await;
    private(match answered {
        Ok(caller) => answer(
            StatusCode::OK,
            json!({"role": caller.role.to_string()}).to_string(),
        ),
        Err(why) => HttpError::from(why).response(),
    })
}

/// No cache keeps it.
pub(super) fn private(mut response: Response) -> Response {
    let value = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

fn url(address: &SocketAddr) -> String {
    format!("http://{address}/")
}
