//! The GraphQL types of events.

use async_graphql::{ID, InputObject, SimpleObject};
use serde::Deserialize;

use crate::model::event;
use crate::model::group::GroupKey;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::status::NodeStatus;

/// An event of a group, such as a broadcast.
#[derive(SimpleObject)]
pub struct Event {
    /// The event's name.
    name: String,
    /// The node that sent it.
    fired_by_node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// A text that came with the event.
    payload: Option<String>,
    /// In a message: the sender's time, `firedAt`. In an answer to a query: the server's.
    timestamp: AwsDateTime,
    /// The event's place in the group's log, for `since`. Null in a message.
    cursor: Option<String>,
    /// The sender's own order of its events.
    order_key: Option<String>,
}

impl Event {
    fn new(group: &GroupKey, event: event::Event) -> Self {
        Self {
            name: event.name,
            fired_by_node_id: event.fired_by.as_str().into(),
            group_id: group.id.as_str().into(),
            domain: group.domain.to_string(),
            payload: event.payload,
            timestamp: AwsDateTime(event.timestamp),
            cursor: event.cursor.map(|cursor| cursor.to_string()),
            order_key: event.order_key,
        }
    }
}

/// The events of one call, in their order.
#[derive(SimpleObject)]
pub struct BatchEvent {
    /// The events.
    events: Vec<Event>,
    /// The node that sent them.
    fired_by_node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// When the server took the call.
    timestamp: AwsDateTime,
}

impl From<event::EventBatch> for BatchEvent {
    fn from(batch: event::EventBatch) -> Self {
        Self {
            events: batch
                .events
                .iter()
                .map(|event| Event::new(&batch.group, event.clone()))
                .collect(),
            fired_by_node_id: batch.fired_by.as_str().into(),
            group_id: batch.group.id.as_str().into(),
            domain: batch.group.domain.to_string(),
            timestamp: batch.timestamp.into(),
        }
    }
}

/// One event to fire or to record.
#[derive(InputObject, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventInput {
    /// The event's name.
    event_name: String,
    /// A text that goes with the event.
    payload: Option<String>,
    /// When it happened, by the sender's clock.
    fired_at: AwsDateTime,
    /// The sender's own order of its events. A call in which every event has one can be
    /// repeated safely.
    order_key: Option<String>,
}

impl From<EventInput> for event::EventInput {
    fn from(input: EventInput) -> Self {
        Self {
            name: input.event_name,
            payload: input.payload,
            fired_at: input.fired_at.0,
            order_key: input.order_key,
        }
    }
}

/// The answer to recorded events.
#[derive(SimpleObject)]
pub struct RecordEventsPayload {
    /// The group's id.
    pub(super) group_id: ID,
    /// The group's domain.
    pub(super) domain: String,
    /// How many events the call had.
    pub(super) recorded_count: usize,
    /// Empty, or the cursor of the call's last event if the server is set to `--next-since
    /// cursor`.
    pub(super) next_since: String,
}

/// What a polling member needs in one answer. The events are read before the variables.
#[derive(SimpleObject)]
pub struct PollGroupData {
    /// The events after `since`, as in getEventsSince.
    events: Vec<Event>,
    /// The variables of every node, as in listGroupStatuses.
    node_statuses: Vec<NodeStatus>,
}
