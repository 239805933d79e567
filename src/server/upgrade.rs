//! From an HTTP request to a WebSocket. The upgrade succeeds without credentials: a
//! client that is rejected here would consider the network blocked (docs/compatibility.md,
//! must keep 1).

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::auth::{Caller, Credential};
use crate::cloud;
use crate::metrics::{ConnectionRefusal, SocketProtocol};
use crate::realtime::credentials::{self, headers_in_protocols, headers_in_query};
use crate::realtime::protocol::{Offer, Subprotocol};
use crate::realtime::session::Session;
use crate::realtime::socket::{self, ConnectionContext, Upgraded};
use crate::resolvers::log_context;
use crate::server::AppState;
use crate::server::address_slots::AddressSlot;
use crate::server::http_error::HttpError;
use crate::server::listen::Connection;
use crate::server::query::{caller, credential_in};

/// Whether the request asks for a WebSocket.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    has_token(headers, header::UPGRADE, "websocket")
}

/// The key by which an upgrade is accepted; `None` if the request is no upgrade.
fn accept_key(request: &Request) -> Option<String> {
    let headers = request.headers();
    let right = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && is_wanted(headers)
        && has_token(headers, header::CONNECTION, "upgrade")
        && headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_some_and(|version| version == "13");
    let nonce = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| right)?;
    Some(derive_accept_key(nonce.as_bytes()))
}

/// Answers the upgrade and serves the socket.
pub async fn upgrade(
    Extension(connection): Extension<Arc<Connection>>,
    mut request: Request,
) -> Response {
    let Some(accept) = accept_key(&request) else {
        return HttpError::NO_UPGRADE.response();
    };
    let headers = request.headers();
    let offered: Vec<&str> = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL).collect();
    let offer = Offer::parse(offered.iter().copied());
    let shown = [
        headers_in_query(request.uri().query().unwrap_or_default()),
        headers_in_protocols(offered.iter().copied()),
    ];
    let shown = || shown.iter().flatten();
    let credentials = shown().map(credentials::credential_in);
    let credential = Credential::first_of(credentials.chain([credential_in(headers)]));
    let credential = credential.map(Credential::into_owned);
    let sender = caller(&connection, headers);
    let caller = Caller {
        // A socket is one client's also behind a proxy.
        connection: Some(connection.number),
        join_code: shown()
            .find_map(credentials::join_code_in)
            .or(sender.join_code),
        ..sender
    };
    let Some(upgrading) = request.extensions_mut().remove::<OnUpgrade>() else {
        return HttpError::NO_UPGRADE.response();
    };
    // Behind a trusted proxy, WebSockets count for the address that it forwards.
    let share = share(&connection, caller.address);
    let settings = &connection.state.settings;
    let authenticator = settings.authenticator.clone();
    let clock = connection.state.runner.mesh().clock.clone();
    let tasks = connection.state.tasks.clone();
    let span = tracing::debug_span!("socket", number = connection.number);
    let serving = async move {
        let Ok(share) = share else {
            if let Ok(upgraded) = upgrading.await {
                refuse(&connection.state, upgraded).await;
            }
            return;
        };
        if let Some(token @ Credential::Token(_)) = &credential {
            // One with an unknown key has the keys fetched again; connection_init is answered.
            let _ = authenticator.authenticate(Some(token), clock.now()).await;
        }
        let limits = connection.state.settings.sockets;
        let session = Session::new(offer, authenticator, clock, limits, credential);
        // A client may leave before the upgrade is complete.
        if let Ok(upgraded) = upgrading.await {
            let protocol = match offer {
                Offer::Known(Subprotocol::GraphqlTransportWs) => SocketProtocol::GraphqlTransportWs,
                _ => SocketProtocol::GraphqlWs,
            };
            let _open = connection.state.runner.mesh().metrics.socket(protocol);
            let state = &connection.state;
            let stop = CancellationToken::new();
            let (socket, context) = (plain_or_other(upgraded), context(state, stop.clone()));
            let serving = socket::serve(socket, session, context, caller);
            until_drained(state, &stop, serving).await;
        }
        drop(share);
    };
    tasks.spawn(log_context::in_task(serving.instrument(span)));
    // Only what was offered: clients would close otherwise, and some reconnect for ever.
    let protocol = match offer {
        Offer::Known(protocol) => Some(protocol.name()),
        _ => None,
    };
    switching(&accept, protocol)
}

