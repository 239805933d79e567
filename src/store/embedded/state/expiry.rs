//! Groups that expire or are replaced.

use std::borrow::Cow;

use crate::model::group::{EndReason, GroupKey};
use crate::model::message::{Dissolution, Message};
use crate::model::time::Timestamp;
use crate::store::EndedGroup;
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;

impl State {
    /// See [`Store::reap`](crate::store::Store::reap).
    pub fn reap(&mut self, now: Timestamp) -> Vec<EndedGroup> {
        let now = self.at(now);
        self.time_is(now);
        let mut ended = Vec::new();
        for (key, state) in &mut self.groups {
            match self.rules.end_of(&state.group, now) {
                Some(reason) => ended.push(EndedGroup {
                    group: key.clone(),
                    reason,
                }),
                None => state.log.remove_expired(&self.rules, now),
            }
        }
        for EndedGroup { group, reason } in &ended {
            self.end(group, *reason, now);
        }
        if self.tombstones.remove_due(now) {
            self.changes.removed();
        }
        ended
    }

    /// Removes a group that ended without being dissolved, keeps a tombstone (decision D30), and
    /// publishes the end.
    pub(super) fn end(&mut self, key: &GroupKey, reason: EndReason, now: Timestamp) {
        if let Some(state) = self.groups.get(key) {
            let tombstone = self.rules.tombstone(&state.group, reason, now);
            let limit = self.limits.ended_groups;
            self.tombstones.insert(key.clone(), tombstone, limit);
            self.remove(key);
            self.changes.record(&Record::Ended {
                group: Cow::Borrowed(key),
                tombstone: Some(tombstone),
            });
            let end = Dissolution::by_end(key.clone(), reason);
            self.changes.publish(Message::Dissolved(end));
        }
    }
}
