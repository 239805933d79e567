//! Lists of groups: by domain, by name and by id.

use crate::model::group::Group;
use crate::model::ids::{Domain, GroupId, GroupName};
use crate::model::lesson::MAX_HOST_TTL;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::model::visible::search_form;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::{number, text};
use crate::store::dynamodb::items::group::GroupRecord;
use crate::store::dynamodb::items::keys::{self, GROUPS, Key};
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::requests::Query;

/// Candidates in one page of the name search.
const SEARCH_PAGE: i32 = 100;

impl DynamoDb {
    /// See [`Store::groups_in`](crate::store::Store::groups_in).
    pub(super) async fn list(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<Vec<Group>, AttemptError> {
        const DOING: &str = "list groups";
        if self.without_reaper {
            let records = self.records_of(DOING, domain, now).await?;
            self.end_dead(records.dead, now).await;
            let listed = records.listed.into_iter().map(|record| record.group);
            let mut groups: Vec<Group> = listed.collect();
            groups.sort_by(|a, b| a.key.id.cmp(&b.key.id));
            return Ok(groups);
        }
        let living = living_groups_of(domain, &self.rules, now);
        let found = self.table.all(DOING, &living).await?;
        let mut groups = Vec::new();
        for item in &found {
            let GroupRecord { group, .. } = GroupRecord::read(item)?;
            if self.rules.lists(&group, now) {
                groups.push(group);
            }
        }
        groups.sort_by(|a, b| a.key.id.cmp(&b.key.id));
        Ok(groups)
    }

    /// See [`Store::groups_named`](crate::store::Store::groups_named). The index lags and has
    /// no heartbeats: it gives candidates, whose records are read.
    pub(super) async fn search(
        &self,
        prefix: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Group>, AttemptError> {
        const DOING: &str = "search groups";
        let prefix = search_form(prefix);
        let Some(first) = keys::by_name(&prefix) else {
            return Ok(Vec::new());
        };
        let named = Query {
            index: Some("GroupNameIndex"),
            keys: "#gsi2_pk = :first AND begins_with(#gsi2_sk, :prefix)",
            values: vec![(":first", text(first)), (":prefix", text(prefix))],
            page: Some(SEARCH_PAGE),
            ..Query::default()
        };
        let mut groups: Vec<(GroupName, Group)> = Vec::new();
        let mut next = None;
        loop {
            let (candidates, after) = self.table.page(DOING, &named, next).await?;
            let candidates: Vec<Key> = candidates.iter().filter_map(Key::of).collect();
            if !candidates.is_empty() {
                for item in self.table.read(DOING, &candidates).await?.iter().flatten() {
                    if let Record::Group(GroupRecord {
                        group, ended: None, ..
                    }) = Record::read(item)?
                        && self.rules.lists(&group, now)
                    {
                        groups.push((group.name.search_form(), group));
                    }
                }
            }
            next = after;
            // The index does not order groups of the same name, so all of them are read.
            let last_name = limit.checked_sub(1).and_then(|last| groups.get(last));
            let complete =
                last_name.is_some_and(|(at, _)| groups.last().is_some_and(|(name, _)| name > at));
            if next.is_none() || complete || limit == 0 {
                break;
            }
        }
        groups.sort_by(|(a, one), (b, other)| (a, &one.key).cmp(&(b, &other.key)));
        groups.truncate(limit);
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }

    /// The groups with this id in any domain, including expired ones that are not removed yet.
    pub async fn groups_by_id(&self, id: &GroupId) -> Result<Vec<Group>> {
        let by_id = Query {
            index: Some("GroupIdIndex"),
            keys: "#gsi_pk = :id",
            values: vec![(":id", text(keys::by_id(id.as_str())))],
            ..Query::default()
        };
        let found = self.table.all("find a group by its id", &by_id).await?;
        let groups = found.iter().map(|item| Ok(GroupRecord::read(item)?.group));
        let groups: Result<_, AttemptError> = groups.collect();
        Ok(groups?)
    }
}

/// The query of a domain's groups.
pub(super) fn groups_of(domain: &Domain) -> Query {
    Query {
        keys: "#pk = :domain AND begins_with(#sk, :groups)",
        filter: Some("attribute_not_exists(#ended)"),
        values: vec![
            (":domain", text(keys::domain(domain))),
            (":groups", text(GROUPS)),
        ],
        ..Query::default()
    }
}

/// The query of those that `Rules::lists` includes.
pub(super) fn living_groups_of(domain: &Domain, rules: &Rules, now: Timestamp) -> Query {
    let host_ttl = i64::from(rules.timings().host_ttl);
    let mut query = groups_of(domain);
    query.filter = Some(
        "attribute_not_exists(#ended) \
         AND (attribute_not_exists(#heartbeatAt) OR #heartbeatAt >= :since \
              OR (attribute_exists(#hostTtl) AND #heartbeatAt >= :earliest)) \
         AND (attribute_not_exists(#expiresAt) OR #expiresAt > :now)",
    );
    query.values.extend([
        (":since", number(now.seconds() - host_ttl + 1)),
        (
            ":earliest",
            number(now.seconds() - i64::from(MAX_HOST_TTL) + 1),
        ),
        (":now", text(now.to_string())),
    ]);
    query
}
