//! How a group ends: marked in one transaction, emptied, and at last removed. Whoever
//! removes its record is the one who tells its end, so that it is told once.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _};

use crate::model::error::ClientError;
use crate::model::group::{EndReason, GroupKey};
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::{AttemptError, until_settled};
use crate::store::dynamodb::groups::mark;
use crate::store::dynamodb::items::attributes::{Reader, number, text};
use crate::store::dynamodb::items::group::{Standing, Why, due};
use crate::store::dynamodb::items::keys::{self, Item, Key, WATCHES};
use crate::store::dynamodb::items::{pointer, points_at, tidy_at, tombstone};
use crate::store::dynamodb::requests::{Search, Step};
use crate::store::{EndedGroup, Result};

/// That a group's record is the whole one: whoever replaces or removes it tells the end.
const NOT_REMOVED: &str = "attribute_exists(#hostId)";
/// Groups that are looked at, and records that are removed, at once.
const AT_ONCE: usize = 8;
/// Groups that one look of the reaper takes; the rest is for the next.
const PER_LOOK: i32 = 400;
/// How long another caller is given to finish what it began to remove.
const LEFT_TO_ITS_BEGINNER_SECONDS: i64 = 10;

impl DynamoDb {
    /// One try of [`Store::dissolve`](crate::store::Store::dissolve). A dissolve that
    /// broke off is finished by its repetition.
    pub(super) async fn try_dissolve(
        &self,
        key: &GroupKey,
        host: &NodeId,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "dissolve a group";
        self.memory.forget(key);
        let gone = || AttemptError::from(ClientError::GroupNotFound(key.clone()));
        let standing = self.standing(DOING, key).await?.ok_or_else(gone)?;
        match standing.ended {
            None => {
                let live = self.rules.admit(&standing.group, now).map_err(|_| gone())?;
                live.hosted_by(host)
                    .map_err(|real| ClientError::NotTheHostToDissolve {
                        host: real.clone(),
                        requester: host.clone(),
                    })?;
                let steps = mark(&standing, Why::Dissolved, false, now);
                self.table.write(DOING, steps).await?;
            }
            // It broke off and goes on.
            Some((Why::Dissolved, _)) if standing.group.host == *host => {}
            // What ended by itself is dead while it is being removed as well (decision D23).
            Some(_) => return Err(gone()),
        }
        // Of two who dissolve at once, one has dissolved it and the other finds nothing.
        if self.clear(key, 0).await? {
            Ok(())
        } else {
            Err(gone())
        }
    }

    /// Removes all that is in a marked group, and at last its record; says whether it
    /// was this call that removed that. `seen` ended groups were seen in its domain.
    pub(super) async fn clear(&self, group: &GroupKey, seen: usize) -> Result<bool, AttemptError> {
        const DOING: &str = "remove a group";
        self.memory.forget(group);
        let Some(standing) = self.standing(DOING, group).await? else {
            return Ok(false);
        };
        let inside = Search {
            keys: "#pk = :inside",
            fields: Some("#pk, #sk, #nodeId, #joinedAt"),
            values: vec![(":inside", text(keys::inside(group)))],
            ..Search::default()
        };
        // A join that came just before the mark may become visible just after a look:
        // only an empty look is the last.
        loop {
            let items = self.table.all(DOING, &inside).await?;
            if items.is_empty() {
                break;
            }
            self.remove_reverses(group, &items).await?;
            let keys: Vec<Key> = items.iter().filter_map(Key::of).collect();
            self.table.remove(DOING, &keys).await?;
        }
        let mut steps = vec![Step::delete(Key::watch(group, standing.watch))];
        let kept = self.to_remember(&standing, seen);
        if let Some((kept, _)) = &kept {
            steps.push(Step::put(tombstone::item(group, kept)).when(NOT_REMOVED));
            steps.push(Step::put(tombstone::due(group, kept)));
        } else {
            steps.push(Step::delete(Key::group(group)).when(NOT_REMOVED));
        }
        let last = match self.table.write(DOING, steps).await {
            Ok(()) => true,
            Err(AttemptError::Lost(failure)) => {
                if self.standing(DOING, group).await?.is_some() {
                    return Err(AttemptError::Lost(failure));
                }
                false
            }
            Err(attempt_error) => return Err(attempt_error),
        };
        if last {
            self.stage.leave();
            if let Some((_, place)) = kept {
                place.keep();
            }
        }
        Ok(last)
    }

    /// Removes the reverse records of a group's members, unless they moved on.
    async fn remove_reverses(&self, group: &GroupKey, items: &[Item]) -> Result<(), AttemptError> {
        let members = items.iter().map(Reader).filter_map(|item| {
            item.maybe_text("joinedAt").ok()??;
            NodeId::parse("nodeId", item.text("nodeId").ok()?).ok()
        });
        let members: Vec<NodeId> = members.collect();
        let removals = stream::iter(members)
            .map(async |node| until_settled!(self, self.remove_reverse(group, &node)));
        let mut removals = removals.buffer_unordered(AT_ONCE);
        while let Some(removed) = removals.next().await {
            removed.map_err(|error: crate::store::Error| match error {
                crate::store::Error::Failed(failure) => AttemptError::Failed(failure),
                crate::store::Error::Refused(refusal) => AttemptError::Refused(refusal),
            })?;
        }
        Ok(())
    }

