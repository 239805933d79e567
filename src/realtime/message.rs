//! The messages of the protocols (docs/protocols.md).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Unauthorized;
use crate::realtime::protocol::{Dialect, Subprotocol};

/// A comment: an event stream's acknowledgement and keep-alive.
pub const COMMENT: &str = ":\n\n";

/// AppSync's keep-alive.
pub const KEEP_ALIVE: &str = r#"{"type":"ka"}"#;

/// A client's message: the members that all protocols share.
#[derive(Debug, Deserialize)]
pub struct ClientMessage {
    /// Its type, such as `start`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The operation's id.
    pub id: Option<String>,
    /// What else it carries.
    pub payload: Option<Value>,
}

impl ClientMessage {
    /// Parses a message.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The payload, if it is an object.
    pub fn payload_object(&self) -> Option<&Map<String, Value>> {
        self.payload.as_ref()?.as_object()
    }
}

impl Dialect {
    /// What precedes and what follows the value of `data` in a message to operation `id`.
    pub fn data_envelope(self, id: &str) -> (String, &'static [u8]) {
        match self {
            Self::EventStream | Self::EventSource => {
                return ("event: next\ndata: {\"data\":".into(), b"}\n\n");
            }
            Self::SingleStream => {
                let id = Value::from(id);
                let prefix = format!("event: next\ndata: {{\"id\":{id},\"payload\":{{\"data\":");
                return (prefix, b"}}\n\n");
            }
            Self::AppSync | Self::Legacy | Self::Transport => {}
        }
        let kind = if self == Self::Transport {
            "next"
        } else {
            "data"
        };
        let id = Value::from(id);
        let prefix = format!(r#"{{"id":{id},"type":"{kind}","payload":{{"data":"#);
        (prefix, b"}}")
    }

    /// The response to a query or mutation, whose payload is JSON already.
    pub fn response(self, id: &str, payload: &[u8]) -> Vec<u8> {
        let (prefix, suffix) = self.data_envelope(id);
        let prefix = prefix.strip_suffix(r#"{"data":"#).unwrap_or(&prefix);
        let suffix = suffix.strip_prefix(b"}").unwrap_or(suffix);
        [prefix.as_bytes(), payload, suffix].concat()
    }

    /// The errors that end an operation.
    pub fn error(self, id: &str, errors: Vec<Value>) -> String {
        let payload = match self {
            Self::AppSync => json!({ "errors": errors }),
            // The legacy client expects one object, the newer one a list that is not empty.
            Self::Legacy => errors.into_iter().next().unwrap_or_default(),
            Self::Transport => Value::from(errors),
            Self::EventStream | Self::EventSource | Self::SingleStream => {
                let payload = json!({"data": null, "errors": errors}).to_string();
                let next = self.response(id, payload.as_bytes());
                return String::from_utf8_lossy(&next).into_owned() + &self.complete(id);
            }
        };
        json!({"id": id, "type": "error", "payload": payload}).to_string()
    }

    /// Ends an operation without an error.
    pub fn complete(self, id: &str) -> String {
        match self {
            // Without a `data` field, `EventSource` would not dispatch the event.
            Self::EventStream | Self::EventSource => "event: complete\ndata:\n\n".into(),
            Self::SingleStream => format!("event: complete\ndata: {}\n\n", json!({"id": id})),
            Self::AppSync | Self::Legacy | Self::Transport => complete(id),
        }
    }
}

/// Acknowledges a connection. AppSync's client takes its keep-alive timeout from it.
pub fn connection_ack(protocol: Subprotocol, timeout_ms: u128) -> String {
    match protocol {
        Subprotocol::GraphqlWs => {
            json!({"type": "connection_ack", "payload": {"connectionTimeoutMs": u64::try_from(timeout_ms).unwrap_or(u64::MAX)}})
        }
        Subprotocol::GraphqlTransportWs => json!({"type": "connection_ack"}),
    }
    .to_string()
}

/// Acknowledges a subscription.
pub fn start_ack(id: &str) -> String {
    json!({"id": id, "type": "start_ack"}).to_string()
}

/// Ends an operation without an error.
pub fn complete(id: &str) -> String {
    json!({"id": id, "type": "complete"}).to_string()
}

/// Answers a client's ping, with the ping's payload.
pub fn pong(payload: Option<Value>) -> String {
    match payload {
        Some(payload) => json!({"type": "pong", "payload": payload}).to_string(),
        None => r#"{"type":"pong"}"#.into(),
    }
}

/// Rejects a connection. Clients retry unless there is an `errorCode`.
pub fn connection_error(why: Unauthorized) -> String {
    let error =
        json!({"errorType": Unauthorized::KIND, "message": why.message(), "errorCode": 401});
    json!({"type": "connection_error", "payload": {"errors": [error]}}).to_string()
}

/// Rejects a connection that offers unsupported subprotocols only (docs/protocols.md, Opening a WebSocket).
pub fn subprotocol_error() -> String {
    let error = json!({"message": "SubProtocolNotSupportedError", "errorCode": 400});
    json!({"type": "connection_error", "payload": {"errors": [error]}}).to_string()
}

/// An error that belongs to no operation.
pub fn error_without_id(error: &Value) -> String {
    json!({"type": "error", "payload": {"errors": [error]}}).to_string()
}

/// One error of AppSync's realtime channel.
pub fn channel_error(kind: &str, message: &str) -> Value {
    json!({"errorType": kind, "message": message})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivered_message_is_json_around_the_shared_data() {
        for (dialect, kind) in [
            (Dialect::AppSync, "data"),
            (Dialect::Legacy, "data"),
            (Dialect::Transport, "next"),
        ] {
            let (prefix, suffix) = dialect.data_envelope("an \"id\"");
            let whole = [prefix.as_bytes(), br#"{"x":1}"#, suffix].concat();
            let whole: Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(
                whole,
                json!({"id": "an \"id\"", "type": kind, "payload": {"data": {"x": 1}}})
            );
        }
    }

    #[test]
    fn each_dialect_has_its_own_form_of_an_error() {
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
}
