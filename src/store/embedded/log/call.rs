//! Calls in a group's event log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::{Event, EventBatch, EventCall, EventInput, Fingerprint};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::log_quota::{Sender, Usage};
use crate::model::time::Timestamp;

/// A call in the log, with its events in log order if they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedCall {
    /// Its stamp.
    pub stamp: Stamp,
    /// Who sent it.
    pub node: NodeId,
    /// How the sender was in the group.
    #[serde(default, skip_serializing_if = "Sender::is_member")]
    pub sender: Sender,
    /// The digest by which a repetition is recognized.
    pub fingerprint: Option<Fingerprint>,
    /// How many events it had.
    pub count: u32,
    /// The events, when they are kept for pollers.
    pub events: Arc<Vec<EventInput>>,
    /// The bytes of the kept events.
    pub bytes: usize,
}

/// A call to append. Expensive work on it is done before the state is locked.
#[derive(Debug)]
pub struct NewCall {
    /// The call, its events in log order.
    pub call: EventCall,
    /// Its events as they are published.
    published: Arc<Vec<Event>>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) bytes: usize,
}

impl From<EventCall> for NewCall {
    fn from(mut call: EventCall) -> Self {
        let fingerprint = call.fingerprint();
        call.sort();
        Self {
            fingerprint,
            bytes: call.bytes(),
            published: call.batch(Timestamp::from_millis(0)).events,
            call,
        }
    }
}

impl NewCall {
    /// The batch for subscribers.
    pub fn batch(&self, timestamp: Timestamp) -> EventBatch {
        EventBatch {
            kind: self.call.kind,
            group: self.call.group.clone(),
            fired_by: self.call.node.clone(),
            timestamp,
            events: Arc::clone(&self.published),
        }
    }
}

/// Events for a poll, shared with the log.
#[derive(Debug, Default)]
pub struct FoundEvents {
    pub(super) group: Option<GroupKey>,
    pub(super) events: Vec<(Arc<LoggedCall>, u32)>,
}

impl FoundEvents {
    /// The events as they are polled: as many as fit in `max_bytes` of a response, but at least
    /// one.
    pub fn into_page(self, max_bytes: usize) -> Vec<Event> {
        let Some(group) = self.group else {
            return Vec::new();
        };
        let events = self
            .events
            .into_iter()
            .map(|(call, index)| call.polled(index));
        json_size::page(&group, events, max_bytes)
    }
}

impl LoggedCall {
    /// The event as it is polled.
    fn polled(&self, index: u32) -> Event {
        let event = &self.events[index as usize];
        let stamp = self.stamp;
        Event {
            name: event.name.clone(),
            fired_by: self.node.clone(),
            payload: event.payload.clone(),
            timestamp: stamp.at.to_string(),
            cursor: Some(Cursor { stamp, index }),
            order_key: event.order_key.clone().filter(|key| !key.is_empty()),
        }
    }

    /// What it uses of the log, if its events are kept.
    pub(super) fn usage(&self) -> Option<Usage> {
        (!self.events.is_empty()).then(|| Usage::call(self.bytes))
    }

    /// Whose share of the log it uses: outsiders have one together.
    pub(super) fn holder(&self) -> Option<NodeId> {
        (self.sender != Sender::Outsider).then(|| self.node.clone())
    }

    /// The cursor of its last event.
    pub(super) fn last(&self) -> Cursor {
        Cursor {
            stamp: self.stamp,
            index: self.count.saturating_sub(1),
        }
    }
}
