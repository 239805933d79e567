//! Tombstones of ended groups (decision D30).

use std::collections::{BTreeSet, HashMap};

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::{GroupKey, Tombstone};
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;

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
    pub fn insert(&mut self, group: GroupKey, tombstone: Tombstone, limit: usize) {
        self.lease.grow(footprint::tombstone(&group));
        self.by_expiry.insert((tombstone.until, group.clone()));
        if let Some(former) = self.by_group.insert(group.clone(), tombstone) {
            self.lease.shrink(footprint::tombstone(&group));
            if former.until != tombstone.until {
                self.by_expiry.remove(&(former.until, group));
            }
        }
        while self.by_expiry.len() > limit {
            self.remove_first();
        }
    }

    /// The keys of all.
    pub fn keys(&self) -> Vec<GroupKey> {
        self.by_group.keys().cloned().collect()
    }

    /// Removes the expired tombstones; returns whether there were any.
    pub fn remove_due(&mut self, now: Timestamp) -> bool {
        let before = self.by_expiry.len();
        while self
            .by_expiry
            .first()
            .is_some_and(|(until, _)| *until < now)
        {
            self.remove_first();
        }
        self.by_expiry.len() < before
    }

    /// Moves their times by some milliseconds.
    pub fn shift(&mut self, by: i64) {
        self.by_expiry.clear();
        for (group, tombstone) in &mut self.by_group {
            tombstone.expires_at = tombstone.expires_at.shifted(by);
            tombstone.until = tombstone.until.shifted(by);
            self.by_expiry.insert((tombstone.until, group.clone()));
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, group)) = self.by_expiry.pop_first() {
            self.by_group.remove(&group);
            self.lease.shrink(footprint::tombstone(&group));
        }
    }
}
