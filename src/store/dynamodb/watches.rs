//! The reaper's part: a watch per group says when to check whether the group ended.

use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};

use crate::model::group::EndReason;
use crate::model::lesson::MAX_HOST_TTL;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::{number, text};
use crate::store::dynamodb::items::group::{EndCause, GroupRecord, end_second};
use crate::store::dynamodb::items::keys::{self, Item, Key, WATCHES};
use crate::store::dynamodb::items::{self, referenced_group};
use crate::store::dynamodb::removal::{CONCURRENCY, end_steps};
use crate::store::dynamodb::requests::{Query, Step};
use crate::store::dynamodb::retry::retry;
use crate::store::{EndedGroup, Result};

/// Groups that one run of the reaper checks; the rest is left to the next run.
const PER_RUN: i32 = 400;
/// How long the reaper leaves a removal to the caller that began it.
const TAKEOVER_AFTER_SECONDS: i64 = 10;

impl DynamoDb {
    /// See [`Store::any_group_lives`](crate::store::Store::any_group_lives). A watch that is
    /// overdue by less than the host TTL may be a live group's.
    pub(super) async fn any_live(&self, now: Timestamp) -> Result<bool, AttemptError> {
        let earliest = now.seconds() - i64::from(self.rules.timings().host_ttl);
        let watches = Query {
            keys: "#pk = :watches AND #sk >= :earliest",
            values: vec![
                (":watches", text(WATCHES)),
                (":earliest", text(keys::watch_time(earliest))),
            ],
            page: Some(1),
            ..Query::default()
        };
        let (found, _) = self.table.page("find groups", &watches, None).await?;
        if !found.is_empty() {
            return Ok(true);
        }
        // Groups with a host TTL of their own may live longer.
        let earliest = now.seconds() - i64::from(MAX_HOST_TTL);
        let of_teachers = Query {
            filter: Some("attribute_exists(#hostTtl)"),
            values: vec![
                (":watches", text(WATCHES)),
                (":earliest", text(keys::watch_time(earliest))),
            ],
            page: None,
            ..watches
        };
        Ok(!self
            .table
            .all("find groups", &of_teachers)
            .await?
            .is_empty())
    }

    /// See [`Store::reap`](crate::store::Store::reap). Checks only due watches; the
    /// table's TTL removes what expired in live groups. Each end is published at once: if the run
    /// is cut off, only the groups that were being checked end without a message.
    pub(super) async fn reap_due(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        let started = Instant::now();
        if let Err(AttemptError::Failed(failure)) = self.remove_tombstones(now).await {
            // Tombstones that are kept longer only change the text of errors.
            let error: &dyn std::error::Error = &failure;
            tracing::warn!(error, "could not remove tombstones; trying again later");
        }
        let due = Query {
            keys: "#pk = :watches AND #sk < :later",
            values: vec![
                (":watches", text(WATCHES)),
                (":later", text(keys::watch_time(now.seconds() + 1))),
            ],
            eventually_consistent: true,
            page: Some(PER_RUN),
            ..Query::default()
        };
        let (watches, _) = self.table.page("find ended groups", &due, None).await?;
        let in_time = |_: &Item| started.elapsed() < self.settings.reap_time;
        let watches = watches.into_iter().take_while(in_time);
        let checks = stream::iter(watches).map(|watch| self.check_until_done(watch, now));
        let mut checks = checks.buffer_unordered(CONCURRENCY);
        let (mut ended, mut failed) = (Vec::new(), None);
        while let Some(checked) = checks.next().await {
            match checked {
                Ok(Some(end)) => {
                    self.publish_end(&end);
                    ended.push(end);
                }
                Ok(None) | Err(crate::store::Error::Refused(_)) => {}
                Err(crate::store::Error::Failed(failure)) => failed = Some(failure),
            }
        }
        match failed {
            // The ended groups must be reported, because their records are removed.
            Some(failure) if ended.is_empty() => Err(failure.into()),
            Some(failure) => {
                let error: &dyn std::error::Error = &failure;
                tracing::error!(error, "could not check all groups; trying again");
                Ok(ended)
            }
            None => Ok(ended),
        }
    }

    async fn check_until_done(&self, watch: Item, now: Timestamp) -> Result<Option<EndedGroup>> {
        retry!(self, self.check_watch(&watch, now))
    }

    /// Checks the group of a due watch.
    async fn check_watch(
        &self,
        watch: &Item,
        now: Timestamp,
    ) -> Result<Option<EndedGroup>, AttemptError> {
        const DOING: &str = "check a group";
        let group = referenced_group(watch)?;
        let Some(record) = self.group_record(DOING, &group).await? else {
            let watch: Vec<Key> = Key::of(watch).into_iter().collect();
            self.table.remove(DOING, &watch).await?;
            return Ok(None);
        };
        self.end_if_due(record, now).await
    }

    /// Ends a group, or moves its watch if it lives.
    pub(super) async fn end_if_due(
        &self,
        record: GroupRecord,
        now: Timestamp,
    ) -> Result<Option<EndedGroup>, AttemptError> {
        const DOING: &str = "end a group";
        let group = record.group.key.clone();
        let reason = match (record.ended, self.rules.end_of(&record.group, now)) {
            (Some((_, since)), _) if now.seconds() - since.seconds() < TAKEOVER_AFTER_SECONDS => {
                return Ok(None);
            }
            (Some((EndCause::Ended(reason), _)), _) => reason,
            (Some((EndCause::Dissolved, _)), reason) => reason.unwrap_or(EndReason::HostSilent),
            (None, Some(reason)) => {
                let steps = end_steps(&record, EndCause::Ended(reason), false, now);
                self.table.write(DOING, steps).await?;
                reason
            }
            (None, None) => {
                self.move_watch(&record).await?;
                return Ok(None);
            }
        };
        let removed = self.remove_group(&group, 0).await?;
        Ok(removed.then_some(EndedGroup { group, reason }))
    }

    async fn move_watch(&self, record: &GroupRecord) -> Result<(), AttemptError> {
        let group = &record.group;
        let next = end_second(group, &self.rules);
        if next == record.watch {
            return Ok(());
        }
        let step = Step::update(Key::group(&group.key), "SET #watch = :next");
        let step = step
            .when("#watch = :this AND attribute_not_exists(#ended)")
            .with(":next", number(next))
            .with(":this", number(record.watch));
        let steps = vec![
            step,
            Step::delete(Key::watch(&group.key, record.watch)),
            Step::put(items::watch(group, next)),
        ];
        self.table.write("move a watch", steps).await
    }
}
