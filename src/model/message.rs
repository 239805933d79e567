//! Messages to a group's subscribers.

use crate::model::event::EventBatch;
use crate::model::group::{EndReason, GroupKey};
use crate::model::status::NodeStatus;

/// The largest message in bytes, as it is sent to a subscriber (decision D25): AppSync's 240 KB.
pub const MESSAGE_BYTES: usize = 240 * 1024;

/// Approximate overhead of an event or a variable, in bytes.
const ITEM_BYTES: usize = 96;

/// One message to a group. The schema's `MeshMessage` has three nullable fields instead, of
/// which exactly one is set (decision D19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A node reported variables.
    Status(NodeStatus),
    /// A node fired or recorded events.
    Events(EventBatch),
    /// The group ended.
    Dissolved(Dissolution),
}

impl Message {
    /// The group it is published to.
    pub fn group(&self) -> &GroupKey {
        match self {
            Self::Status(status) => &status.group,
            Self::Events(batch) => &batch.group,
            Self::Dissolved(dissolution) => &dissolution.group,
        }
    }

    /// Approximate size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let items: usize = match self {
            Self::Status(status) => {
                let sizes = status.data.iter().map(|d| d.key.len() + d.value.len());
                sizes.map(|texts| texts + ITEM_BYTES).sum()
            }
            Self::Events(batch) => {
                let sizes = batch.events.iter().map(|e| {
                    e.name.len() + e.timestamp.len() + length(&e.payload) + length(&e.order_key)
                });
                sizes.map(|texts| texts + 2 * ITEM_BYTES).sum()
            }
            Self::Dissolved(dissolution) => dissolution.message.len(),
        };
        size_of::<Self>() + items
    }
}

/// The message of a group's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissolution {
    /// The group that ended.
    pub group: GroupKey,
    /// What happened.
    pub message: String,
    /// Why it ended, unless its host dissolved it.
    pub reason: Option<EndReason>,
}

impl Dissolution {
    /// The host dissolved it.
    pub fn by_host(group: GroupKey) -> Self {
        let message = format!("Group {group} has been dissolved successfully.");
        Self {
            group,
            message,
            reason: None,
        }
    }

    /// It ended without being dissolved (decision D7).
    pub fn by_end(group: GroupKey, reason: EndReason) -> Self {
        let why = match reason {
            EndReason::HostSilent => "its host fell silent",
            EndReason::TimeUp => "its time is up",
            EndReason::Replaced => "its host began a new group",
        };
        let message = format!("Group {group} has ended: {why}.");
        Self {
            group,
            message,
            reason: Some(reason),
        }
    }
}
