//! The store on a DynamoDB table, which several servers may share.
//!
//! Where writes may conflict, one record decides by a conditional write: the host lock for "one
//! live group per host and domain", the group's head for joins, the node's record for its
//! reports; the group's log numbers kept calls without conflicts. A write that loses a conflict is retried from its reads. Reads on
//! which a write depends are consistent. Ending a group marks its record and removes its head,
//! log and lock in one transaction. After that nothing can be added to the group, and its records
//! are removed until none is left.
//!
//! Only this module uses DynamoDB.

mod attempt_error;
pub mod client;
mod codes;
mod dead_groups;
mod events;
mod group_cache;
mod group_count;
mod group_logs;
mod group_search;
mod group_view;
mod groups;
mod head_change;
mod items;
mod lesson;
mod locks;
mod node_writes;
mod nodes;
mod numbering;
mod polls;
mod removal;
mod requests;
mod reservations;
mod retry;
mod statuses;
pub mod table;
#[cfg(test)]
mod tests;
mod tombstone_count;
mod tombstones;
mod watches;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use crate::memory::Memory;
use crate::model::authority::Actor;
use crate::model::cursor::Since;
use crate::model::event::{Event, EventCall, EventKind};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::limits::Limits;
use crate::model::message::{Dissolution, Message};
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::group_cache::GroupCache;
use crate::store::dynamodb::group_count::GroupCount;
use crate::store::dynamodb::group_logs::GroupLogs;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::locks::Locks;
use crate::store::dynamodb::requests::{Step, Table};
use crate::store::dynamodb::retry::retry;
use crate::store::dynamodb::tombstone_count::TombstoneCount;
use crate::store::{
    AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, NoSubscribers, Publisher, Result,
    Store,
};

/// The DynamoDB store.
pub struct DynamoDb {
    table: Table,
    settings: Settings,
    rules: Rules,
    limits: Limits,
    cache: GroupCache,
    group_count: GroupCount,
    tombstones: TombstoneCount,
    group_locks: Locks<GroupKey>,
    node_locks: Locks<(GroupKey, NodeId)>,
    logs: GroupLogs,
    without_reaper: bool,
    publisher: Arc<dyn Publisher>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut store = f.debug_struct("DynamoDb");
        store
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// The store on the settings' table.
    pub async fn connect(settings: Settings, rules: Rules, limits: Limits) -> Self {
        let client = client::client(&settings).await;
        Self::with_client(client, settings, rules, limits)
    }

    /// The same with an existing client.
    pub fn with_client(client: Client, settings: Settings, rules: Rules, limits: Limits) -> Self {
        Self {
            table: Table::new(client, &settings),
            rules,
            limits,
            cache: GroupCache::new(settings.cache_ttl, settings.cached_groups),
            group_count: GroupCount::new(),
            tombstones: TombstoneCount::default(),
            group_locks: Locks::new(settings.request_timeout),
            node_locks: Locks::new(settings.request_timeout),
            logs: GroupLogs::new(settings.cached_groups),
            settings,
            without_reaper: false,
            publisher: Arc::new(NoSubscribers),
        }
    }

    /// The same, with subscribers.
    #[must_use]
    pub fn publishing_to(self, publisher: Arc<dyn Publisher>) -> Self {
        Self { publisher, ..self }
    }

    /// The same, as part of a memory budget.
    #[must_use]
    pub fn within(self, memory: &Memory) -> Self {
        let table = self.table.within(memory);
        Self { table, ..self }
    }

    /// The same where no reaper runs: createGroup and listings end the groups that they find dead.
    /// That is a function with many instances, of which each gets few of a node's calls, so nodes'
    /// records are not cached: a lost condition costs more than a read.
    #[must_use]
    pub fn without_reaper(self) -> Self {
        Self {
            without_reaper: true,
            table: self.table.without_node_cache(),
            ..self
        }
    }

    fn publish_end(&self, ended: &EndedGroup) {
        let end = Dissolution::by_end(ended.group.clone(), ended.reason);
        self.publisher.publish(Message::Dissolved(end));
    }
}

