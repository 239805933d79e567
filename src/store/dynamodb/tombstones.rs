//! Tombstones, which replace the records of ended groups for a while (decision D30). The reaper
//! removes expired ones; behind AppSync without the schedule, the table's TTL does.

use crate::model::group::{GroupKey, Tombstone};
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::{EndCause, GroupRecord};
use crate::store::dynamodb::items::keys::{self, Key, TOMBSTONES};
use crate::store::dynamodb::items::referenced_group;
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::requests::Query;
use crate::store::dynamodb::tombstone_count::{Quota, TombstoneSlot};

/// Tombstones that one run removes; if there are more, the next run follows at once.
const PER_RUN: u16 = 400;

/// The smallest limit of tombstones in a domain, however few groups it may have. A listing reads
/// as many in one page.
const MIN_PER_DOMAIN: usize = 100;

impl DynamoDb {
    /// The group's record, unless there is only a tombstone.
    pub(super) async fn group_record(
        &self,
        doing: &'static str,
        group: &GroupKey,
    ) -> Result<Option<GroupRecord>, AttemptError> {
        let found = self.table.read(doing, &[Key::group(group)]).await?;
        let record = found.first().and_then(Option::as_ref).map(Record::read);
        Ok(record.transpose()?.and_then(Record::into_group))
    }

    /// The tombstone of a group that is being removed, and the slot reserved for it. `existing` is
    /// the number of tombstones in the domain.
    pub(super) fn tombstone_for(
        &self,
        record: &GroupRecord,
        existing: usize,
    ) -> Option<(Tombstone, TombstoneSlot<'_>)> {
        let Some((EndCause::Ended(reason), at)) = record.ended else {
            return None;
        };
        let tombstone = self.rules.tombstone(&record.group, reason, at);
        let quota = Quota {
            total: self.limits.ended_groups,
            per_domain: self.limits.groups_per_domain.max(MIN_PER_DOMAIN),
        };
        let key = (&record.group.key.domain, tombstone.until);
        let slot = self.tombstones.reserve(key, existing, quota, at)?;
        Some((tombstone, slot))
    }

    /// Removes expired tombstones, if a run is due.
    pub(super) async fn remove_tombstones(&self, now: Timestamp) -> Result<(), AttemptError> {
        const DOING: &str = "remove tombstones";
        if !self.tombstones.run_is_due(now) {
            return Ok(());
        }
        let due = Query {
            keys: "#pk = :ended AND #sk < :now",
            values: vec![
                (":ended", text(TOMBSTONES)),
                (":now", text(keys::watch_time(now.seconds()))),
            ],
            eventually_consistent: true,
            page: Some(PER_RUN.into()),
            ..Query::default()
        };
        let (due, _) = self.table.page(DOING, &due, None).await?;
        let mut expired = Vec::new();
        for item in &due {
            expired.push(Key::group(&referenced_group(item)?));
            expired.extend(Key::of(item));
        }
        self.table.remove(DOING, &expired).await?;
        if due.len() == usize::from(PER_RUN) {
            self.tombstones.run_again();
        }
        Ok(())
    }
}
