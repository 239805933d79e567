//! Groups that ended where no reaper runs (behind AppSync). createGroup and listings end some of
//! those that they find, so that no later call reads them, and no limit counts them.

use futures_util::stream::{self, StreamExt as _};

use crate::model::ids::Domain;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_search::groups_of;
use crate::store::dynamodb::items::group::GroupRecord;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::removal::CONCURRENCY;

/// Groups that one call ends: several for each that it may create, so that they do not pile up.
const PER_CALL: usize = 8;
/// Groups whose records are read in one request.
const PER_READ: usize = 100;

/// The records in a domain's partition.
#[derive(Debug, Default)]
pub(super) struct DomainRecords {
    /// The groups that listings include.
    pub listed: Vec<GroupRecord>,
    /// Those that ended and are not marked.
    pub dead: Vec<GroupRecord>,
    /// All others: groups that are being removed, and tombstones.
    pub others: usize,
}

impl DynamoDb {
    /// All records of a domain's groups.
    pub(super) async fn records_of(
        &self,
        doing: &'static str,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<DomainRecords, AttemptError> {
        let (found, scanned) = self.table.all_of(doing, &groups_of(domain)).await?;
        let mut records = DomainRecords {
            others: scanned.saturating_sub(found.len()),
            ..DomainRecords::default()
        };
        for item in &found {
            let record = GroupRecord::read(item)?;
            if self.rules.lists(&record.group, now) {
                records.listed.push(record);
            } else if self.rules.end_of(&record.group, now).is_some() {
                records.dead.push(record);
            }
        }
        Ok(records)
    }

    /// Which of these groups live, and which ended.
    pub(super) async fn living_and_dead(
        &self,
        doing: &'static str,
        groups: &[Key],
        now: Timestamp,
    ) -> Result<(Vec<GroupRecord>, Vec<GroupRecord>), AttemptError> {
        let chunks: Vec<Vec<Key>> = groups.chunks(PER_READ).map(<[Key]>::to_vec).collect();
        let reads = stream::iter(chunks).map(async |keys| self.table.read(doing, &keys).await);
        let mut reads = reads.buffer_unordered(CONCURRENCY);
        let (mut living, mut dead) = (Vec::new(), Vec::new());
        while let Some(found) = reads.next().await {
            for item in found?.iter().flatten() {
                let Some(record) = super::items::tombstone::Record::read(item)?.into_group() else {
                    continue;
                };
                let lives = record.ended.is_none();
                if lives && self.rules.end_of(&record.group, now).is_none() {
                    living.push(record);
                } else {
                    dead.push(record);
                }
            }
        }
        Ok((living, dead))
    }

    /// Ends some of the groups that were found dead. What fails is left to the next call.
    pub(super) async fn end_dead(&self, dead: Vec<GroupRecord>, now: Timestamp) {
        let dead: Vec<_> = dead.into_iter().take(PER_CALL).collect();
        let ends = stream::iter(dead).map(|record| self.end_if_due(record, now));
        let mut ends = ends.buffer_unordered(CONCURRENCY);
        while let Some(ended) = ends.next().await {
            match ended {
                Ok(end) => end.iter().for_each(|end| self.publish_end(end)),
                Err(AttemptError::Failed(failure)) => {
                    let error: &dyn std::error::Error = &failure;
                    tracing::warn!(error, "could not end a group; trying again later");
                }
                // Another call was faster.
                Err(_) => {}
            }
        }
    }
}
