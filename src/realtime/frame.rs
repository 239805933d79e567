//! What is said on a WebSocket, in the three protocols that share it: AppSync realtime
//! and the legacy `subscriptions-transport-ws`, both named `graphql-ws`, and
//! `graphql-transport-ws` (protocol sections 1.3, 1.4, 4.4 and 4.5).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Unauthorized;
use crate::realtime::credentials::HEADER_PROTOCOL;

/// The sub-protocol that was agreed in the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subprotocol {
    /// AppSync or legacy: only a `start` tells which.
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

    fn named(name: &str) -> Option<Self> {
        [Self::GraphqlWs, Self::GraphqlTransportWs]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// What a client offers to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: it is taken for a client of AppSync.
    Nothing,
    /// A known protocol; of several, the first. Clients close unless it is echoed.
    Known(Subprotocol),
    /// Others alone.
    Unknown,
}

impl Offer {
    /// Reads the offered names; credentials among them are no protocol.
    pub fn read<'a>(offered: impl Iterator<Item = &'a str>) -> Self {
        let mut offered = offered.filter(|name| !name.starts_with(HEADER_PROTOCOL));
        let Some(first) = offered.next() else {
            return Self::Nothing;
        };
        let known = Subprotocol::named(first).or_else(|| offered.find_map(Subprotocol::named));
        known.map_or(Self::Unknown, Self::Known)
    }
}

/// How one operation is talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `start` with a JSON text in `payload.data`; answered by `start_ack`.
    AppSync,
    /// `start` with `payload.query`; a `start_ack` would kill the client.
    Legacy,
    /// `subscribe`, answered by `next`.
    Transport,
}

impl Dialect {
    /// What stands before and after the value of `data` in a delivered message.
    pub fn around_data(self, id: &str) -> (String, &'static [u8]) {
        let kind = if self == Self::Transport {
            "next"
        } else {
            "data"
        };
        (
            format!(
                r#"{{"id":{},"type":"{kind}","payload":{{"data":"#,
                Value::from(id)
            ),
            b"}}",
        )
    }

    /// A whole answer to a query or mutation, which is JSON already.
    pub fn answer(self, id: &str, payload: &[u8]) -> Vec<u8> {
        let (head, _) = self.around_data(id);
        let head = head.strip_suffix(r#"{"data":"#).unwrap_or(&head);
        [head.as_bytes(), payload, b"}"].concat()
    }

    /// The end of an operation.
    pub fn complete(id: &str) -> String {
        json!({"id": id, "type": "complete"}).to_string()
    }

    /// The refusal of an operation.
    pub fn error(self, id: &str, errors: Vec<Value>) -> String {
        let payload = match self {
            Self::AppSync => json!({ "errors": errors }),
            // The legacy client wants one object, the newer one a list that is not empty.
            Self::Legacy => errors.into_iter().next().unwrap_or_default(),
            Self::Transport => Value::from(errors),
        };
        json!({"id": id, "type": "error", "payload": payload}).to_string()
    }
}

/// A client's message, as far as all protocols agree.
#[derive(Debug, Deserialize)]
pub struct ClientFrame {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The operation.
    pub id: Option<String>,
    /// The rest.
    pub payload: Option<Value>,
}

impl ClientFrame {
    /// Reads a message.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The payload's members.
    pub fn members(&self) -> Option<&Map<String, Value>> {
        self.payload.as_ref()?.as_object()
    }
}

/// Acknowledges a connection; AppSync's client takes its patience from it.
pub fn connection_ack(protocol: Subprotocol, patience_ms: u128) -> String {
    match protocol {
        Subprotocol::GraphqlWs => {
            json!({"type": "connection_ack", "payload": {"connectionTimeoutMs": u64::try_from(patience_ms).unwrap_or(u64::MAX)}})
        }
        Subprotocol::GraphqlTransportWs => json!({"type": "connection_ack"}),
    }
    .to_string()
}

/// Acknowledges a subscription.
pub fn start_ack(id: &str) -> String {
    json!({"id": id, "type": "start_ack"}).to_string()
}

/// AppSync's sign of life.
pub const KEEP_ALIVE: &str = r#"{"type":"ka"}"#;

/// Turns a connection away. Clients try again unless there is an `errorCode`.
pub fn connection_error(why: Unauthorized) -> String {
    let error =
        json!({"errorType": Unauthorized::KIND, "message": why.message(), "errorCode": 401});
    json!({"type": "connection_error", "payload": {"errors": [error]}}).to_string()
}

/// Turns a connection away that offers no protocol that is spoken here (protocol section 1.5).
pub fn subprotocol_error() -> String {
    let error = json!({"message": "SubProtocolNotSupportedError", "errorCode": 400});
    json!({"type": "connection_error", "payload": {"errors": [error]}}).to_string()
}

/// An error that belongs to no operation.
pub fn stray_error(error: &Value) -> String {
    json!({"type": "error", "payload": {"errors": [error]}}).to_string()
}

/// One error of AppSync's realtime channel.
pub fn channel_error(kind: &str, message: &str) -> Value {
    json!({"errorType": kind, "message": message})
}

/// Why a socket is closed: a code and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The WebSocket close code.
    pub code: u16,
    /// The reason that goes with it.
    pub reason: &'static str,
}

