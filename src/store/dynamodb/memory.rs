//! What a server remembers of its groups for a short while, so that a report costs no
//! second read.
//!
//! A remembered group can only be wrong in one way: heartbeats only move forward and
//! the end is fixed, so one that is alive by its remembered record is alive, unless it
//! was dissolved. Every write proves that for itself: it names a record that dissolving
//! removes. And a dissolved group's records are gone, so reads find nothing. What the
//! bound is for is a dissolve that broke off half-way: for no longer than that, reports
//! of nodes whose records it has not yet reached are still taken.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::group::{Group, GroupKey};
use crate::model::time::Timestamp;

/// The remembered groups.
#[derive(Debug)]
pub struct Memory {
    bound: Duration,
    most: usize,
    groups: Mutex<HashMap<GroupKey, Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    group: Option<Group>,
    read_at: Instant,
    newest_report: Timestamp,
    polls_noted_until: Timestamp,
}

impl Memory {
    /// Remembers up to `most` groups for the time of `bound`.
    pub fn new(bound: Duration, most: usize) -> Self {
        Self {
            bound,
            most,
            groups: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GroupKey, Remembered>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group as it was read a short while ago.
    pub fn group(&self, key: &GroupKey) -> Option<Group> {
        let groups = self.lock();
        let known = groups.get(key)?;
        known
            .group
            .clone()
            .filter(|_| known.read_at.elapsed() < self.bound)
    }

    /// The group was just read.
    pub fn remember(&self, group: &Group) {
        let mut groups = self.lock();
        if groups.len() >= self.most && !groups.contains_key(&group.key) {
            groups.retain(|_, known| known.read_at.elapsed() < self.bound);
            if groups.len() >= self.most {
                groups.clear();
            }
        }
        let read_at = Instant::now();
        let known = groups.entry(group.key.clone()).or_insert(Remembered {
            group: None,
            read_at,
            newest_report: group.created_at,
            polls_noted_until: group.created_at,
        });
        known.read_at = read_at;
        known.group = Some(group.clone());
    }

    /// The group changed or ended.
    pub fn forget(&self, key: &GroupKey) {
        if let Some(known) = self.lock().get_mut(key) {
            known.group = None;
        }
    }

    /// The time of a report at `now`: never before one that was taken here, even if
    /// the clock steps back.
    pub fn report_time(&self, key: &GroupKey, now: Timestamp) -> Timestamp {
        self.lock()
            .get(key)
            .map_or(now, |known| now.max(known.newest_report))
    }

    /// A report was taken.
    pub fn reported(&self, key: &GroupKey, at: Timestamp) {
        if let Some(known) = self.lock().get_mut(key) {
            known.newest_report = at.max(known.newest_report);
        }
    }

    /// Until when polls of the group are written down.
    pub fn polls_noted_until(&self, key: &GroupKey) -> Option<Timestamp> {
        self.lock().get(key).map(|known| known.polls_noted_until)
    }

    /// Polls of the group were written down.
    pub fn note_polls(&self, key: &GroupKey, until: Timestamp) {
        if let Some(known) = self.lock().get_mut(key) {
            known.polls_noted_until = until;
        }
    }
}