#[async_trait]
impl Store for DynamoDb {
    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        let mut code = Some(request.join_code);
        let outcome = retry!(self, {
            // A conflict was perhaps about the code.
            let code = code.take().unwrap_or_else(JoinCode::random);
            self.try_host(&request, code, now)
        })?;
        if let Some(end) = &outcome.replaced {
            self.publish_end(end);
        }
        Ok(outcome)
    }

    async fn group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>> {
        Ok(self.try_group_of_host(domain, host, now).await?)
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.list(domain, now).await?)
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.search(prefix, limit, now).await?)
    }

    async fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Result<Option<Group>> {
        Ok(self.find_code(code, now).await?)
    }

    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Result<Option<JoinCode>> {
        let group = self.live_group(group, now).await?;
        Ok(group.and_then(|group| group.join_code))
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        let _permit = self.group_locks.acquire(group).await;
        retry!(self, self.try_join(group, node, use_websocket, now))
    }

    async fn leave(&self, group: &GroupKey, node: &Actor) -> Result<()> {
        retry!(self, self.try_leave(group, node))
    }

    async fn dissolve(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<()> {
        retry!(self, self.try_dissolve(group, host, now))?;
        let end = Dissolution::by_host(group.clone());
        self.publisher.publish(Message::Dissolved(end));
        Ok(())
    }

    async fn renew(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group> {
        let renewed = retry!(self, self.try_renew(group, host, now))?;
        retry!(self, self.try_refresh(group, &host.id, now))?;
        Ok(renewed)
    }

    async fn control(
        &self,
        group: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group> {
        self.control_group(group, host, control, now).await
    }

    async fn heartbeat(&self, group: &GroupKey, node: &Actor, now: Timestamp) -> Result<Timestamp> {
        retry!(self, self.try_heartbeat(group, node, now))
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &Actor,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        let data = Arc::new(data);
        let (mut first, mut permit) = (true, None);
        let status = retry!(self, {
            let retry = !std::mem::take(&mut first);
            // A conflict was perhaps at the group's head: then one call after the other runs.
            if retry && permit.is_none() {
                permit = self.group_locks.acquire(group).await;
            }
            self.try_report(group, node, &data, retry, now)
        })?;
        self.publisher.publish(Message::Status(status.clone()));
        Ok(status)
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
        // Kept calls of one node would conflict at its record.
        let node = (call.group.clone(), call.node.clone());
        let _permit = self.node_locks.acquire(&node).await;
        let (appended, place) = self.append_call(&call, now).await?;
        // Members on a WebSocket receive what pollers record (decision D13).
        let is_empty = call.kind == EventKind::Recorded && call.events.is_empty();
        let group = self.cache.group(&call.group);
        let is_wanted = self.publisher.publishes_where_members_poll()
            || group.is_none_or(|group| group.delivery.uses_websocket());
        if !appended.repeated && !is_empty && is_wanted {
            let message = Message::Events(appended.batch.clone());
            let timeout = self.settings.request_timeout;
            match place {
                Some(place) => place.publish(&self.publisher, message, timeout).await,
                None => self.publisher.publish(message),
            }
        }
        Ok(appended)
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

    async fn group_lives(&self, group: &GroupKey, now: Timestamp) -> Result<bool> {
        Ok(self.live_group(group, now).await?.is_some())
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        Ok(self.any_live(now).await?)
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.table.drop_unused();
        self.reap_due(now).await
    }

    /// Attempts a write whose condition never holds: it proves that the table exists and is
    /// writable.
    async fn ready(&self) -> Result<(), Failure> {
        let probe = Step::delete(Key::readiness_probe()).when("attribute_exists(#pk)");
        match self.table.write("write to its table", vec![probe]).await {
            Ok(()) | Err(AttemptError::Retry(..) | AttemptError::Refused(_)) => Ok(()),
            Err(AttemptError::Failed(failure)) => Err(failure),
        }
    }
}