/// Answers the upgrade of a cloud socket (docs/protocols.md, Cloud variables) and serves it. `code`
/// is the join code in its address.
pub fn upgrade_cloud(
    connection: Arc<Connection>,
    mut request: Request,
    code: Option<String>,
) -> Response {
    let upgrading = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(accept), Some(upgrading)) = (accept_key(&request), upgrading) else {
        return HttpError::NO_UPGRADE.response();
    };
    let caller = Caller {
        connection: Some(connection.number),
        join_code: None,
        ..caller(&connection, request.headers())
    };
    let share = share(&connection, caller.address);
    let tasks = connection.state.tasks.clone();
    let serving = async move {
        let state = Arc::clone(&connection.state);
        // A client may leave before the upgrade is complete.
        let Ok(upgraded) = upgrading.await else {
            return;
        };
        let Ok(share) = share else {
            return refuse(&state, upgraded).await;
        };
        let open = state.runner.mesh().metrics.socket(SocketProtocol::Cloud);
        let stop = CancellationToken::new();
        let (socket, context) = (plain_or_other(upgraded), context(&state, stop.clone()));
        let settings = state.settings.cloud;
        let serving = Box::pin(cloud::serve(socket, context, caller, settings, code));
        let departed = until_drained(&state, &stop, serving).await;
        // The node may stay for a while; the connection's place is free.
        drop((connection, share, open));
        departed.leave(&state.stop).await;
    };
    tasks.spawn(log_context::in_task(serving));
    switching(&accept, None)
}

/// The response to an upgrade, which names its subprotocol if it has one.
fn switching(accept: &str, protocol: Option<&'static str>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_static(protocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

fn share(
    connection: &Connection,
    address: Option<IpAddr>,
) -> Result<Option<AddressSlot>, ConnectionRefusal> {
    let state = &connection.state;
    match address.filter(|address| *address != connection.peer.ip()) {
        None => Ok(None),
        Some(address) => {
            let trusted = &state.settings.trusted_proxies;
            let taken = state.slots.taken();
            state.address_slots.acquire(address, trusted, taken)
        }
    }
}

/// Serves until either side ends it. When the server stops, `close` is cancelled within its drain.
pub async fn until_drained<T>(
    state: &AppState,
    close: &CancellationToken,
    serving: impl Future<Output = T>,
) -> T {
    let mut serving = pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = state.stop.cancelled() => {}
    }
    // Clients reconnect at once: spread over time, they do not overload the next server.
    let share = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    tokio::select! {
        ended = &mut serving => ended,
        () = tokio::time::sleep(state.settings.http.drain.mul_f64(share)) => {
            close.cancel();
            serving.await
        }
    }
}

fn context(state: &AppState, stop: CancellationToken) -> ConnectionContext {
    ConnectionContext {
        runner: state.runner.clone(),
        limits: state.settings.sockets,
        stop,
        slots: state.slots.clone(),
    }
}

/// Closes a socket past its address's share. It keeps its place among the connections no longer
/// than a peer has for its first request.
async fn refuse(state: &AppState, upgraded: hyper::upgrade::Upgraded) {
    let context = context(state, state.stop.clone());
    let limit = state.settings.http.request_timeout;
    socket::refuse(plain_or_other(upgraded), &context, limit).await;
}

/// Unwraps a plain socket from which the HTTP library has not read ahead.
fn plain_or_other(upgraded: hyper::upgrade::Upgraded) -> Upgraded {
    match downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) if parts.read_buf.is_empty() => Upgraded::Plain(parts.io.into_inner()),
        Ok(parts) => {
            // A client that did not wait for the response has sent its first frame already.
            let (reader, writer) = tokio::io::split(parts.io.into_inner());
            let read_ahead = std::io::Cursor::new(parts.read_buf);
            Upgraded::Other(Box::new(tokio::io::join(read_ahead.chain(reader), writer)))
        }
        Err(upgraded) => Upgraded::Other(Box::new(TokioIo::new(upgraded))),
    }
}

fn tokens(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}
