//! Ending groups: the group is marked in one transaction, its records are removed, and at last
//! its own record. The caller that removes the group's record reports the end, so that it is
//! reported once.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _};

use crate::model::authority::{self, Actor};
use crate::model::error::ClientError;
use crate::model::group::{EndReason, Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::{EndCause, GroupRecord, epoch};
use crate::store::dynamodb::items::keys::{self, Item, Key};
use crate::store::dynamodb::items::{node, referenced_group, tombstone};
use crate::store::dynamodb::requests::{Query, Step};
use crate::store::dynamodb::retry::retry;

/// The condition that a group's record is not removed or replaced by a tombstone yet.
const NOT_REMOVED: &str = "attribute_exists(#hostId)";
/// Groups that are checked, and records that are removed, concurrently.
pub(super) const CONCURRENCY: usize = 8;

/// The condition that a group's record exists and is not being removed.
pub(super) const NOT_ENDED: &str = "attribute_exists(#pk) AND attribute_not_exists(#ended)";

impl DynamoDb {
    /// One attempt of [`Store::dissolve`](crate::store::Store::dissolve). It continues an earlier
    /// dissolve that was interrupted.
    pub(super) async fn try_dissolve(
        &self,
        key: &GroupKey,
        host: &Actor,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "dissolve a group";
        self.cache.invalidate(key);
        let not_found = || AttemptError::from(ClientError::GroupNotFound(key.clone()));
        let record = self.group_record(DOING, key).await?.ok_or_else(not_found)?;
        match record.ended {
            None => {
                let live = self
                    .rules
                    .admit(&record.group, now)
                    .map_err(|_| not_found())?;
                live.hosted_by(&host.id)
                    .map_err(|actual| ClientError::OnlyHostCanDissolve {
                        host: actual.clone(),
                        requester: host.id.clone(),
                    })?;
                authority::check_host(&record.group, host.token)?;
                let steps = end_steps(&record, EndCause::Dissolved, false, now);
                self.table.write(DOING, steps).await?;
            }
            // An interrupted dissolve continues.
            Some((EndCause::Dissolved, _)) if record.group.host == host.id => {
                authority::check_host(&record.group, host.token)?;
            }
            // A group that ended otherwise is not found while it is being removed (decision D23).
            Some(_) => return Err(not_found()),
        }
        // Of two concurrent dissolves, one succeeds and the other finds no group.
        if self.remove_group(key, 0).await? {
            Ok(())
        } else {
            Err(not_found())
        }
    }

    /// Removes everything in a marked group, and at last its record; returns whether this call
    /// removed that. `existing` is the number of tombstones in the domain.
    pub(super) async fn remove_group(
        &self,
        group: &GroupKey,
        existing: usize,
    ) -> Result<bool, AttemptError> {
        const DOING: &str = "remove a group";
        self.cache.invalidate(group);
        self.logs.forget(group);
        let Some(record) = self.group_record(DOING, group).await? else {
            return Ok(false);
        };
        let inside = Query {
            keys: "#pk = :inside",
            fields: Some(node::MEMBER_FIELDS),
            values: vec![(":inside", text(keys::inside(group)))],
            ..Query::default()
        };
        // A join before the mark may become visible after a read, so read until nothing is left.
        loop {
            let items = self.table.all(DOING, &inside).await?;
            if items.is_empty() {
                break;
            }
            self.remove_reverses(group, &items).await?;
            let keys: Vec<Key> = items.iter().filter_map(Key::of).collect();
            self.table.remove(DOING, &keys).await?;
        }
        if let Some(code) = record.group.join_code {
            self.free_code(group, code).await?;
        }
        let mut steps = vec![Step::delete(Key::watch(group, record.watch))];
        let tombstone = self.tombstone_for(&record, existing);
        if let Some((tombstone, _)) = &tombstone {
            steps.push(Step::put(tombstone::item(group, tombstone)).when(NOT_REMOVED));
            steps.push(Step::put(tombstone::expiry_item(group, tombstone)));
        } else {
            steps.push(Step::delete(Key::group(group)).when(NOT_REMOVED));
        }
        let removed = match self.table.write(DOING, steps).await {
            Ok(()) => true,
            Err(AttemptError::Retry(cause, failure)) => {
                if self.group_record(DOING, group).await?.is_some() {
                    return Err(AttemptError::Retry(cause, failure));
                }
                false
            }
            Err(error) => return Err(error),
        };
        if removed {
            // Without a reaper, groups that ended by themselves are not counted.
            let by_itself = matches!(
                record.ended,
                Some((
                    EndCause::Ended(EndReason::HostSilent | EndReason::TimeUp),
                    _
                ))
            );
            if !(by_itself && self.without_reaper) {
                self.group_count.release(record.group.origin);
            }
            if let Some((_, slot)) = tombstone {
                slot.keep();
            }
        }
        Ok(removed)
    }

    /// Removes the reverse records of a group's members, unless they refer to another group.
    async fn remove_reverses(&self, group: &GroupKey, items: &[Item]) -> Result<(), AttemptError> {
        let members: Vec<NodeId> = items.iter().filter_map(node::member).collect();
        let removals =
            stream::iter(members).map(async |node| retry!(self, self.remove_reverse(group, &node)));
        let mut removals = removals.buffer_unordered(CONCURRENCY);
        while let Some(removed) = removals.next().await {
            removed.map_err(|error: crate::store::Error| match error {
                crate::store::Error::Failed(failure) => AttemptError::Failed(failure),
                crate::store::Error::Refused(error) => AttemptError::Refused(error),
            })?;
        }
        Ok(())
    }

    /// Removes a node's reverse record if it refers to this group (decision D11).
    pub(super) async fn remove_reverse(
        &self,
        group: &GroupKey,
        node: &NodeId,
    ) -> Result<(), AttemptError> {
        self.remove_reference("remove a reverse record", Key::reverse(node), group)
            .await
    }

    /// Removes a record if it refers to this group.
    pub(super) async fn remove_reference(
        &self,
        doing: &'static str,
        key: Key,
        group: &GroupKey,
    ) -> Result<(), AttemptError> {
        let step = Step::delete(key.clone()).when(REFERS_TO_GROUP);
        match self.table.write(doing, vec![with_group(step, group)]).await {
            Err(AttemptError::Retry(cause, failure)) => {
                let found = self.table.read(doing, &[key]).await?.remove(0);
                match found.as_ref().map(referenced_group).transpose()? {
                    Some(points) if points == *group => Err(AttemptError::Retry(cause, failure)),
                    _ => Ok(()),
                }
            }
            written => written,
        }
    }
}

/// The condition that a record refers to the group of [`with_group`].
pub(super) const REFERS_TO_GROUP: &str = "#groupId = :group AND #domain = :domain";

/// Sets the values of [`REFERS_TO_GROUP`].
pub(super) fn with_group(step: Step, group: &GroupKey) -> Step {
    let text = |text: &str| AttributeValue::S(text.into());
    step.with(":group", text(group.id.as_str()))
        .with(":domain", text(group.domain.as_str()))
}

/// The steps that end a group. After them nothing can be added to it. A group that expired is
/// ended only if its heartbeat has not changed since it was read.
pub(super) fn end_steps(
    record: &GroupRecord,
    cause: EndCause,
    relocked: bool,
    now: Timestamp,
) -> Vec<Step> {
    let Group {
        key,
        host,
        heartbeat_at,
        ..
    } = &record.group;
    let record = Step::update(
        Key::group(key),
        "SET #ended = :cause, #endedAt = :now REMOVE #gsi_pk, #gsi_sk, #gsi2_pk, #gsi2_sk",
    );
    let mut record = record
        .when(NOT_ENDED)
        .with(":cause", text(cause.as_str()))
        .with(":now", epoch(now));
    if cause != EndCause::Dissolved {
        record = record
            .when("#heartbeatAt = :seen")
            .with(":seen", epoch(*heartbeat_at));
    }
    // No call is numbered after the end, and the log is made only while there is a head.
    let mut steps = vec![
        record,
        Step::delete(Key::head(key)),
        Step::delete(Key::log(key)),
    ];
    if !relocked {
        let lock = Step::delete(Key::lock(host, &key.domain));
        steps.push(
            lock.when("attribute_not_exists(#pk) OR #groupId = :this")
                .with(":this", text(key.id.as_str())),
        );
    }
    steps
}
