//! The server's counters. Each is held where it is counted: no name is looked up, and there is
//! no recorder for the whole process. Labels are enums, so that no family grows with its
//! clients, and no name, key, domain or address is shown.

mod sampled;

use std::fmt::{self, Write as _};
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::metrics::sampled::Sampled;

/// The prefix of every metric.
const PREFIX: &str = "mesh";

/// What refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The rate of a node's calls.
    NodeRate,
    /// The rate of a group's calls.
    GroupRate,
    /// The rate of a connection's calls.
    ConnectionRate,
    /// The rate of an address's calls.
    AddressRate,
}

impl Refusal {
    const ALL: [Self; 4] = [
        Self::NodeRate,
        Self::GroupRate,
        Self::ConnectionRate,
        Self::AddressRate,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::NodeRate => "node_rate",
            Self::GroupRate => "group_rate",
            Self::ConnectionRate => "connection_rate",
            Self::AddressRate => "address_rate",
        }
    }
}

impl EncodeLabelValue for Refusal {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.label())
    }
}

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionRefusal {
    /// Its address has its share.
    AddressShare,
    /// The rest of all connections is for addresses with few.
    Total,
}

impl EncodeLabelValue for ConnectionRefusal {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::AddressShare => "address_share",
            Self::Total => "total",
        })
    }
}

/// What carries messages to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// GraphQL over a WebSocket.
    WebSocket,
    /// GraphQL over server-sent events.
    EventStream,
    /// Cloud variables over a WebSocket.
    Cloud,
}

impl Transport {
    fn label(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "sse",
            Self::Cloud => "cloud",
        }
    }
}

/// The protocol of a WebSocket or an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketProtocol {
    /// graphql-ws: AppSync's clients and older ones.
    GraphqlWs,
    /// graphql-transport-ws.
    GraphqlTransportWs,
    /// GraphQL over server-sent events.
    Sse,
    /// The cloud variables of Scratch and TurboWarp.
    Cloud,
}

impl EncodeLabelValue for SocketProtocol {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::GraphqlWs => "graphql-ws",
            Self::GraphqlTransportWs => "graphql-transport-ws",
            Self::Sse => "sse",
            Self::Cloud => "cloud",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    limit: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    reason: ConnectionRefusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SocketLabels {
    protocol: SocketProtocol,
}

/// The counters. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    registry: Registry,
    refusals: [Counter; Refusal::ALL.len()],
    wrong_keys: Counter,
    refused_connections: [Counter; 2],
    wrong_codes: Counter,
    connections: Gauge,
    sockets: [Gauge; 4],
    slow_readers: Counter,
    slow_reader_lines: Sampled,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let refusals = Family::<RefusalLabels, Counter>::default();
        let refused = Family::<ConnectionLabels, Counter>::default();
        let sockets = Family::<SocketLabels, Gauge>::default();
        let (wrong_keys, connections) = (Counter::default(), Gauge::default());
        let (wrong_codes, slow_readers) = (Counter::default(), Counter::default());
        let text = "Requests that were refused, by the limit";
        registry.register("refusals", text, refusals.clone());
        let text = "Requests with a key that is none of the server's";
        registry.register("wrong_keys", text, wrong_keys.clone());
        let text = "Connections and WebSockets that were closed at once, by the reason";
        registry.register("refused_connections", text, refused.clone());
        let text = "Requests with a join code that is none of the group's, or of no group";
        registry.register("wrong_codes", text, wrong_codes.clone());
        let text = "Open connections, WebSockets included";
        registry.register("connections", text, connections.clone());
        let text = "Open WebSockets and event streams, by their protocol";
        registry.register("sockets", text, sockets.clone());
        let text =
            "WebSockets and event streams that were ended because their client read too slowly";
        registry.register("slow_readers", text, slow_readers.clone());
        let of = |protocol| sockets.get_or_create_owned(&SocketLabels { protocol });
        let sockets = [
            SocketProtocol::GraphqlWs,
            SocketProtocol::GraphqlTransportWs,
            SocketProtocol::Sse,
            SocketProtocol::Cloud,
        ]
        .map(of);
        let of = |limit| refusals.get_or_create_owned(&RefusalLabels { limit });
        Self(Arc::new(Counters {
            refusals: Refusal::ALL.map(of),
            wrong_keys,
            refused_connections: [ConnectionRefusal::AddressShare, ConnectionRefusal::Total]
                .map(|reason| refused.get_or_create_owned(&ConnectionLabels { reason })),
            wrong_codes,
            connections,
            sockets,
            slow_readers,
            slow_reader_lines: Sampled::default(),
            registry,
        }))
    }
}

impl Metrics {
    /// Counts a refused request.
    pub fn refused(&self, limit: Refusal) {
        self.0.refusals[limit as usize].inc();
    }

    /// Counts a request with a wrong key.
    pub fn wrong_key(&self) {
        self.0.wrong_keys.inc();
    }

    /// Counts a connection that is closed at once.
    pub fn refused_connection(&self, reason: ConnectionRefusal) {
        self.0.refused_connections[reason as usize].inc();
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
            let transport = transport.label();
            tracing::warn!(
                transport,
                omitted,
                "a client read too slowly and was closed (mesh_slow_readers_total counts them)"
            );
        }
    }

    /// Counts a WebSocket or an event stream until the guard is dropped.
    pub fn socket(&self, protocol: SocketProtocol) -> OpenGuard {
        OpenGuard::new(&self.0.sockets[protocol as usize])
    }

    /// All counters in the text format of `OpenMetrics`.
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
