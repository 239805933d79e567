//! A stage on a DynamoDB table, which several servers may share.
//!
//! Wherever two callers may meet, one record decides: the host lock for "one live group
//! per host and domain", the room for joins and kept events, the node's own record for
//! its reports. Whoever lost looks again. Reads that decide are consistent. Ending a
//! group marks it and removes its room and lock in one transaction; from then on nothing
//! new can enter it, and what is in it is removed until nothing is left.
//!
//! Nothing here names a listener; only this folder knows DynamoDB.

mod attempt_error;
pub mod client;
mod ended;
mod ending;
mod events;
mod groups;
mod items;
mod memory;
mod nodes;
mod requests;
mod reserving;
mod room_change;
mod stage_count;
mod statuses;
pub mod table;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use crate::heartbeat::rules::Rules;
use crate::model::error::ClientError;
use crate::model::event::{Channel, Event, EventCall, Since};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::dynamodb::attempt_error::{AttemptError, until_settled};
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::ended::EndedCount;
use crate::store::dynamodb::items::group::{Room, Standing, Why};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::memory::Memory;
use crate::store::dynamodb::requests::{Step, Table};
use crate::store::dynamodb::stage_count::StageCount;
use crate::store::dynamodb::turns::Turns;
use crate::store::{AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, Result, Store};

/// The DynamoDB store.
#[derive(Debug)]
pub struct DynamoDb {
    table: Table,
    settings: Settings,
    rules: Rules,
    limits: Limits,
    memory: Memory,
    stage: StageCount,
    ended: EndedCount,
    turns: Turns,
}

/// A living group and what else was read with it.
#[derive(Debug)]
struct Seen {
    group: Group,
    node: Option<Node>,
    room: Option<Room>,
    reverse: Option<GroupKey>,
}

/// What to read beside a group.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted<'a> {
    node: Option<&'a NodeId>,
    reverse: Option<&'a NodeId>,
    room: bool,
}

impl DynamoDb {
    /// The stage on the table that the settings name.
    pub async fn connect(settings: Settings, rules: Rules, limits: Limits) -> Self {
        let client = client::client(&settings).await;
        Self::with_client(client, settings, rules, limits)
    }

    /// The same over a client made elsewhere.
    pub fn with_client(client: Client, settings: Settings, rules: Rules, limits: Limits) -> Self {
        let table = Table::new(
            client,
            settings.table.clone(),
            settings.connections,
            settings.races,
        );
        Self {
            table,
            rules,
            limits,
            memory: Memory::new(settings.remember_groups_for, settings.remembered_groups),
            stage: StageCount::unknown(),
            ended: EndedCount::default(),
            turns: Turns::new(settings.request_timeout),
            settings,
        }
    }