impl Close {
    /// The client said goodbye.
    pub const NORMAL: Self = Self {
        code: 1000,
        reason: "Goodbye",
    };
    /// The server restarts: clients come back by themselves.
    pub const RESTART: Self = Self {
        code: 1012,
        reason: "Service restart",
    };
    /// The client reads slower than its group speaks (decision D20).
    pub const TOO_SLOW: Self = Self {
        code: 1013,
        reason: "Slow consumer: queue full, connect again",
    };
    /// The client gave no sign of life for too long.
    pub const SILENT: Self = Self {
        code: 1001,
        reason: "No sign of life from the client",
    };
    /// The client closed with a code that no client may send.
    pub const BAD_CLOSE: Self = Self {
        code: 1002,
        reason: "Invalid close code",
    };
    /// No protocol that was offered is spoken here.
    pub const UNKNOWN_PROTOCOL: Self = Self {
        code: 4406,
        reason: "Subprotocol not acceptable",
    };
    /// A frame or message is larger than allowed.
    pub const TOO_BIG: Self = Self {
        code: 1009,
        reason: "Message too big",
    };
    /// The bytes are no WebSocket protocol.
    pub const BAD_FRAME: Self = Self {
        code: 1002,
        reason: "Malformed frame",
    };
    /// Only text is spoken here.
    pub const NOT_TEXT: Self = Self {
        code: 1003,
        reason: "Only text messages are understood",
    };
    /// Text that is not UTF-8.
    pub const NOT_UTF8: Self = Self {
        code: 1007,
        reason: "Text is not UTF-8",
    };
    /// A message that is none of the protocol.
    pub const BAD_MESSAGE: Self = Self {
        code: 4400,
        reason: "Invalid message",
    };
    /// No valid key, or an operation before the connection was opened.
    pub const UNAUTHORIZED: Self = Self {
        code: 4401,
        reason: "Unauthorized",
    };
    /// No `connection_init` came.
    pub const INIT_TIMEOUT: Self = Self {
        code: 4408,
        reason: "Connection initialisation timeout",
    };
    /// The operation's id is in use.
    pub const DUPLICATE: Self = Self {
        code: 4409,
        reason: "SocketSubscriber for this id already exists",
    };
    /// A second `connection_init`.
    pub const SECOND_INIT: Self = Self {
        code: 4429,
        reason: "Too many initialisation requests",
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_offer_is_taken_and_credentials_are_none() {
        use Subprotocol::{GraphqlTransportWs, GraphqlWs};
        for (offered, read) in [
            (
                &["graphql-transport-ws"][..],
                Offer::Known(GraphqlTransportWs),
            ),
            (&["graphql-ws", "header-abc"], Offer::Known(GraphqlWs)),
            // gql for Python takes the first for agreed when it cannot read the answer.
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
            assert_eq!(Offer::read(offered.iter().copied()), read, "{offered:?}");
        }
    }

    #[test]
    fn a_delivered_message_is_json_around_the_shared_data() {
        for (dialect, kind) in [
            (Dialect::AppSync, "data"),
            (Dialect::Legacy, "data"),
            (Dialect::Transport, "next"),
        ] {
            let (head, tail) = dialect.around_data("an \"id\"");
            let whole = [head.as_bytes(), br#"{"x":1}"#, tail].concat();
            let whole: Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(
                whole,
                json!({"id": "an \"id\"", "type": kind, "payload": {"data": {"x": 1}}})
            );
        }
    }

    #[test]
    fn each_dialect_is_refused_in_its_own_form() {
        let errors = || vec![json!({"message": "m"})];
        let payload =
            |text: String| serde_json::from_str::<Value>(&text).unwrap()["payload"].clone();
        assert_eq!(
            payload(Dialect::AppSync.error("1", errors())),
            json!({"errors": [{"message": "m"}]})
        );
        assert_eq!(
            payload(Dialect::Legacy.error("1", errors())),
            json!({"message": "m"})
        );
        assert_eq!(
            payload(Dialect::Transport.error("1", errors())),
            json!([{"message": "m"}])
        );
    }

    #[test]
    fn a_close_reason_fits_its_frame() {
        for close in [
            Close::TOO_SLOW,
            Close::NOT_TEXT,
            Close::INIT_TIMEOUT,
            Close::DUPLICATE,
        ] {
            assert!(close.reason.len() <= 123);
        }
    }
}
