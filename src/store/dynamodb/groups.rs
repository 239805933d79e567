//! Groups: create, find, renew.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::authority::{self, Actor};
use crate::model::error::ClientError;
use crate::model::group::{EndReason, Group, GroupKey};
use crate::model::group_quota::GroupCounts;
use crate::model::ids::{Domain, GroupId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::LessonState;
use crate::model::origin::Origin;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::codes::take_code;
use crate::store::dynamodb::group_count::Counted;
use crate::store::dynamodb::group_search::{groups_of, living_groups_of};
use crate::store::dynamodb::group_view::Include;
use crate::store::dynamodb::items::attributes::{Reader, number, text};
use crate::store::dynamodb::items::group::{EndCause, GroupRecord, end_second, epoch, polling};
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{self, Key, WATCHES};
use crate::store::dynamodb::items::{self, group_reference, referenced_group, ttl, ttl_of};
use crate::store::dynamodb::removal::{NOT_ENDED, end_steps};
use crate::store::dynamodb::requests::{Query, Step};
use crate::store::{CreateGroup, EndedGroup, HostOutcome, Result};

/// Dead groups of any domain that a createGroup ends where no reaper runs.
const DEAD_PER_CREATE: usize = 4;

impl DynamoDb {
    /// One attempt of [`Store::host_group`](crate::store::Store::host_group), with this join code.
    pub(super) async fn try_host(
        &self,
        request: &CreateGroup,
        code: JoinCode,
        now: Timestamp,
    ) -> Result<HostOutcome, AttemptError> {
        const DOING: &str = "create a group";
        let lock = Key::lock(&request.host, &request.domain);
        let held = self.table.read(DOING, &[lock]).await?.remove(0);
        let former = held.as_ref().map(referenced_group).transpose()?;
        let record = match &former {
            Some(key) => self.group_record(DOING, key).await?,
            None => None,
        };
        match record {
            Some(record) if record.ended.is_none() && self.rules.lists(&record.group, now) => {
                authority::check_repeat(&record.group, request.token)?;
                let group = self.change_delivery(record.group, request).await?;
                Ok(HostOutcome {
                    group,
                    created: false,
                    replaced: None,
                })
            }
            record => self.create(request, code, former, record, now).await,
        }
    }

    /// Changes an existing group's delivery as requested.
    async fn change_delivery(
        &self,
        mut group: Group,
        request: &CreateGroup,
    ) -> Result<Group, AttemptError> {
        // The first call of a host with a token stands.
        let asked = request.delivery.uses_websocket();
        if group.token.is_some() || group.delivery.uses_websocket() == asked {
            return Ok(group);
        }
        group.delivery = request.delivery;
        let record = Step::update(
            Key::group(&group.key),
            "SET #useWebSocket = :websocket, #pollingIntervalSeconds = :every",
        );
        let websocket = AttributeValue::Bool(request.delivery.uses_websocket());
        let record = record
            .when(NOT_ENDED)
            .with(":websocket", websocket)
            .with(":every", polling(request.delivery));
        let polls = AttributeValue::Bool(!request.delivery.uses_websocket());
        let head = Step::update(Key::head(&group.key), "SET #polling = :polling");
        let head = head.when("attribute_exists(#pk)").with(":polling", polls);
        self.table
            .write("change a group's delivery", vec![record, head])
            .await?;
        self.cache.invalidate(&group.key);
        Ok(group)
    }

    /// Creates the group and replaces the host's former one.
    async fn create(
        &self,
        request: &CreateGroup,
        code: JoinCode,
        former: Option<GroupKey>,
        record: Option<GroupRecord>,
        now: Timestamp,
    ) -> Result<HostOutcome, AttemptError> {
        let replaced = record.filter(|record| record.ended.is_none());
        let group = Group {
            key: GroupKey {
                domain: request.domain.clone(),
                id: GroupId::random(),
            },
            name: request.name_with(code),
            host: request.host.clone(),
            created_at: now,
            expires_at: now.plus_seconds(request.lifetime),
            heartbeat_at: now,
            delivery: request.delivery,
            origin: request.origin,
            token: request.token,
            join_code: Some(code),
            lesson: LessonState::with_host_ttl(request.host_ttl),
        };
        let reason = replaced.as_ref().map(|record| {
            let reason = self.rules.end_of(&record.group, now);
            reason.unwrap_or(EndReason::Replaced)
        });
        let mut steps = self.new_group(&group, former.as_ref());
        steps.push(take_code(code, &group));
        match (&replaced, reason, &former) {
            (Some(record), Some(reason), _) => {
                steps.extend(end_steps(record, EndCause::Ended(reason), true, now));
            }
            // A lock may become visible before the group created with it, so check that the
            // former group really does not exist.
            (_, _, Some(former)) => steps.push(
                Step::check(Key::group(former))
                    .when("attribute_not_exists(#pk) OR attribute_exists(#ended)"),
            ),
            _ => {}
        }
        // The replaced group does not count for the limits.
        let existing = self.reserve(request, replaced.as_ref(), now).await?;
        if let Err(error) = self.table.write("create a group", steps).await {
            self.group_count.release(request.origin);
            return Err(error);
        }
        let replaced = match (replaced, reason) {
            (Some(record), Some(reason)) => self.replace(record.group.key, reason, existing).await,
            _ => None,
        };
        Ok(HostOutcome {
            group,
            created: true,
            replaced,
        })
    }

    /// Removes the former group. If that fails, the reaper continues and reports its end; the
    /// new group is created in any case.
    async fn replace(
        &self,
        group: GroupKey,
        reason: EndReason,
        existing: usize,
    ) -> Option<EndedGroup> {
        match self.remove_group(&group, existing).await {
            Ok(removed) => removed.then_some(EndedGroup { group, reason }),
            Err(error) => {
                let error = crate::store::Error::from(error);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "left to the reaper"
                );
                None
            }
        }
    }

    fn new_group(&self, group: &Group, former: Option<&GroupKey>) -> Vec<Step> {
        let watch = end_second(group, &self.rules);
        let record = GroupRecord {
            group: group.clone(),
            watch,
            ended: None,
        };
        let head = GroupHead {
            polling: !group.delivery.uses_websocket(),
            ..GroupHead::default()
        };
        let ttl = ttl(group);
        let lock = Key::lock(&group.host, &group.key.domain);
        let lock = Step::put(group_reference(&lock, &group.key, ttl));
        let lock = match former {
            None => lock.when("attribute_not_exists(#pk)"),
            Some(former) => lock
                .when("attribute_not_exists(#pk) OR #groupId = :former")
                .with(":former", text(former.id.as_str())),
        };
        vec![
            lock,
            Step::put(record.item()).when("attribute_not_exists(#pk)"),
            Step::put(head.item(group)),
            Step::put(items::watch(group, watch)),
        ]
    }

    /// Refuses when the server or the domain is full, or the caller's address has its share of
    /// them. A group that is `leaving` does not count. Several servers that
    /// create a domain's last group at once may exceed its limit by one each. Returns how many
    /// tombstones the domain has.
    async fn reserve(
        &self,
        request: &CreateGroup,
        leaving: Option<&GroupRecord>,
        now: Timestamp,
    ) -> Result<usize, AttemptError> {
        let (domain, tombstones) = self.count_domain(&request.domain, now).await?;
        // Without a reaper, dead groups are not counted.
        let leaving = leaving.filter(|leaving| {
            !self.without_reaper || self.rules.end_of(&leaving.group, now).is_none()
        });
        let site = |origin: Option<Origin>| origin.map(|origin| origin.site);
        let of_address =
            leaving.filter(|leaving| site(leaving.group.origin) == site(request.origin));
        let admit = |all: usize, address: usize| {
            let counts = GroupCounts {
                server: all.saturating_sub(leaving.iter().count()),
                domain,
                address: address.saturating_sub(of_address.iter().count()),
            };
            request.asking().admit(counts, &self.limits)
        };
        let counted = self.count_groups(now);
        self.group_count
            .reserve(request.origin, now, counted, admit)
            .await?;
        Ok(tombstones)
    }

    /// How many groups live in a domain, and how many tombstones it has.
    async fn count_domain(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<(usize, usize), AttemptError> {
        const DOING: &str = "count groups";
        if self.without_reaper {
            let records = self.records_of(DOING, domain, now).await?;
            let mut dead = self.group_count.take_dead(DEAD_PER_CREATE);
            dead.extend(records.dead);
            self.end_dead(dead, now).await;
            self.remove_tombstones(now).await?;
            return Ok((records.listed.len(), records.others));
        }
        let (in_domain, scanned) = self.table.count(DOING, &groups_of(domain)).await?;
        let mut living = in_domain;
        // Groups that ended and are not removed yet only matter when the domain is nearly full.
        if in_domain >= self.limits.groups_per_domain / 2 {
            let query = living_groups_of(domain, &self.rules, now);
            (living, _) = self.table.count(DOING, &query).await?;
        }
        Ok((living, scanned.saturating_sub(in_domain)))
    }

    /// The groups on the table that have not expired; without a reaper, those that live.
    async fn count_groups(&self, now: Timestamp) -> Result<Counted, AttemptError> {
        const DOING: &str = "count groups";
        let longest = i64::from(self.rules.longest_lifetime());
        let watches = Query {
            keys: "#pk = :watches AND #sk >= :earliest",
            filter: Some("#ttl >= :living"),
            fields: Some("#sk, #groupId, #domain, #origin"),
            values: vec![
                (":watches", text(WATCHES)),
                (":earliest", text(keys::watch_time(now.seconds() - longest))),
                (":living", number(ttl_of(now))),
            ],
            eventually_consistent: true,
            ..Query::default()
        };
        let (mut counted, mut due) = (Counted::default(), Vec::new());
        let later = keys::watch_time(now.seconds() + 1);
        for watch in &self.table.all(DOING, &watches).await? {
            let watch = Reader(watch);
            if self.without_reaper && watch.text("sk")? < later.as_str() {
                due.push(Key::group(&referenced_group(watch.0)?));
            } else {
                counted.add(watch.maybe_origin("origin")?);
            }
        }
        let (living, dead) = self.living_and_dead(DOING, &due, now).await?;
        for record in living {
            counted.add(record.group.origin);
        }
        counted.keep_dead(dead);
        Ok(counted)
    }

    /// One attempt of [`Store::renew`](crate::store::Store::renew). The condition prevents
    /// reviving a group that was dissolved concurrently (decision D5).
    pub(super) async fn try_renew(
        &self,
        key: &GroupKey,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        self.cache.invalidate(key);
        let mut group = self.read_group(key, Include::default(), now).await?.group;
        let hosted = self.rules.admit(&group, now)?.hosted_by(&host.id);
        hosted.map_err(|_| ClientError::OnlyHostCanRenew)?;
        authority::check_host(&group, host.token)?;
        group.heartbeat_at = now;
        let step = Step::update(Key::group(key), "SET #heartbeatAt = :now");
        let step = step.when(NOT_ENDED).with(":now", epoch(now));
        self.table.write("renew a group", vec![step]).await?;
        self.cache.insert(&group);
        Ok(group)
    }
}
