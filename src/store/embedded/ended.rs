//! Groups that ended by themselves, remembered for a while (decision D30).

use std::collections::{BTreeSet, HashMap};

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::{GroupKey, Tombstone};
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::records::Changes;

/// The tombstones: those that fall due first are forgotten first, also when there are too
/// many.
#[derive(Debug)]
pub struct EndedGroups {
    tombstones: HashMap<GroupKey, Tombstone>,
    due: BTreeSet<(Timestamp, GroupKey)>,
    /// What they take in memory.
    held: Lease,
}

impl EndedGroups {
    /// None yet.
    pub fn new(memory: &Memory) -> Self {
        Self {
            tombstones: HashMap::new(),
            due: BTreeSet::new(),
            held: memory.lease(Purpose::Stored, 0),
        }
    }

    /// What is remembered of the group.
    pub fn get(&self, group: &GroupKey) -> Option<&Tombstone> {
        self.tombstones.get(group)
    }

    /// Remembers a group, and at most `limit` altogether.
    pub fn remember(
        &mut self,
        group: GroupKey,
        tombstone: Tombstone,
        limit: usize,
        changes: &mut Changes,
    ) {
        changes.ended(&group, &tombstone);
        self.restore(group, tombstone);
        while self.due.len() > limit {
            self.forget_first(changes);
        }
    }

    /// Puts back a persisted one.
    pub fn restore(&mut self, group: GroupKey, tombstone: Tombstone) {
        self.held.grow(footprint::ended(&group));
        self.due.insert((tombstone.until, group.clone()));
        self.tombstones.insert(group, tombstone);
    }

    /// Forgets those whose time is over.
    pub fn forget_due(&mut self, now: Timestamp, changes: &mut Changes) {
        while self.due.first().is_some_and(|(until, _)| *until < now) {
            self.forget_first(changes);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.tombstones.clear();
        self.due.clear();
        self.held.resize(0);
    }

    fn forget_first(&mut self, changes: &mut Changes) {
        if let Some((_, group)) = self.due.pop_first() {
            self.tombstones.remove(&group);
            self.held.shrink(footprint::ended(&group));
            changes.not_ended(&group);
        }
    }
}
