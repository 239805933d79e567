//! The requests of GraphQL over server-sent events.

use serde::Deserialize as _;
use serde_json::Value;

use crate::realtime::position::PositionRequest;
use crate::resolvers::request::OwnedGraphQlRequest;

/// A GraphQL request for an event stream.
#[derive(Debug)]
pub struct StreamRequest {
    /// The operation.
    pub graphql: OwnedGraphQlRequest,
    /// Its request for positions, or what is wrong with it.
    pub positions: Result<Option<PositionRequest>, &'static str>,
    /// Its id, where operations share a stream.
    pub operation_id: Option<String>,
}

impl StreamRequest {
    /// Parses a request; `None` if it holds no operation.
    pub fn parse(payload: Value) -> Option<Self> {
        let id = payload.get("extensions").and_then(|e| e.get("operationId"));
        Some(Self {
            operation_id: id.and_then(Value::as_str).map(str::to_owned),
            positions: PositionRequest::parse(&payload),
            graphql: OwnedGraphQlRequest::deserialize(payload).ok()?,
        })
    }

    /// The same with ids of events, unless it asks for positions otherwise; its client sent this
    /// `Last-Event-ID`.
    #[must_use]
    pub fn with_event_ids(mut self, last_event_id: Option<&str>) -> Self {
        let of_events = PositionRequest::of_events(last_event_id);
        self.positions = self.positions.map(|asked| {
            Some(match asked {
                None => of_events,
                Some(asked) => PositionRequest {
                    after: asked.after.or(of_events.after),
                    ..asked
                },
            })
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_position_in_extensions_counts_before_the_last_events_id() {
        let parse = |extensions: Value| {
            let payload = json!({"query": "{ a }", "extensions": extensions});
            let parsed = StreamRequest::parse(payload).unwrap();
            let positions = parsed.with_event_ids(Some("e:7")).positions;
            positions.unwrap().unwrap().after.unwrap().offset
        };
        assert_eq!(parse(json!(null)), 7);
        assert_eq!(parse(json!({"mesh": {}})), 7);
        assert_eq!(parse(json!({"mesh": {"epoch": "e", "offset": 3}})), 3);
    }
}
