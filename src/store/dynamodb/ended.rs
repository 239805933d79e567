//! Groups that ended by themselves, remembered for a while in the place of their record
//! (decision D30). The reaper forgets them now and then; behind AppSync, where none runs,
//! the table's TTL does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::group::{GroupKey, Tombstone};
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::{Standing, Why};
use crate::store::dynamodb::items::keys::{self, ENDED, Key};
use crate::store::dynamodb::items::points_at;
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::requests::Search;
use crate::store::dynamodb::setback::Setback;

/// Seconds between two looks for tombstones whose time is over.
const LOOK_EVERY: i64 = 30;
/// Tombstones that one look removes; the rest is for the next.
const PER_LOOK: i32 = 400;

/// How many tombstones this server has left: the bound on them is kept by each server, so
/// several may leave as many times more. Whatever ends past it is removed without one.
#[derive(Debug, Default)]
pub struct EndedCount {
    /// How many are remembered until which second.
    until: Mutex<BTreeMap<i64, usize>>,
    looked_at: AtomicI64,
}

impl EndedCount {
    /// Takes a place for a tombstone, if less than `limit` stand at `now`.
    fn enter(&self, tombstone: &Tombstone, now: Timestamp, limit: usize) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = until.split_off(&now.seconds());
        let enters = until.values().sum::<usize>() < limit;
        if enters {
            *until.entry(tombstone.until.seconds()).or_default() += 1;
        }
        enters
    }

    /// Whether it is time for a look; if so, the next is some time later.
    fn look_is_due(&self, now: Timestamp) -> bool {
        let (now, last) = (now.seconds(), self.looked_at.load(Ordering::Relaxed));
        let due = (now - last).abs() >= LOOK_EVERY;
        due && self
            .looked_at
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

impl DynamoDb {
    /// The group's record, unless the group is only remembered.
    pub(super) async fn standing(
        &self,
        doing: &'static str,
        group: &GroupKey,
    ) -> Result<Option<Standing>, Setback> {
        let found = self.table.read(doing, &[Key::group(group)]).await?;
        let record = found.first().and_then(Option::as_ref).map(Record::read);
        Ok(record.transpose()?.and_then(Record::standing))
    }

    /// What is to stay of a group that is being removed.
    pub(super) fn to_remember(&self, standing: &Standing) -> Option<Tombstone> {
        let Some((Why::By(end), at)) = standing.ended else {
            return None;
        };
        let tombstone = self.rules.tombstone(&standing.group, end, at);
        let limit = self.limits.ended_groups;
        self.ended.enter(&tombstone, at, limit).then_some(tombstone)
    }

    /// Forgets the groups whose time is over, now and then.
    pub(super) async fn forget_ended(&self, now: Timestamp) -> Result<(), Setback> {
        const DOING: &str = "forget ended groups";
        if !self.ended.look_is_due(now) {
            return Ok(());
        }
        let due = Search {
            keys: "#pk = :ended AND #sk < :now",
            values: vec![
                (":ended", text(ENDED)),
                (":now", text(keys::watch_time(now.seconds()))),
            ],
            may_lag: true,
            page: Some(PER_LOOK),
            ..Search::default()
        };
        let (due, _) = self.table.page(DOING, &due, None).await?;
        let mut over = Vec::new();
        for item in &due {
            over.push(Key::group(&points_at(item)?));
            over.extend(Key::of(item));
        }
        self.table.remove(DOING, &over).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::End;

    #[test]
    fn no_more_tombstones_stand_at_once_than_the_bound_allows() {
        let count = EndedCount::default();
        let at = Timestamp::from_seconds;
        let enters = |now: i64| {
            let tombstone = Tombstone {
                end: End::TimeUp,
                expires_at: at(0),
                until: at(now + 60),
            };
            count.enter(&tombstone, at(now), 2)
        };
        assert_eq!([0, 1, 2, 60].map(enters), [true, true, false, false]);
        assert_eq!([61, 62, 63].map(enters), [true, true, false]);
    }
}
