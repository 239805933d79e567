//! How far the state is written to the next journal.

use std::borrow::Cow;
use std::ops::Bound;

use crate::model::cursor::Stamp;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::store::embedded::group_state::GroupState;
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;

/// Bytes of a part, about: the state is locked while they are made.
const PART_BYTES: usize = 64 * 1024;

/// What is to be written next.
#[derive(Debug)]
pub struct Position {
    groups: std::vec::IntoIter<GroupKey>,
    /// The group that is begun.
    group: Option<(GroupKey, Within)>,
    tombstones: std::vec::IntoIter<GroupKey>,
}

/// A position within a group.
#[derive(Debug)]
enum Within {
    /// Before the node after this one.
    Nodes(Option<NodeId>),
    /// Before the call after this one.
    Calls(Option<Stamp>),
}

impl Position {
    /// The beginning of a state.
    pub fn new(state: &State) -> Self {
        Self {
            groups: state.group_keys().into_iter(),
            group: None,
            tombstones: state.tombstones().keys().into_iter(),
        }
    }

    /// Whether all is written.
    pub fn is_end(&self) -> bool {
        self.group.is_none() && self.groups.len() == 0 && self.tombstones.len() == 0
    }

    /// The next records.
    pub fn part(&mut self, state: &State) -> Vec<u8> {
        let mut lines = Vec::with_capacity(PART_BYTES);
        while lines.len() < PART_BYTES {
            if let Some((key, within)) = self.group.take() {
                // A group that ended meanwhile has its record in a batch.
                if let Some(group) = state.group(&key) {
                    let next = within.write(group, &mut lines);
                    self.group = next.map(|within| (key, within));
                }
            } else if let Some(key) = self.groups.next() {
                if let Some(found) = state.group(&key) {
                    Record::Group(Cow::Borrowed(&found.group)).write(&mut lines);
                    for node in &found.removed {
                        let (group, node) = (Cow::Borrowed(&key), Cow::Borrowed(node));
                        Record::Removed { group, node }.write(&mut lines);
                    }
                    self.group = Some((key, Within::Nodes(None)));
                }
            } else if let Some(key) = self.tombstones.next() {
                if let Some(&tombstone) = state.tombstones().get(&key) {
                    let group = Cow::Owned(key);
                    Record::Tombstone { group, tombstone }.write(&mut lines);
                }
            } else {
                break;
            }
        }
        lines
    }
}

impl Within {
    /// Writes the next records of a group; returns where to go on.
    fn write(self, state: &GroupState, lines: &mut Vec<u8>) -> Option<Self> {
        let group = || Cow::Borrowed(&state.group.key);
        match self {
            Self::Nodes(after) => {
                let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                for (node, record) in state.nodes.range::<NodeId, _>((from, Bound::Unbounded)) {
                    let (group, record) = (group(), Cow::Borrowed(record));
                    let id = Cow::Borrowed(node);
                    Record::Node {
                        group,
                        node: id,
                        record,
                    }
                    .write(lines);
                    if lines.len() >= PART_BYTES {
                        return Some(Self::Nodes(Some(node.clone())));
                    }
                }
                Some(Self::Calls(None))
            }
            Self::Calls(after) => {
                for (call, at) in state.log.calls_after(after) {
                    let record = Record::Called {
                        group: group(),
                        call: Cow::Borrowed(call),
                        at: (at != call.stamp.at).then_some(at),
                    };
                    record.write(lines);
                    if lines.len() >= PART_BYTES {
                        return Some(Self::Calls(Some(call.stamp)));
                    }
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
