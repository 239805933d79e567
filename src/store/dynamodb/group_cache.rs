//! A cache of groups' records, so that a report needs no second read.
//!
//! A cached group can be stale in two ways. What its host decided during the lesson, a lock or a
//! pause, counts for the calls of this server when it reads the record again: at once after the
//! host's call, if it was made here, and else after the TTL at most. And the group may have
//! ended. Heartbeats only move forward and the expiry is fixed, so a group that is alive by its cached record is alive unless it was dissolved. Every
//! write checks that: its condition names a record that a dissolve removes. And reads find no
//! records of a dissolved group. The cache's TTL is for a dissolve that was interrupted: for no
//! longer than that, reports of nodes whose records are not removed yet are accepted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::group::{Group, GroupKey};
use crate::model::time::Timestamp;

/// The cached groups.
#[derive(Debug)]
pub struct GroupCache {
    ttl: Duration,
    capacity: usize,
    groups: Mutex<HashMap<GroupKey, CachedGroup>>,
}

#[derive(Debug)]
struct CachedGroup {
    group: Option<Group>,
    read_at: Instant,
    newest_report: Timestamp,
    polled_until: Timestamp,
}

impl GroupCache {
    /// A cache of up to `capacity` groups, each for the time of `ttl`.
    pub fn new(ttl: Duration, capacity: usize) -> Self {
        Self {
            ttl,
            capacity,
            groups: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GroupKey, CachedGroup>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached group, if it is not older than the TTL.
    pub fn group(&self, key: &GroupKey) -> Option<Group> {
        let groups = self.lock();
        let cached = groups.get(key)?;
        cached
            .group
            .clone()
            .filter(|_| cached.read_at.elapsed() < self.ttl)
    }

    /// Caches a group that was just read.
    pub fn insert(&self, group: &Group) {
        let mut groups = self.lock();
        if groups.len() >= self.capacity && !groups.contains_key(&group.key) {
            groups.retain(|_, cached| cached.read_at.elapsed() < self.ttl);
            if groups.len() >= self.capacity {
                groups.clear();
            }
        }
        let read_at = Instant::now();
        let cached = groups.entry(group.key.clone()).or_insert(CachedGroup {
            group: None,
            read_at,
            newest_report: group.created_at,
            polled_until: group.created_at,
        });
        cached.read_at = read_at;
        cached.group = Some(group.clone());
    }

    /// Removes a group that may have changed or ended.
    pub fn invalidate(&self, key: &GroupKey) {
        if let Some(cached) = self.lock().get_mut(key) {
            cached.group = None;
        }
    }

    /// The time of a report at `now`: never before an earlier report here, even if the clock
    /// steps back.
    pub fn report_time(&self, key: &GroupKey, now: Timestamp) -> Timestamp {
        self.lock()
            .get(key)
            .map_or(now, |cached| now.max(cached.newest_report))
    }

    /// Records the time of a report.
    pub fn set_report_time(&self, key: &GroupKey, at: Timestamp) {
        if let Some(cached) = self.lock().get_mut(key) {
            cached.newest_report = at.max(cached.newest_report);
        }
    }

    /// Until when the group's poll mark in the table is valid.
    pub fn polled_until(&self, key: &GroupKey) -> Option<Timestamp> {
        self.lock().get(key).map(|cached| cached.polled_until)
    }

    /// Records that the poll mark was written.
    pub fn set_polled_until(&self, key: &GroupKey, until: Timestamp) {
        if let Some(cached) = self.lock().get_mut(key) {
            cached.polled_until = until;
        }
    }
}
