//! Tombstones of ended groups (decision D30).

use std::collections::{BTreeSet, HashMap};

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::{GroupKey, Tombstone};
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::records::Changes;

/// The tombstones. Those that expire first are removed first, also when there are too many.
#[derive(Debug)]
pub struct Tombstones {
    by_group: HashMap<GroupKey, Tombstone>,
    by_expiry: BTreeSet<(Timestamp, GroupKey)>,
    /// Their memory.
    lease: Lease,
}

impl Tombstones {
    /// No tombstones.
    pub fn new(memory: &Memory) -> Self {
        Self {
            by_group: HashMap::new(),
            by_expiry: BTreeSet::new(),
            lease: memory.lease(Purpose::Stored, 0),
        }
    }

    /// The group's tombstone.
    pub fn get(&self, group: &GroupKey) -> Option<&Tombstone> {
        self.by_group.get(group)
    }

    /// Adds a tombstone and removes the first to expire above `limit`.
    pub fn insert(
        &mut self,
        group: GroupKey,
        tombstone: Tombstone,
        limit: usize,
        changes: &mut Changes,
    ) {
        changes.put_tombstone(&group, &tombstone);
        self.restore(group, tombstone);
        while self.by_expiry.len() > limit {
            self.remove_first(changes);
        }
    }

    /// Restores a persisted tombstone.
    pub fn restore(&mut self, group: GroupKey, tombstone: Tombstone) {
        self.lease.grow(footprint::tombstone(&group));
        self.by_expiry.insert((tombstone.until, group.clone()));
        self.by_group.insert(group, tombstone);
    }

    /// Removes the expired tombstones.
    pub fn remove_due(&mut self, now: Timestamp, changes: &mut Changes) {
        while self
            .by_expiry
            .first()
            .is_some_and(|(until, _)| *until < now)
        {
            self.remove_first(changes);
        }
    }

    /// Removes all tombstones.
    pub fn clear(&mut self) {
        self.by_group.clear();
        self.by_expiry.clear();
        self.lease.resize(0);
    }

    fn remove_first(&mut self, changes: &mut Changes) {
        if let Some((_, group)) = self.by_expiry.pop_first() {
            self.by_group.remove(&group);
            self.lease.shrink(footprint::tombstone(&group));
            changes.remove_tombstone(&group);
        }
    }
}
