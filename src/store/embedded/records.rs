//! Records on disk: one per group, per node in a group, per call in a group's log, and per
//! tombstone. Values are JSON; keys are ids joined by `#`, which no id contains.

use serde::Serialize;

use crate::model::cursor::Stamp;
use crate::model::group::{Group, GroupKey, Tombstone};
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::store::embedded::group_state::NodeRecord;
use crate::store::embedded::log::LoggedCall;

/// The tables, one per kind of record. Groups are read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Groups by `domain#group`.
    Groups,
    /// Nodes by `domain#group#node`.
    Nodes,
    /// Calls by `domain#group#stamp`.
    Calls,
    /// Tombstones by `domain#group`.
    Tombstones,
}

/// A record to write, or to remove if there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: Table,
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// Its approximate size in memory: its texts, itself and its map entry.
    pub fn bytes(&self) -> usize {
        const OVERHEAD: usize = 160;
        OVERHEAD + self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// A record that was read.
#[derive(Debug)]
pub enum Record {
    /// A group.
    Group(Group),
    /// A node of a group.
    Node(GroupKey, NodeId, NodeRecord),
    /// A call of a group.
    Call(GroupKey, LoggedCall),
    /// A tombstone.
    Tombstone(GroupKey, Tombstone),
}

/// Collects the messages of changes, and the changes themselves if the state is persisted.
#[derive(Debug)]
pub struct Changes {
    enabled: bool,
    list: Vec<Change>,
    messages: Vec<Message>,
}

impl Changes {
    /// For a state in memory only: collects messages.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            list: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// For a persisted state.
    pub fn enabled() -> Self {
        Self {
            enabled: true,
            list: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// The changes since the last call.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }

    /// The messages since the last call.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    /// Publishes a message when the changes are committed.
    pub fn publish(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Writes the group.
    pub fn put_group(&mut self, group: &Group) {
        self.put(Table::Groups, || group_prefix(&group.key), group);
    }

    /// Removes the group.
    pub fn remove_group(&mut self, group: &GroupKey) {
        self.remove(Table::Groups, || group_prefix(group));
    }

    /// Writes the tombstone.
    pub fn put_tombstone(&mut self, group: &GroupKey, tombstone: &Tombstone) {
        self.put(Table::Tombstones, || group_prefix(group), tombstone);
    }

    /// Removes the tombstone.
    pub fn remove_tombstone(&mut self, group: &GroupKey) {
        self.remove(Table::Tombstones, || group_prefix(group));
    }

    /// Writes the node.
    pub fn put_node(&mut self, group: &GroupKey, node: &NodeId, record: &NodeRecord) {
        self.put(
            Table::Nodes,
            || format!("{}#{node}", group_prefix(group)),
            record,
        );
    }

    /// Removes the node.
    pub fn remove_node(&mut self, group: &GroupKey, node: &NodeId) {
        self.remove(Table::Nodes, || format!("{}#{node}", group_prefix(group)));
    }

    /// Writes the call.
    pub fn put_call(&mut self, group: &GroupKey, call: &LoggedCall) {
        self.put(Table::Calls, || call_key(group, call.stamp), call);
    }

    /// Removes the call.
    pub fn remove_call(&mut self, group: &GroupKey, stamp: Stamp) {
        self.remove(Table::Calls, || call_key(group, stamp));
    }

    fn put(&mut self, table: Table, key: impl FnOnce() -> String, record: &impl Serialize) {
        if self.enabled {
            let value =
                serde_json::to_vec(record).expect("a record has only text keys and serialises");
            self.list.push(Change {
                table,
                key: key(),
                value: Some(value),
            });
        }
    }

    fn remove(&mut self, table: Table, key: impl FnOnce() -> String) {
        if self.enabled {
            self.list.push(Change {
                table,
                key: key(),
                value: None,
            });
        }
    }
}

fn group_prefix(group: &GroupKey) -> String {
    format!("{}#{}", group.domain, group.id)
}

/// A group's calls sort in log order, because both numbers have a fixed width.
fn call_key(group: &GroupKey, stamp: Stamp) -> String {
    format!(
        "{}#{:020}#{:06}",
        group_prefix(group),
        stamp.at.millis(),
        stamp.call
    )
}

/// Reads a record.
pub fn read(table: Table, key: &str, value: &[u8]) -> Result<Record, UnreadableRecord> {
    let unreadable = || UnreadableRecord {
        table,
        key_bytes: key.len(),
    };
    let mut parts = key.split('#');
    let mut part = || parts.next().ok_or_else(unreadable);
    let (domain, id) = (part()?, part()?);
    let group = GroupKey::parse(id, domain).map_err(|_| unreadable())?;
    match table {
        Table::Groups => serde_json::from_slice(value).map(Record::Group),
        Table::Nodes => {
            let node = NodeId::parse("nodeId", part()?).map_err(|_| unreadable())?;
            serde_json::from_slice(value).map(|record| Record::Node(group, node, record))
        }
        Table::Calls => serde_json::from_slice(value).map(|call| Record::Call(group, call)),
        Table::Tombstones => {
            serde_json::from_slice(value).map(|ended| Record::Tombstone(group, ended))
        }
    }
    .map_err(|_| unreadable())
}

/// A damaged record or one of another version. Contains no key: keys hold children's ids.
#[derive(Debug, thiserror::Error)]
#[error("a record in table {table:?} (key of {key_bytes} bytes) cannot be read")]
pub struct UnreadableRecord {
    table: Table,
    key_bytes: usize,
}

#[cfg(test)]
mod tests;
