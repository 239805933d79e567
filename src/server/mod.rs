//! The standalone server: HTTP and WebSocket endpoints over the schema, health, the
//! pages, TLS, and an orderly stop.

mod address_slots;
pub mod addresses;
mod body;
mod extension;
mod footprint;
mod health;
mod http;
mod http_error;
#[cfg(feature = "oidc")]
pub mod issuer;
mod listen;
mod metrics;
pub mod metrics_access;
mod monitor;
pub mod origins;
mod page;
mod pages;
mod public;
mod query;
pub mod request_body;
mod request_id;
pub mod self_signed;
mod stream;
mod tcp;
pub mod tls;
mod upgrade;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Once};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authenticator;
use crate::cloud::CloudSettings;
use crate::domains::SiteBits;
use crate::heartbeat::reaper;
use crate::mesh::Mesh;
use crate::realtime::{ConnectionSlots, SocketLimits};
use crate::resolvers::DocumentLimits;
use crate::resolvers::run::Runner;
use crate::server::address_slots::AddressSlots;
use crate::server::stream::single::Reservations;
use crate::server::stream::slots::StreamSlots;

/// How the server behaves beside the liveness rules.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Who may call.
    pub authenticator: Authenticator,
    /// Where the keys of tokens come from, if tokens are accepted.
    #[cfg(feature = "oidc")]
    pub issuer: Option<issuer::IssuerSettings>,
    /// A development key that the GraphiQL page may fill in.
    pub development_key: Option<&'static str>,
    /// Whether the GraphiQL page is served.
    pub graphiql: bool,
    /// Who may read the counters.
    pub metrics: metrics_access::MetricsAccess,
    /// Whether the pages for people are served.
    pub pages: bool,
    /// The key that these pages call with, while its role is public.
    pub public_key: Option<Arc<str>>,
    /// The authority of a self-signed certificate, in PEM, for devices to trust.
    pub authority: Option<Arc<str>>,
    /// The pages that may call.
    pub origins: origins::Origins,
    /// Whose `X-Forwarded-For` is believed (decision D2).
    pub trusted_proxies: Arc<[IpNet]>,
    /// How wide documents may be.
    pub documents: DocumentLimits,
    /// How much a socket may take.
    pub sockets: SocketLimits,
    /// How cloud sockets are served.
    pub cloud: CloudSettings,
    /// Limits of HTTP.
    pub http: HttpLimits,
}

/// Limits of HTTP.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at once, sockets included; more wait to be accepted.
    pub connections: usize,
    /// Those of one address: an IPv4 address or an IPv6 site.
    pub connections_per_address: usize,
    /// What counts as one address.
    pub site: SiteBits,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a request's head; tokens of sign-in services fill several thousand.
    pub head_bytes: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Event streams that are reserved and not yet open; those of one address may be half.
    pub stream_reservations: usize,
    /// How long an event stream is reserved.
    pub stream_reservation: Duration,
    /// Bytes of responses that one connection may leave unread; past it, its requests are
    /// refused. One large response is always sent.
    pub unread_bytes: usize,
    /// How long a connection's first request, a request's body and a TLS handshake may take.
    pub request_timeout: Duration,
    /// How often a connection is checked: one without a request since the last check is
    /// closed, and dropped when that takes longer than `request_timeout`. Longer than
    /// clients pause between two calls: a connection closed under a call is an error.
    pub idle: Duration,
    /// Over how long sockets are closed when the server stops.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 25_000,
            connections_per_address: 5_000,
            site: SiteBits::default(),
            body_bytes: 256 * 1024,
            head_bytes: 32 * 1024,
            streams: 100,
            stream_reservations: 2000,
            stream_reservation: Duration::from_secs(10),
            unread_bytes: 8 * 1024 * 1024,
            request_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            drain: Duration::ZERO,
        }
    }
}

/// How long calls that were begun may take to be answered when the server stops, and
/// peers to take note of their sockets' close.
const GRACE: Duration = Duration::from_secs(1);

