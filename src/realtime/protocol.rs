//! The three protocols that share the WebSocket endpoint: AppSync realtime and the legacy
//! `subscriptions-transport-ws`, both named `graphql-ws`, and the newer
//! `graphql-transport-ws`; and those of event streams (docs/protocols.md).

use crate::metrics::Transport;
use crate::realtime::credentials::HEADER_PROTOCOL;

/// The subprotocol that was agreed in the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subprotocol {
    /// AppSync or legacy: only a `start` shows which.
    GraphqlWs,
    /// The newer one.
    GraphqlTransportWs,
}

impl Subprotocol {
    /// The name in the upgrade.
    pub fn name(self) -> &'static str {
        match self {
            Self::GraphqlWs => "graphql-ws",
            Self::GraphqlTransportWs => "graphql-transport-ws",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::GraphqlWs, Self::GraphqlTransportWs]
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }
}

/// The subprotocol that a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// None: the client is taken for one of AppSync.
    Nothing,
    /// A supported one; of several, the first. Clients close unless it is echoed.
    Known(Subprotocol),
    /// Unsupported ones only.
    Unknown,
}

impl Offer {
    /// Parses the offered names. Credentials among them are not a protocol.
    pub fn parse<'a>(offered: impl Iterator<Item = &'a str>) -> Self {
        let mut offered = offered.filter(|name| !name.starts_with(HEADER_PROTOCOL));
        let Some(first) = offered.next() else {
            return Self::Nothing;
        };
        let known =
            Subprotocol::from_name(first).or_else(|| offered.find_map(Subprotocol::from_name));
        known.map_or(Self::Unknown, Self::Known)
    }
}

/// The protocol of one operation: `graphql-ws` names two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `start` with a JSON text in `payload.data`; acknowledged by `start_ack`.
    AppSync,
    /// `start` with `payload.query`; a `start_ack` would break the client.
    Legacy,
    /// `subscribe`; messages come as `next`.
    Transport,
    /// An event stream for one operation.
    EventStream,
    /// The same by GET, which a browser's `EventSource` repeats when the stream ends.
    EventSource,
    /// One event stream for all operations.
    SingleStream,
}

impl Dialect {
    /// What carries its messages.
    pub fn transport(self) -> Transport {
        if self.is_event_stream() {
            Transport::EventStream
        } else {
            Transport::WebSocket
        }
    }

    /// Whether its messages are events of an event stream.
    pub fn is_event_stream(self) -> bool {
        matches!(
            self,
            Self::EventStream | Self::EventSource | Self::SingleStream
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_offer_is_taken_and_credentials_are_none() {
        use Subprotocol::{GraphqlTransportWs, GraphqlWs};
        for (offered, expected) in [
            (
                &["graphql-transport-ws"][..],
                Offer::Known(GraphqlTransportWs),
            ),
            (&["graphql-ws", "header-abc"], Offer::Known(GraphqlWs)),
            // gql for Python assumes the first when it cannot read the answer.
            (
                &["graphql-ws", "graphql-transport-ws"],
                Offer::Known(GraphqlWs),
            ),
            (
                &["graphql-transport-ws", "graphql-ws"],
                Offer::Known(GraphqlTransportWs),
            ),
            (
                &["mqtt", "header-abc", "graphql-ws"],
                Offer::Known(GraphqlWs),
            ),
            (&["mqtt"], Offer::Unknown),
            (&["GraphQL-WS"], Offer::Unknown),
            (&["header-abc"], Offer::Nothing),
            (&[], Offer::Nothing),
        ] {
            let parsed = Offer::parse(offered.iter().copied());
            assert_eq!(parsed, expected, "{offered:?}");
        }
    }
}
