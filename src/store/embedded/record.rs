//! Records: what the journal keeps of each change. A record holds the change, not the whole
//! node, so a report writes in proportion to itself. docs/storage.md lists their forms.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::authority::TokenHash;
use crate::model::group::{Group, GroupKey, Tombstone};
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::model::nickname::Nickname;
use crate::model::status::SharedData;
use crate::model::time::Timestamp;
use crate::store::embedded::group_state::{Membership, NodeRecord};
use crate::store::embedded::log::LoggedCall;

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// A line of the journal. Records of one group are read in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record<'a> {
    /// The first line of every journal.
    Format {
        /// The version of all records that follow.
        version: u32,
    },
    /// The bytes before this position of the file were on disk, whatever happens to the power.
    Synced(u64),
    /// The times by which all that was read lives move by these milliseconds (decision D35).
    ClockStepped(i64),
    /// A group without nodes and calls; replaces all that was read of it.
    Group(Cow<'a, Group>),
    /// New values of a group's own fields.
    GroupChanged(Cow<'a, Group>),
    /// The end of a group; the tombstone unless it was dissolved (decision D30).
    Ended {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// What is kept of it.
        tombstone: Option<Tombstone>,
    },
    /// What is kept of a group that ended earlier.
    Tombstone {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// What is kept of it.
        tombstone: Tombstone,
    },
    /// A node became a member.
    Joined {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
        /// Its membership.
        membership: Membership,
        /// Until when it is alive.
        until: Timestamp,
        /// The digest of its token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenHash>,
        /// Its nickname.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nickname: Option<Nickname>,
    },
    /// A node's heartbeat.
    Alive {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
        /// Until when it is alive.
        until: Timestamp,
    },
    /// A node reported variables.
    Reported {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
        /// The variables that were sent.
        data: Cow<'a, SharedData>,
        /// The time of the report.
        at: Timestamp,
        /// Until when the node is alive.
        until: Timestamp,
        /// The digest of its token, if this report changed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenHash>,
    },
    /// A node's variables were evicted (decision D24).
    Evicted {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
    },
    /// A node is no longer in the group.
    Left {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
    },
    /// The host removed a node, which may not come back.
    Removed {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
    },
    /// A node with all its variables; replaces what was read of it.
    Node {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The node.
        node: Cow<'a, NodeId>,
        /// What is kept of it.
        record: Cow<'a, NodeRecord>,
    },
    /// A call in a group's log.
    Called {
        /// The group.
        group: Cow<'a, GroupKey>,
        /// The call.
        call: Cow<'a, LoggedCall>,
        /// Its time by the clock, if its stamp is later: stamps never go back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
}

impl Record<'_> {
    /// The first line of a journal that this version writes.
    pub const FORMAT: Self = Self::Format { version: VERSION };

    /// Adds the record as a line of JSON to `lines`.
    pub fn write(&self, lines: &mut Vec<u8>) {
        serde_json::to_writer(&mut *lines, self).expect("a record has only text keys");
        lines.push(b'\n');
    }
}

/// Changes that are not yet committed: their records, and the messages to publish after it.
#[derive(Debug, Default)]
pub struct Changes {
    persisted: bool,
    /// The records, a line of JSON each.
    pub lines: Vec<u8>,
    /// The messages, in the order of the changes.
    pub messages: Vec<Message>,
    message_bytes: usize,
    /// Whether a group or a tombstone was removed whose data is to be erased from the journal
    /// (decision D29).
    pub erases: bool,
}

impl Changes {
    /// For a state in memory only: collects no records.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// For a persisted state.
    pub fn persisted() -> Self {
        Self {
            persisted: true,
            ..Self::default()
        }
    }

    /// Adds a record.
    pub fn record(&mut self, record: &Record<'_>) {
        if self.persisted {
            self.erases |= matches!(record, Record::Ended { .. });
            record.write(&mut self.lines);
        }
    }

    /// Notes that something was removed without a record: the journal still has it.
    pub fn removed(&mut self) {
        self.erases |= self.persisted;
    }

    /// Puts the records since `start` into one line, if they are several: they are those of one
    /// call, whose effects are kept wholly or not at all.
    pub fn join_lines(&mut self, start: usize) {
        let Some(lines) = self.lines.get_mut(start..) else {
            return;
        };
        let inner = lines.len().saturating_sub(1);
        let mut several = false;
        for end in lines.iter_mut().take(inner).filter(|byte| **byte == b'\n') {
            *end = b',';
            several = true;
        }
        if several {
            self.lines.insert(start, b'[');
            self.lines.pop();
            self.lines.extend_from_slice(b"]\n");
        }
    }

    /// Adds a message.
    pub fn publish(&mut self, message: Message) {
        self.message_bytes += message.bytes();
        self.messages.push(message);
    }

    /// No changes, of a state of the same kind.
    pub fn emptied(&self) -> Self {
        Self {
            persisted: self.persisted,
            ..Self::default()
        }
    }

    /// Their bytes in memory.
    pub fn bytes(&self) -> usize {
        self.lines.len() + self.message_bytes
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.messages.is_empty()
    }

    /// The changes since the last call.
    pub fn take(&mut self) -> Self {
        let empty = self.emptied();
        std::mem::replace(self, empty)
    }
}

#[cfg(test)]
mod tests;
