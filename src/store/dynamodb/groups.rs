//! Groups: made, found, renewed.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::error::ClientError;
use crate::model::group::{EndReason, Group, GroupKey};
use crate::model::ids::{Domain, GroupId, NodeId};
use crate::model::time::Timestamp;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::{Room, Standing, Why, due, epoch, polling};
use crate::store::dynamodb::items::keys::{self, GROUPS, Key, WATCHES};
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::items::{pointer, points_at, tidy_at};
use crate::store::dynamodb::requests::{Search, Step};
use crate::store::dynamodb::{DynamoDb, Wanted};
use crate::store::{CreateGroup, EndedGroup, HostOutcome, Result};

/// That a group's record is there and not being removed.
const STANDS: &str = "attribute_exists(#pk) AND attribute_not_exists(#ended)";
/// Candidates that one page of the name search reads.
const SEARCH_PAGE: i32 = 100;

impl DynamoDb {
    /// One try of [`Store::host_group`](crate::store::Store::host_group).
    pub(super) async fn try_host(
        &self,
        wish: &CreateGroup,
        now: Timestamp,
    ) -> Result<HostOutcome, AttemptError> {
        const DOING: &str = "make a group";
        let lock = Key::lock(&wish.host, &wish.domain);
        let held = self.table.read(DOING, &[lock]).await?.remove(0);
        let former = held.as_ref().map(points_at).transpose()?;
        let standing = match &former {
            Some(key) => self.standing(DOING, key).await?,
            None => None,
        };
        match standing {
            Some(standing)
                if standing.ended.is_none() && self.rules.lists(&standing.group, now) =>
            {
                let group = self.follow_wish(standing.group, wish).await?;
                Ok(HostOutcome {
                    group,
                    created: false,
                    replaced: None,
                })
            }
            standing => self.make(wish, former, standing, now).await,
        }
    }

    /// A group that lives already: only its delivery follows the wish.
    async fn follow_wish(
        &self,
        mut group: Group,
        wish: &CreateGroup,
    ) -> Result<Group, AttemptError> {
        if group.delivery.uses_websocket() == wish.delivery.uses_websocket() {
            return Ok(group);
        }
        group.delivery = wish.delivery;
        let record = Step::update(
            Key::group(&group.key),
            "SET #useWebSocket = :websocket, #pollingIntervalSeconds = :every",
        );
        let websocket = AttributeValue::Bool(wish.delivery.uses_websocket());
        let record = record
            .when(STANDS)
            .with(":websocket", websocket)
            .with(":every", polling(wish.delivery));
        let polls = AttributeValue::Bool(!wish.delivery.uses_websocket());
        let room = Step::update(Key::room(&group.key), "SET #polling = :polling");
        let room = room.when("attribute_exists(#pk)").with(":polling", polls);
        self.table
            .write("change a group's delivery", vec![record, room])
            .await?;
        self.memory.forget(&group.key);
        Ok(group)
    }

    /// Makes the group, in the place of the host's former one.
    async fn make(
        &self,
        wish: &CreateGroup,
        former: Option<GroupKey>,
        standing: Option<Standing>,
        now: Timestamp,
    ) -> Result<HostOutcome, AttemptError> {
        let replaced = standing.filter(|standing| standing.ended.is_none());
        let group = Group {
            key: GroupKey {
                domain: wish.domain.clone(),
                id: GroupId::random(),
            },
            name: wish.name.clone(),
            host: wish.host.clone(),
            created_at: now,
            expires_at: now.plus_seconds(wish.lifetime),
            heartbeat_at: now,
            delivery: wish.delivery,
        };
        let end = replaced.as_ref().map(|standing| {
            let end = self.rules.end_of(&standing.group, now);
            end.unwrap_or(EndReason::Replaced)
        });
        let mut steps = self.new_group(&group, former.as_ref());
        match (&replaced, end, &former) {
            (Some(standing), Some(end), _) => {
                steps.extend(mark(standing, Why::By(end), true, now));
            }
            // A lock may be visible a moment before the group made with it: the former
            // group must really be gone, not just unseen.
            (_, _, Some(former)) => steps.push(
                Step::check(Key::group(former))
                    .when("attribute_not_exists(#pk) OR attribute_exists(#ended)"),
            ),
            _ => {}
        }
        // What the bounds count is not a group any more once it is replaced.
        let seen = self
            .enter(&wish.domain, usize::from(replaced.is_some()), now)
            .await?;
        if let Err(attempt_error) = self.table.write("make a group", steps).await {
            self.stage.leave();
            return Err(attempt_error);
        }
        let replaced = match (replaced, end) {
            (Some(standing), Some(end)) => self.replace(standing.group.key, end, seen).await,
            _ => None,
        };
        Ok(HostOutcome {
            group,
            created: true,
            replaced,
        })
    }

