//! A store whose calls are timed, each on its own.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::metrics::{Metrics, StoreCall, StoreFigures};
use crate::model::authority::Actor;
use crate::model::cursor::Since;
use crate::model::event::{Event, EventCall};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::{ClockStep, Timestamp};
use crate::store::{
    AppendOutcome, CreateGroup, EndedGroup, Error, Failure, HostOutcome, Result, Store,
};

/// A store that counts how long its calls take and which of them fail.
pub struct Timed {
    store: Arc<dyn Store>,
    metrics: Metrics,
}

impl Timed {
    /// Times the calls of `store`.
    pub fn new(store: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    async fn timed<T>(
        &self,
        call: StoreCall,
        running: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let began = Instant::now();
        let result = running.await;
        let failed = matches!(result, Err(Error::Failed(_)));
        self.metrics.calls().store(call, began.elapsed(), failed);
        result
    }
}

#[async_trait]
impl Store for Timed {
    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.timed(StoreCall::HostGroup, self.store.host_group(request, now))
            .await
    }

    async fn group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>> {
        self.timed(
            StoreCall::GroupOfHost,
            self.store.group_of_host(domain, host, now),
        )
        .await
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        self.timed(StoreCall::GroupsIn, self.store.groups_in(domain, now))
            .await
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        self.timed(
            StoreCall::GroupsNamed,
            self.store.groups_named(prefix, limit, now),
        )
        .await
    }

    async fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Result<Option<Group>> {
        self.timed(StoreCall::GroupByCode, self.store.group_by_code(code, now))
            .await
    }

    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Result<Option<JoinCode>> {
        self.timed(StoreCall::CodeOf, self.store.code_of(group, now))
            .await
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        self.timed(
            StoreCall::Join,
            self.store.join(group, node, use_websocket, now),
        )
        .await
    }

    async fn leave(&self, group: &GroupKey, node: &Actor) -> Result<()> {
        self.timed(StoreCall::Leave, self.store.leave(group, node))
            .await
    }

    async fn dissolve(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<()> {
        self.timed(StoreCall::Dissolve, self.store.dissolve(group, host, now))
            .await
    }

    async fn renew(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group> {
        self.timed(StoreCall::Renew, self.store.renew(group, host, now))
            .await
    }

    async fn control(
        &self,
        group: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group> {
        self.timed(
            StoreCall::Control,
            self.store.control(group, host, control, now),
        )
        .await
    }

    async fn heartbeat(&self, group: &GroupKey, node: &Actor, now: Timestamp) -> Result<Timestamp> {
        self.timed(StoreCall::Heartbeat, self.store.heartbeat(group, node, now))
            .await
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &Actor,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        self.timed(StoreCall::Report, self.store.report(group, node, data, now))
            .await
    }

    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        self.timed(StoreCall::Statuses, self.store.statuses(group, now))
            .await
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        self.timed(StoreCall::StatusOf, self.store.status_of(node, now))
            .await
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        self.timed(StoreCall::Members, self.store.members(group, now))
            .await
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        self.timed(StoreCall::Append, self.store.append(call, now))
            .await
    }

    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        self.timed(
            StoreCall::EventsSince,
            self.store.events_since(group, since, max_bytes, now),
        )
        .await
    }

    async fn group_lives(&self, group: &GroupKey, now: Timestamp) -> Result<bool> {
        self.timed(StoreCall::GroupLives, self.store.group_lives(group, now))
            .await
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        self.store.any_group_lives(now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.timed(StoreCall::Reap, self.store.reap(now)).await
    }

    async fn clock_stepped(&self, step: ClockStep) -> Result<()> {
        self.store.clock_stepped(step).await
    }

    async fn ready(&self) -> Result<(), Failure> {
        self.store.ready().await
    }

    fn figures(&self, now: Timestamp) -> StoreFigures {
        self.store.figures(now)
    }
}

#[cfg(test)]
mod tests {
    /// Every call is forwarded, also one for which the trait has a default.
    #[test]
    fn each_method_of_the_contract_is_forwarded() {
        let contract = include_str!("mod.rs").split("pub trait Store:").nth(1);
        let methods = contract.expect("the trait").lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let line = line.strip_prefix("async ").unwrap_or(line);
            line.strip_prefix("fn ")?.split(['(', '<']).next()
        });
        let methods: Vec<_> = methods.collect();
        assert!(methods.len() > 20, "{methods:?}");
        for method in methods {
            let forwarded = format!("self.store.{method}(");
            let is_forwarded = include_str!("timed.rs").replace(['\n', ' '], "");
            assert!(is_forwarded.contains(&forwarded), "{method}");
        }
    }
}