    /// The group with what is wanted beside it, in one read, if the group is alive.
    async fn look(
        &self,
        key: &GroupKey,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Seen, AttemptError> {
        let remembered = self.memory.group(key);
        let remembered = remembered.filter(|group| self.rules.admit(group, now).is_ok());
        let keys = [
            remembered.is_none().then(|| Key::group(key)),
            wanted.node.map(|node| Key::node(key, node)),
            wanted.room.then(|| Key::room(key)),
            wanted.reverse.map(Key::reverse),
        ];
        let mut found = self.read_those("look at a group", &keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let [record, node, room, reverse] = [next(), next(), next(), next()];
        let group = match remembered {
            Some(group) => group,
            None => self.admitted(key, record.as_ref(), now)?,
        };
        Ok(Seen {
            group,
            node: node.as_ref().map(Node::read).transpose()?,
            room: room.as_ref().map(Room::read).transpose()?,
            reverse: reverse.as_ref().map(items::points_at).transpose()?,
        })
    }

    /// Reads the keys that are there, each in its place.
    async fn read_those<const N: usize>(
        &self,
        doing: &'static str,
        keys: &[Option<Key>; N],
    ) -> Result<[Option<Item>; N], AttemptError> {
        let wanted: Vec<Key> = keys.iter().flatten().cloned().collect();
        let mut found = Vec::new();
        if !wanted.is_empty() {
            found = self.table.read(doing, &wanted).await?;
        }
        let mut found = found.into_iter();
        Ok(std::array::from_fn(|at| {
            keys[at].as_ref().and_then(|_| found.next().flatten())
        }))
    }

    /// The group in a record just read, if it is alive: the check of contract 1.2.
    fn admitted(
        &self,
        key: &GroupKey,
        record: Option<&Item>,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        let record = record.map(Record::read).transpose()?;
        let ended = |tombstone| Err(Rules::refuse_ended(key, &tombstone, now));
        let admitted = match record {
            Some(Record::Standing(Standing {
                group, ended: None, ..
            })) => self.rules.admit(&group, now).map(drop).map(|()| group),
            Some(Record::Standing(Standing {
                group,
                ended: Some((Why::By(end), at)),
                ..
            })) => ended(self.rules.tombstone(&group, end, at)),
            Some(Record::Tombstone(tombstone)) => ended(tombstone),
            Some(Record::Standing(_)) | None => Err(ClientError::GroupNotFound(key.clone())),
        };
        match &admitted {
            Ok(group) => self.memory.remember(group),
            Err(_) => self.memory.forget(key),
        }
        Ok(admitted?)
    }

    /// The group if it is alive.
    async fn living(&self, key: &GroupKey, now: Timestamp) -> Result<Option<Group>> {
        match self.look(key, Wanted::default(), now).await {
            Ok(seen) => Ok(Some(seen.group)),
            Err(AttemptError::Refused(_)) => Ok(None),
            Err(attempt_error) => Err(attempt_error.into()),
        }
    }
}

#[async_trait]
impl Store for DynamoDb {
    async fn host_group(&self, wish: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        until_settled!(self, self.try_host(&wish, now))
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.list(domain, now).await?)
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.search(prefix, limit, now).await?)
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        let _turn = self.turns.take(group).await;
        until_settled!(self, self.try_join(group, node, use_websocket, now))
    }

    async fn leave(&self, group: &GroupKey, node: &NodeId) -> Result<()> {
        until_settled!(self, self.try_leave(group, node))
    }

    async fn dissolve(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<()> {
        until_settled!(self, self.try_dissolve(group, host, now))
    }

    async fn renew(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<Group> {
        let renewed = until_settled!(self, self.try_renew(group, host, now))?;
        until_settled!(self, self.try_touch(group, host, now))?;
        Ok(renewed)
    }

    async fn beat(&self, group: &GroupKey, node: &NodeId, now: Timestamp) -> Result<Timestamp> {
        until_settled!(self, self.try_beat(group, node, now))
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &NodeId,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        let data = Arc::new(data);
        let (mut first, mut turn) = (true, None);
        until_settled!(self, {
            let again = !std::mem::take(&mut first);
            // Perhaps it met others at the room: then they go one after the other.
            if again && turn.is_none() {
                turn = self.turns.take(group).await;
            }
            self.try_report(group, node, &data, again, now)
        })
    }

    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        self.all_statuses(group, now).await
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        self.member_status(node, now).await
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        self.all_members(group, now).await
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        let polled = |group: Group| !group.delivery.uses_websocket();
        let kept =
            call.channel == Channel::Recorded || self.memory.group(&call.group).is_some_and(polled);
        let _turn = if kept {
            self.turns.take(&call.group).await
        } else {
            None
        };
        let taken_by = uuid::Uuid::new_v4().to_string();
        until_settled!(self, self.try_append(&call, &taken_by, now))
    }

    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        self.poll(group, since, max_bytes, now).await
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        Ok(self.any_watched(now).await?)
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.reap_due(now).await
    }

    /// A write that is never taken: it proves that the table is there and may be written.
    async fn ready(&self) -> Result<(), Failure> {
        let probe = Step::delete(Key::nowhere()).when("attribute_exists(#pk)");
        match self.table.write("write to its table", vec![probe]).await {
            Ok(()) | Err(AttemptError::Lost(_) | AttemptError::Refused(_)) => Ok(()),
            Err(AttemptError::Failed(failure)) => Err(failure),
        }
    }
}
