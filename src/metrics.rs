//! The server's counters. Each is held where it is counted: no name is looked up, and there is
//! no recorder for the whole process. docs/monitoring.md has them all.

mod calls;
mod held;
mod labels;
mod messages;
mod sampled;
mod snapshot;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::metrics::calls::Calls;
use crate::metrics::held::Held;
use crate::metrics::labels::Label as _;
use crate::metrics::sampled::Sampled;
use crate::metrics::snapshot::Snapshots;

pub use labels::{ConnectionRefusal, MessageKind, Refusal, SocketProtocol, StoreCall, Transport};
pub use messages::Messages;
pub use sampled::PollingLines;
pub use snapshot::{JournalFigures, Population, Snapshot, StoreFigures};

/// The prefix of every metric.
const PREFIX: &str = "mesh";

/// The counters. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    registry: Registry,
    refusals: Held<Refusal, Counter>,
    wrong_keys: Counter,
    refused_connections: Held<ConnectionRefusal, Counter>,
    wrong_codes: Counter,
    connections: Gauge,
    sockets: Held<SocketProtocol, Gauge>,
    opened: Held<SocketProtocol, Counter>,
    subscriptions: Held<Transport, Gauge>,
    slow_readers: Counter,
    slow_reader_lines: Sampled,
    messages: Messages,
    calls: Calls,
    snapshots: Snapshots,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let all = &mut registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The program", version);
        let (wrong_keys, connections) = (Counter::default(), Gauge::default());
        let (wrong_codes, slow_readers) = (Counter::default(), Counter::default());
        let text = "Requests that were refused, by the limit";
        let refusals = Held::register(all, "refusals", text, Counter::default);
        let text = "Requests with a key that is none of the server's";
        all.register("wrong_keys", text, wrong_keys.clone());
        let text = "Connections and WebSockets that were closed at once, by the reason";
        let refused_connections =
            Held::register(all, "refused_connections", text, Counter::default);
        let text = "Requests with a join code that is none of the group's, or of no group";
        all.register("wrong_codes", text, wrong_codes.clone());
        let text = "Open connections, WebSockets included";
        all.register("connections", text, connections.clone());
        let text = "Open WebSockets and event streams, by their protocol";
        let sockets = Held::register(all, "sockets", text, Gauge::default);
        let text = "WebSockets and event streams that were opened, those that came back included";
        let opened = Held::register(all, "opened_sockets", text, Counter::default);
        let text = "Open subscriptions, by what carries them";
        let subscriptions = Held::register(all, "subscriptions", text, Gauge::default);
        let text =
            "WebSockets and event streams that were ended because their client read too slowly";
        all.register("slow_readers", text, slow_readers.clone());
        let (messages, calls) = (Messages::register(all), Calls::register(all));
        let snapshots = Snapshots::default();
        all.register_collector(Box::new(snapshots.clone()));
        Self(Arc::new(Counters {
            refusals,
            wrong_keys,
            refused_connections,
            wrong_codes,
            connections,
            sockets,
            opened,
            subscriptions,
            slow_readers,
            slow_reader_lines: Sampled::default(),
            messages,
            calls,
            snapshots,
            registry,
        }))
    }
}

impl Metrics {
    /// Counts a refused request.
    pub fn refused(&self, limit: Refusal) {
        self.0.refusals.of(limit).inc();
    }

    /// Counts a request with a wrong key.
    pub fn wrong_key(&self) {
        self.0.wrong_keys.inc();
    }

    /// Counts a connection that is closed at once.
    pub fn refused_connection(&self, reason: ConnectionRefusal) {
        self.0.refused_connections.of(reason).inc();
    }

    /// Counts a request with a wrong join code.
    pub fn wrong_code(&self) {
        self.0.wrong_codes.inc();
    }

    /// Counts a connection until the guard is dropped.
    pub fn connection(&self) -> OpenGuard {
        OpenGuard::new(&self.0.connections)
    }

    /// Counts and logs a client that is closed because it read too slowly.
    pub fn slow_reader(&self, transport: Transport) {
        self.0.slow_readers.inc();
        if let Some(omitted) = self.0.slow_reader_lines.admit() {
            let transport = transport.text();
            tracing::warn!(
                transport,
                omitted,
                "a client read too slowly and was closed (mesh_slow_readers_total counts them)"
            );
        }
    }

    /// Counts a WebSocket or an event stream until the guard is dropped.
    pub fn socket(&self, protocol: SocketProtocol) -> OpenGuard {
        self.0.opened.of(protocol).inc();
        OpenGuard::new(self.0.sockets.of(protocol))
    }

    /// Counts a subscription until the guard is dropped.
    pub fn subscription(&self, transport: Transport) -> OpenGuard {
        OpenGuard::new(self.0.subscriptions.of(transport))
    }

    /// The counters of messages.
    pub fn messages(&self) -> &Messages {
        &self.0.messages
    }

    /// The counters of calls.
    pub fn calls(&self) -> &Calls {
        &self.0.calls
    }

    /// All counters in the text format of `OpenMetrics`, with what is looked up for it.
    pub fn text_with(&self, snapshot: Snapshot) -> String {
        self.0.snapshots.set(snapshot);
        self.text()
    }

    /// The same with what was looked up last.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to a string succeeds");
        text
    }
}

/// Counts something open until it is dropped.
#[must_use = "dropping the guard ends its count"]
#[derive(Debug)]
pub struct OpenGuard(Gauge);

impl OpenGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_with_labels_of_fixed_sets() {
        let metrics = Metrics::default();
        metrics.refused(Refusal::AddressRate);
        metrics.refused(Refusal::AddressRate);
        metrics.wrong_key();
        metrics.refused_connection(ConnectionRefusal::Total);
        metrics.wrong_code();
        let open = metrics.connection();
        let socket = metrics.socket(SocketProtocol::GraphqlTransportWs);
        drop(metrics.socket(SocketProtocol::GraphqlWs));
        metrics.slow_reader(Transport::WebSocket);
        let text = metrics.text();
        for line in [
            "mesh_refusals_total{limit=\"address_rate\"} 2",
            "mesh_refusals_total{limit=\"node_rate\"} 0",
            "mesh_wrong_keys_total 1",
            "mesh_refused_connections_total{reason=\"address_share\"} 0",
            "mesh_refused_connections_total{reason=\"total\"} 1",
            "mesh_wrong_codes_total 1",
            "mesh_connections 1",
            "mesh_sockets{protocol=\"cloud\"} 0",
            "mesh_sockets{protocol=\"graphql-transport-ws\"} 1",
            "mesh_sockets{protocol=\"graphql-ws\"} 0",
            "mesh_sockets{protocol=\"sse\"} 0",
            "mesh_slow_readers_total 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        drop((open, socket));
        assert!(metrics.text().contains("mesh_connections 0\n"));
    }
}
