//! What stands on disk: one record per group, per node in a group, per call of kept
//! events, and per ended group that is remembered, as JSON under keys whose parts no id can contain.

use serde::Serialize;

use crate::model::event::Stamp;
use crate::model::group::{Group, GroupKey, Tombstone};
use crate::model::ids::NodeId;
use crate::store::embedded::log::LoggedCall;
use crate::store::embedded::room::NodeRecord;

/// The kinds of record, each in a table of its own. Groups are read back first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Groups by `domain#group`.
    Groups,
    /// Nodes by `domain#group#node`.
    Nodes,
    /// Calls by `domain#group#stamp`.
    Calls,
    /// Tombstones by `domain#group`.
    Ended,
}

/// A record to write, or to remove when there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands.
    pub table: Table,
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// What it takes in memory, about: its texts, itself and its place in a map.
    pub fn bytes(&self) -> usize {
        const AROUND: usize = 160;
        AROUND + self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// A record read back.
#[derive(Debug)]
pub enum Record {
    /// A group.
    Group(Group),
    /// A node of a group.
    Node(GroupKey, NodeId, NodeRecord),
    /// A call of a group.
    Call(GroupKey, LoggedCall),
    /// A group that ended by itself.
    EndedGroup(GroupKey, Tombstone),
}

/// Collects the changes of a stage that is persisted, and nothing otherwise.
#[derive(Debug)]
pub struct Changes {
    kept: bool,
    list: Vec<Change>,
}

impl Changes {
    /// For a stage that lives in memory only.
    pub fn ignored() -> Self {
        Self {
            kept: false,
            list: Vec::new(),
        }
    }

    /// For a stage that is persisted.
    pub fn collected() -> Self {
        Self {
            kept: true,
            list: Vec::new(),
        }
    }

    /// The changes since the last call.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }

    /// The group is as given.
    pub fn group(&mut self, group: &Group) {
        self.put(Table::Groups, || group_prefix(&group.key), group);
    }

    /// The group is no more.
    pub fn no_group(&mut self, group: &GroupKey) {
        self.remove(Table::Groups, || group_prefix(group));
    }

    /// The group has ended and is remembered.
    pub fn ended(&mut self, group: &GroupKey, tombstone: &Tombstone) {
        self.put(Table::Ended, || group_prefix(group), tombstone);
    }

    /// The ended group is remembered no longer.
    pub fn not_ended(&mut self, group: &GroupKey) {
        self.remove(Table::Ended, || group_prefix(group));
    }

    /// The node is as given.
    pub fn node(&mut self, group: &GroupKey, node: &NodeId, record: &NodeRecord) {
        self.put(
            Table::Nodes,
            || format!("{}#{node}", group_prefix(group)),
            record,
        );
    }

    /// The node is no more.
    pub fn no_node(&mut self, group: &GroupKey, node: &NodeId) {
        self.remove(Table::Nodes, || format!("{}#{node}", group_prefix(group)));
    }

    /// The call was taken.
    pub fn call(&mut self, group: &GroupKey, call: &LoggedCall) {
        self.put(Table::Calls, || call_key(group, call.stamp), call);
    }

    /// The call is no more.
    pub fn no_call(&mut self, group: &GroupKey, stamp: Stamp) {
        self.remove(Table::Calls, || call_key(group, stamp));
    }

    fn put(&mut self, table: Table, key: impl FnOnce() -> String, record: &impl Serialize) {
        if self.kept {
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
        if self.kept {
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

/// Calls of a group stand in log order: both numbers have a fixed width.
fn call_key(group: &GroupKey, stamp: Stamp) -> String {
    format!(
        "{}#{:020}#{:06}",
        group_prefix(group),
        stamp.at.millis(),
        stamp.call
    )
}

/// Reads a record back.
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
        Table::Ended => serde_json::from_slice(value).map(|ended| Record::EndedGroup(group, ended)),
    }
    .map_err(|_| unreadable())
}

/// A record of another version or a damaged one. Names no key: keys hold children's ids.
#[derive(Debug, thiserror::Error)]
#[error("a record in table {table:?} (key of {key_bytes} bytes) cannot be read")]
pub struct UnreadableRecord {
    table: Table,
    key_bytes: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::status::{Readings, SensorData};
    use crate::model::time::Timestamp;

    fn name() -> impl Strategy<Value = String> {
        "[^#\\p{C}]{1,40}"
    }

    proptest! {
        #[test]
        fn a_node_of_any_script_comes_back_as_it_was(id in name(), domain in name(), node in name(), value in ".*") {
            let group = GroupKey::parse(&id, &domain).unwrap();
            let node = NodeId::parse("nodeId", &node).unwrap();
            let mut readings = Readings::default();
            readings.write(&vec![SensorData { key: "k".into(), value }].into(), Timestamp::from_millis(7));
            let record = NodeRecord { membership: None, alive_until: Timestamp::from_millis(9), readings };
            let mut changes = Changes::collected();
            changes.node(&group, &node, &record);
            let change = changes.take().remove(0);
            match read(change.table, &change.key, &change.value.unwrap()).unwrap() {
                Record::Node(g, n, r) => prop_assert_eq!((g, n, r), (group, node, record)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn a_damaged_record_is_an_error_that_names_no_key() {
        let error = read(Table::Nodes, "domain#group#kitten", b"{")
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("kitten") && error.contains("Nodes"),
            "{error}"
        );
    }
}
