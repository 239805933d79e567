//! The requests of GraphQL over server-sent events.

use serde::Deserialize as _;
use serde_json::Value;

use crate::realtime::position::PositionRequest;
use crate::resolvers::request::OwnedGraphQlRequest;

/// A GraphQL request that asks for an event stream.
#[derive(Debug)]
pub struct StreamRequest {
    /// The operation.
    pub graphql: OwnedGraphQlRequest,
    /// Its request for positions, or what is wrong with it.
    pub positions: Result<PositionRequest, &'static str>,
}

impl StreamRequest {
    /// Parses a request whose client sent this `Last-Event-ID`; `None` if it holds no operation.
    pub fn parse(payload: Value, last_event_id: Option<&str>) -> Option<Self> {
        let of_events = PositionRequest::of_events(last_event_id);
        let positions = PositionRequest::parse(&payload).map(|asked| match asked {
            None => of_events,
            Some(asked) => PositionRequest {
                after: asked.after.or(of_events.after),
                ..asked
            },
        });
        let graphql = OwnedGraphQlRequest::deserialize(payload).ok()?;
        Some(Self { graphql, positions })
    }
}