    /// Removes the former group. If that breaks off the reaper goes on with it, and
    /// tells its end then: the new group is made either way.
    async fn replace(&self, group: GroupKey, end: EndReason, seen: usize) -> Option<EndedGroup> {
        match self.clear(&group, seen).await {
            Ok(told) => told.then_some(EndedGroup { group, end }),
            Err(attempt_error) => {
                let error = crate::store::Error::from(attempt_error);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "left to the reaper"
                );
                None
            }
        }
    }

    fn new_group(&self, group: &Group, former: Option<&GroupKey>) -> Vec<Step> {
        let watch = due(group, &self.rules);
        let standing = Standing {
            group: group.clone(),
            watch,
            ended: None,
        };
        let room = Room {
            polling: !group.delivery.uses_websocket(),
            ..Room::default()
        };
        let tidy_at = tidy_at(group);
        let lock = Key::lock(&group.host, &group.key.domain);
        let lock = Step::put(pointer(&lock, &group.key, tidy_at));
        let lock = match former {
            None => lock.when("attribute_not_exists(#pk)"),
            Some(former) => lock
                .when("attribute_not_exists(#pk) OR #groupId = :former")
                .with(":former", text(former.id.as_str())),
        };
        let watch = Key::watch(&group.key, watch);
        vec![
            lock,
            Step::put(standing.item()).when("attribute_not_exists(#pk)"),
            Step::put(room.item(group)),
            Step::put(pointer(&watch, &group.key, tidy_at)),
        ]
    }

    /// Refuses when the stage or the domain is full; `leaving` of their groups do not
    /// count. Several servers that fill a domain's last place at once may go past its
    /// bound by one each: it protects the service, it is no promise. Says how many ended
    /// groups it saw in the domain, its tombstones.
    async fn enter(
        &self,
        domain: &Domain,
        leaving: usize,
        now: Timestamp,
    ) -> Result<usize, AttemptError> {
        const DOING: &str = "count groups";
        let limit = self.limits.groups_per_domain;
        let (in_domain, read) = self.table.count(DOING, &groups_of(domain)).await?;
        if in_domain.saturating_sub(leaving) >= limit {
            let what = "the domain";
            return Err(ClientError::Full { what, limit }.into());
        }
        let watches = Search {
            keys: "#pk = :watches AND #sk >= :now",
            values: vec![
                (":watches", text(WATCHES)),
                (":now", text(keys::watch_time(now.seconds()))),
            ],
            may_lag: true,
            ..Search::default()
        };
        let limit = self.limits.groups;
        let on_stage = self.table.count(DOING, &watches);
        if !self.stage.enter(limit, leaving, on_stage).await? {
            let what = "the stage";
            return Err(ClientError::Full { what, limit }.into());
        }
        Ok(read.saturating_sub(in_domain))
    }

    /// See [`Store::groups_in`](crate::store::Store::groups_in).
    pub(super) async fn list(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Vec<Group>, AttemptError> {
        let found = self.table.all("list groups", &groups_of(domain)).await?;
        let mut groups = Vec::new();
        for item in &found {
            let Standing { group, .. } = Standing::read(item)?;
            if self.rules.lists(&group, now) {
                groups.push(group);
            }
        }
        groups.sort_by(|a, b| a.key.id.cmp(&b.key.id));
        Ok(groups)
    }

    /// See [`Store::groups_named`](crate::store::Store::groups_named). The index lags
    /// and says nothing of heartbeats: it names candidates, and their records decide.
    pub(super) async fn search(
        &self,
        prefix: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Group>, AttemptError> {
        const DOING: &str = "search groups";
        let Some(first) = keys::by_name(prefix) else {
            return Ok(Vec::new());
        };
        let named = Search {
            index: Some("GroupNameIndex"),
            keys: "#gsi2_pk = :first AND begins_with(#gsi2_sk, :prefix)",
            values: vec![(":first", text(first)), (":prefix", text(prefix))],
            page: Some(SEARCH_PAGE),
            ..Search::default()
        };
        let mut groups: Vec<Group> = Vec::new();
        let mut next = None;
        loop {
            let (candidates, after) = self.table.page(DOING, &named, next).await?;
            let candidates: Vec<Key> = candidates.iter().filter_map(Key::of).collect();
            if !candidates.is_empty() {
                for item in self.table.read(DOING, &candidates).await?.iter().flatten() {
                    if let Record::Standing(Standing {
                        group, ended: None, ..
                    }) = Record::read(item)?
                        && self.rules.lists(&group, now)
                    {
                        groups.push(group);
                    }
                }
            }
            next = after;
            // Groups of one name have no order in the index: all of them are read.
            let last_name = limit.checked_sub(1).and_then(|last| groups.get(last));
            let whole = last_name.is_some_and(|at| groups.last().is_some_and(|g| g.name > at.name));
            if next.is_none() || whole || limit == 0 {
                break;
            }
        }
        groups.sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
        groups.truncate(limit);
        Ok(groups)
    }

    /// The groups with this id, in whatever domain, alive or not yet tidied away.
    pub async fn groups_by_id(&self, id: &GroupId) -> Result<Vec<Group>> {
        let by_id = Search {
            index: Some("GroupIdIndex"),
            keys: "#gsi_pk = :id",
            values: vec![(":id", text(keys::by_id(id.as_str())))],
            ..Search::default()
        };
        let found = self.table.all("find a group by its id", &by_id).await?;
        let groups = found.iter().map(|item| Ok(Standing::read(item)?.group));
        let groups: Result<_, AttemptError> = groups.collect();
        Ok(groups?)
    }

    /// One try of [`Store::renew`](crate::store::Store::renew). The condition keeps it
    /// from reviving a group that was dissolved meanwhile (decision D5).
    pub(super) async fn try_renew(
        &self,
        key: &GroupKey,
        host: &NodeId,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        self.memory.forget(key);
        let mut group = self.look(key, Wanted::default(), now).await?.group;
        let hosted = self.rules.admit(&group, now)?.hosted_by(host);
        hosted.map_err(|_| ClientError::NotTheHostToRenew)?;
        group.heartbeat_at = now;
        let beat = Step::update(Key::group(key), "SET #heartbeatAt = :now");
        let beat = beat.when(STANDS).with(":now", epoch(now));
        self.table.write("renew a group", vec![beat]).await?;
        self.memory.remember(&group);
        Ok(group)
    }
}

fn groups_of(domain: &Domain) -> Search {
    Search {
        keys: "#pk = :domain AND begins_with(#sk, :groups)",
        filter: Some("attribute_not_exists(#ended)"),
        values: vec![
            (":domain", text(keys::domain(domain))),
            (":groups", text(GROUPS)),
        ],
        ..Search::default()
    }
}

/// The steps that end a group: from then on nothing enters it. A group that ended by
/// itself is ended only if its host has still not been heard of.
pub(super) fn mark(standing: &Standing, why: Why, relocked: bool, now: Timestamp) -> Vec<Step> {
    let Group {
        key,
        host,
        heartbeat_at,
        ..
    } = &standing.group;
    let record = Step::update(
        Key::group(key),
        "SET #ended = :why, #endedAt = :now REMOVE #gsi_pk, #gsi_sk, #gsi2_pk, #gsi2_sk",
    );
    let mut record = record
        .when(STANDS)
        .with(":why", text(why.as_str()))
        .with(":now", epoch(now));
    if why != Why::Dissolved {
        record = record
            .when("#heartbeatAt = :seen")
            .with(":seen", epoch(*heartbeat_at));
    }
    let mut steps = vec![record, Step::delete(Key::room(key))];
    if !relocked {
        let lock = Step::delete(Key::lock(host, &key.domain));
        steps.push(
            lock.when("attribute_not_exists(#pk) OR #groupId = :this")
                .with(":this", text(key.id.as_str())),
        );
    }
    steps
}
