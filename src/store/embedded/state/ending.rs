//! How groups end by themselves.

use crate::model::group::{EndReason, GroupKey};
use crate::model::time::Timestamp;
use crate::store::EndedGroup;
use crate::store::embedded::room::Act;
use crate::store::embedded::state::State;

impl State {
    /// See [`Store::reap`](crate::store::Store::reap).
    pub fn reap(&mut self, now: Timestamp) -> Vec<EndedGroup> {
        let mut ended = Vec::new();
        for (key, room) in &mut self.rooms {
            match self.rules.end_of(&room.group, now) {
                Some(end) => ended.push(EndedGroup {
                    group: key.clone(),
                    end,
                }),
                None => room.log.forget_expired(key, &mut act!(self, now)),
            }
        }
        for EndedGroup { group, end } in &ended {
            self.end(group, *end, now);
        }
        self.ended.forget_due(now, &mut self.changes);
        ended
    }

    /// Removes a group that ended by itself, and remembers that it did (decision D30).
    pub(super) fn end(&mut self, key: &GroupKey, end: EndReason, now: Timestamp) {
        if let Some(room) = self.rooms.get(key) {
            let tombstone = self.rules.tombstone(&room.group, end, now);
            let limit = self.limits.ended_groups;
            let changes = &mut self.changes;
            self.ended.remember(key.clone(), tombstone, limit, changes);
            self.remove(key);
        }
    }
}