    /// Removes a node's reverse record while it points at this group (decision D11).
    pub(super) async fn remove_reverse(
        &self,
        group: &GroupKey,
        node: &NodeId,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "remove a reverse record";
        let step = Step::delete(Key::reverse(node)).when(POINTS_HERE);
        match self.table.write(DOING, vec![here(step, group)]).await {
            Err(AttemptError::Lost(failure)) => {
                let found = self
                    .table
                    .read(DOING, &[Key::reverse(node)])
                    .await?
                    .remove(0);
                match found.as_ref().map(points_at).transpose()? {
                    Some(points) if points == *group => Err(AttemptError::Lost(failure)),
                    _ => Ok(()),
                }
            }
            written => written,
        }
    }

    /// See [`Store::any_group_lives`](crate::store::Store::any_group_lives). A watch that is
    /// overdue by less than a group lives without its host may be of a living one.
    pub(super) async fn any_watched(&self, now: Timestamp) -> Result<bool, AttemptError> {
        let earliest = now.seconds() - i64::from(self.rules.timings().host_ttl);
        let watches = Search {
            keys: "#pk = :watches AND #sk >= :earliest",
            values: vec![
                (":watches", text(WATCHES)),
                (":earliest", text(keys::watch_time(earliest))),
            ],
            page: Some(1),
            ..Search::default()
        };
        let (found, _) = self.table.page("look for groups", &watches, None).await?;
        Ok(!found.is_empty())
    }

    /// See [`Store::reap`](crate::store::Store::reap). Looks only at what is due; what
    /// has expired inside living groups is the table's to tidy.
    pub(super) async fn reap_due(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        if let Err(AttemptError::Failed(failure)) = self.forget_ended(now).await {
            // What is remembered too long is only refused in other words.
            let error: &dyn std::error::Error = &failure;
            tracing::warn!(error, "could not forget ended groups; trying again later");
        }
        let due = Search {
            keys: "#pk = :watches AND #sk < :later",
            values: vec![
                (":watches", text(WATCHES)),
                (":later", text(keys::watch_time(now.seconds() + 1))),
            ],
            may_lag: true,
            page: Some(PER_LOOK),
            ..Search::default()
        };
        let (watches, _) = self.table.page("look for ended groups", &due, None).await?;
        let looks = stream::iter(watches).map(|watch| self.look_after(watch, now));
        let mut looks = looks.buffer_unordered(AT_ONCE);
        let (mut ended, mut broken) = (Vec::new(), None);
        while let Some(look) = looks.next().await {
            match look {
                Ok(end) => ended.extend(end),
                // Another server got ahead, or the next look tries again.
                Err(AttemptError::Lost(_) | AttemptError::Refused(_)) => {}
                Err(AttemptError::Failed(failure)) => broken = Some(failure),
            }
        }
        match broken {
            // What ended must be told, now that its records are gone.
            Some(failure) if ended.is_empty() => Err(failure.into()),
            Some(failure) => {
                let error: &dyn std::error::Error = &failure;
                tracing::error!(error, "could not look after all groups; trying again");
                Ok(ended)
            }
            None => Ok(ended),
        }
    }

    /// Ends the group of a watch that came due, or watches on.
    async fn look_after(
        &self,
        watch: Item,
        now: Timestamp,
    ) -> Result<Option<EndedGroup>, AttemptError> {
        const DOING: &str = "look after a group";
        let group = points_at(&watch)?;
        let Some(standing) = self.standing(DOING, &group).await? else {
            let watch: Vec<Key> = Key::of(&watch).into_iter().collect();
            self.table.remove(DOING, &watch).await?;
            return Ok(None);
        };
        let end = match (standing.ended, self.rules.end_of(&standing.group, now)) {
            (Some((_, since)), _)
                if now.seconds() - since.seconds() < LEFT_TO_ITS_BEGINNER_SECONDS =>
            {
                return Ok(None);
            }
            (Some((Why::By(end), _)), _) => end,
            (Some((Why::Dissolved, _)), end) => end.unwrap_or(EndReason::HostSilent),
            (None, Some(end)) => {
                let steps = mark(&standing, Why::By(end), false, now);
                self.table.write(DOING, steps).await?;
                end
            }
            (None, None) => {
                self.watch_on(&standing).await?;
                return Ok(None);
            }
        };
        let told = self.clear(&group, 0).await?;
        Ok(told.then_some(EndedGroup { group, end }))
    }

    async fn watch_on(&self, standing: &Standing) -> Result<(), AttemptError> {
        let group = &standing.group;
        let next = due(group, &self.rules);
        if next == standing.watch {
            return Ok(());
        }
        let record = Step::update(Key::group(&group.key), "SET #watch = :next");
        let record = record
            .when("#watch = :this AND attribute_not_exists(#ended)")
            .with(":next", number(next))
            .with(":this", number(standing.watch));
        let key = Key::watch(&group.key, next);
        let steps = vec![
            record,
            Step::delete(Key::watch(&group.key, standing.watch)),
            Step::put(pointer(&key, &group.key, tidy_at(group))),
        ];
        self.table.write("watch a group on", steps).await
    }
}

/// That a record points at the group of [`here`].
pub(super) const POINTS_HERE: &str = "#groupId = :group AND #domain = :domain";

/// Fills in [`POINTS_HERE`].
pub(super) fn here(step: Step, group: &GroupKey) -> Step {
    let text = |text: &str| AttributeValue::S(text.into());
    step.with(":group", text(group.id.as_str()))
        .with(":domain", text(group.domain.as_str()))
}