/// In place of a listener's address that the system does not say.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What all requests and connections of one server share.
struct AppState {
    runner: Runner,
    settings: ServerSettings,
    tasks: TaskTracker,
    stop: CancellationToken,
    slots: ConnectionSlots,
    address_slots: Arc<AddressSlots>,
    streams: StreamSlots,
    /// For event streams that are reserved and not yet open.
    waiting_streams: StreamSlots,
    reservations: Reservations,
    /// Whether the operator knows that `X-Forwarded-For` comes from a peer that is not trusted.
    forwarded_hint: Once,
    accepted: AtomicU64,
    scrapes: metrics::Scrapes,
    /// Where plain HTTP is served.
    listens: SocketAddr,
}

/// Where the server listens.
#[derive(Debug)]
pub struct Listeners {
    /// Plain HTTP.
    pub plain: TcpListener,
    /// HTTP over TLS.
    pub tls: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
    /// Plain HTTP for a folder of pages, which find the API beside them.
    pub public: Option<(TcpListener, PathBuf)>,
    /// Plain HTTP for a monitor.
    pub metrics: Option<TcpListener>,
}

/// Serves until `stop` is cancelled, then closes every WebSocket by name.
pub async fn run(
    mesh: Mesh,
    settings: ServerSettings,
    mut listeners: Listeners,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let mesh = Arc::new(mesh);
    let runner = Runner::new(Arc::clone(&mesh), settings.documents, tasks.clone());
    // The dispatchers run until all sockets are closed.
    let dispatching = CancellationToken::new();
    let _stop_last = dispatching.clone().drop_guard();
    mesh.hub.run_dispatchers(&TaskTracker::new(), &dispatching);
    let connections = {
        let memory = &runner.mesh().memory;
        footprint::connections(settings.http.connections, memory)
    };
    let (share, site) = (settings.http.connections_per_address, settings.http.site);
    let reservations = settings.http.stream_reservations;
    let metrics = runner.mesh().metrics.clone();
    let state = Arc::new(AppState {
        streams: StreamSlots::new(connections, share, site, metrics.clone()),
        waiting_streams: StreamSlots::new(reservations, reservations / 2, site, metrics.clone()),
        reservations: Reservations::default(),
        runner,
        settings,
        tasks: tasks.clone(),
        stop: stop.clone(),
        slots: ConnectionSlots::new(connections),
        address_slots: AddressSlots::new(connections, share, site, metrics),
        forwarded_hint: Once::new(),
        accepted: AtomicU64::default(),
        scrapes: metrics::Scrapes::default(),
        listens: listeners.plain.local_addr().unwrap_or(NOWHERE),
    });
    let drain = state.settings.http.drain;
    let projects = mesh.projects.clone();
    let (keep, until) = (state.settings.cloud.keep, stop.clone());
    tasks.spawn(async move { projects.sweep_until(until, keep).await });
    let reaping = {
        let stop = stop.clone();
        async move {
            // Those who shall learn of an end may still be on their way back.
            tokio::select! {
                () = stop.cancelled() => return,
                () = mesh.start_hold.wait() => {}
            }
            reaper::run(mesh.store.as_ref(), &mesh.hub, &mesh.clock, stop).await;
        }
    };
    tasks.spawn(reaping);
    #[cfg(feature = "oidc")]
    if let (Some(tokens), Some(settings)) = (
        state.settings.authenticator.tokens(),
        state.settings.issuer.clone(),
    ) {
        tasks.spawn(issuer::run(Arc::clone(tokens), settings, stop.clone()));
    }
    if let Some(listener) = listeners.metrics.take() {
        tasks.spawn(monitor::accept_all(Arc::clone(&state), listener));
    }
    listen::accept_all(state, listeners).await;
    tasks.close();
    // WebSockets are closed over the drain; those that are left after a grace period are
    // dropped. Without a drain no other server takes over, and calls are refused meanwhile
    // (decision D32).
    if tokio::time::timeout(drain + GRACE, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            left = tasks.len(),
            "stopped without waiting for the last connections"
        );
    }
}
