//! Events: as they are sent, published and polled, and their positions in the group's log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::authority::TokenHash;
use crate::model::cursor::Cursor;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

/// An event as a node sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInput {
    /// Its name.
    pub name: String,
    /// Its payload, if any.
    pub payload: Option<String>,
    /// When it happened by the sender's clock: an ISO 8601 time, as it was sent.
    pub fired_at: String,
    /// The sender's order among its events.
    pub order_key: Option<String>,
}

impl EventInput {
    /// The sort key among the recorded events of a call.
    fn order(&self) -> &str {
        self.order_key.as_deref().unwrap_or_default()
    }
}

/// Whether a call's events are published to subscribers or recorded for pollers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// fireEventsByNode.
    Fired,
    /// recordEventsByNode.
    Recorded,
}

/// One call of fireEventsByNode or recordEventsByNode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCall {
    /// The group.
    pub group: GroupKey,
    /// The sender.
    pub node: NodeId,
    /// The digest of its token.
    pub token: Option<TokenHash>,
    /// Fired or recorded.
    pub kind: EventKind,
    /// The events in the sender's order.
    pub events: Arc<Vec<EventInput>>,
}

impl EventCall {
    /// The events in the order of the group's log: as fired; recorded ones by
    /// `orderKey` (text order), then position (decision D12).
    pub fn in_log_order(&self) -> Vec<&EventInput> {
        let mut events: Vec<_> = self.events.iter().collect();
        if self.kind == EventKind::Recorded {
            events.sort_by_key(|e| e.order());
        }
        events
    }

    /// A digest by which a repetition of this call is recognized; none unless every event has
    /// an order key (decision D15).
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let has_key = |e: &EventInput| e.order_key.as_deref().is_some_and(|key| !key.is_empty());
        if self.events.is_empty() || !self.events.iter().all(has_key) {
            return None;
        }
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(match self.kind {
            EventKind::Fired => "fired",
            EventKind::Recorded => "recorded",
        });
        add(self.node.as_str());
        for event in self.events.iter() {
            add(&event.name);
            add(if event.payload.is_some() {
                "payload"
            } else {
                "none"
            });
            add(event.payload.as_deref().unwrap_or_default());
            add(&event.fired_at);
            add(event.order_key.as_deref().unwrap_or_default());
        }
        Some(Fingerprint(hash.finalize().into()))
    }

    /// The batch for subscribers. It has the sender's times, so that events keep their spacing
    /// when they are replayed.
    pub fn batch(&self, timestamp: Timestamp) -> EventBatch {
        let event = |e: &EventInput| Event {
            name: e.name.clone(),
            fired_by: self.node.clone(),
            payload: e.payload.clone().filter(|p| !p.is_empty()),
            timestamp: e.fired_at.clone(),
            order_key: e.order_key.clone().filter(|k| !k.is_empty()),
            cursor: None,
        };
        EventBatch {
            kind: self.kind,
            group: self.group.clone(),
            fired_by: self.node.clone(),
            timestamp,
            events: Arc::new(self.in_log_order().into_iter().map(event).collect()),
        }
    }

    /// Puts the events in the order of the group's log. A fingerprint must be taken before: it
    /// depends on the order in which they were sent.
    pub fn sort(&mut self) {
        if self.kind == EventKind::Recorded {
            Arc::make_mut(&mut self.events).sort_by(|a, b| a.order().cmp(b.order()));
        }
    }

    /// How many bytes the call's texts have.
    pub fn bytes(&self) -> usize {
        let text = |t: &Option<String>| t.as_ref().map_or(0, String::len);
        let one = |e: &EventInput| {
            e.name.len() + e.fired_at.len() + text(&e.payload) + text(&e.order_key)
        };
        self.events.iter().map(one).sum()
    }
}

/// A digest of a call; its repetition has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An event as it is published or polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Who sent it.
    pub fired_by: NodeId,
    /// Its payload.
    pub payload: Option<String>,
    /// Published: the sender's time, as it was sent. Polled: the server's.
    pub timestamp: String,
    /// Its position in the group's log; polled events only.
    pub cursor: Option<Cursor>,
    /// The sender's order key.
    pub order_key: Option<String>,
}

/// The events of one call, as they are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// Fired or recorded.
    pub kind: EventKind,
    /// The group.
    pub group: GroupKey,
    /// Who sent them.
    pub fired_by: NodeId,
    /// When the server accepted them.
    pub timestamp: Timestamp,
    /// The events, shared between a store, its readers and messages without copying.
    pub events: Arc<Vec<Event>>,
}

#[cfg(test)]
mod tests;
