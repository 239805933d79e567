//! A store that counts reads and writes, and panics on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::model::authority::Actor;
use crate::model::cursor::Since;
use crate::model::event::{Event, EventCall};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::{AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, Result, Store};

/// A store that counts calls and panics on request.
pub struct FaultyStore {
    pub inner: Arc<dyn Store>,
    pub reads: Arc<AtomicUsize>,
    pub writes: Arc<AtomicUsize>,
    pub panics: Panics,
}

/// When calls panic.
#[derive(Clone, Copy, PartialEq)]
pub enum Panics {
    Never,
    AtOnce,
    AfterYield,
}

impl FaultyStore {
    async fn may_panic(&self) {
        if self.panics == Panics::AfterYield {
            tokio::task::yield_now().await;
        }
        assert!(self.panics == Panics::Never, "the store panics");
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.may_panic().await;
        self.inner.statuses(group, now).await
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &Actor,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let status = self.inner.report(group, node, data, now).await;
        self.may_panic().await;
        status
    }

    async fn group_lives(&self, group: &GroupKey, now: Timestamp) -> Result<bool> {
        self.inner.group_lives(group, now).await
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        self.inner.any_group_lives(now).await
    }

    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.inner.host_group(request, now).await
    }

    async fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Result<Option<Group>> {
        self.inner.group_by_code(code, now).await
    }

    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Result<Option<JoinCode>> {
        self.inner.code_of(group, now).await
    }

    async fn group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>> {
        self.inner.group_of_host(domain, host, now).await
    }

    async fn control(
        &self,
        group: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group> {
        self.inner.control(group, host, control, now).await
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        self.inner.groups_in(domain, now).await
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        self.inner.groups_named(prefix, limit, now).await
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        self.inner.join(group, node, use_websocket, now).await
    }

    async fn leave(&self, group: &GroupKey, node: &Actor) -> Result<()> {
        self.inner.leave(group, node).await
    }

    async fn dissolve(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<()> {
        self.inner.dissolve(group, host, now).await
    }

    async fn renew(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group> {
        self.inner.renew(group, host, now).await
    }

    async fn heartbeat(&self, group: &GroupKey, node: &Actor, now: Timestamp) -> Result<Timestamp> {
        self.inner.heartbeat(group, node, now).await
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        self.inner.status_of(node, now).await
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        self.inner.members(group, now).await
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        self.inner.append(call, now).await
    }

    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        self.inner.events_since(group, since, max_bytes, now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.inner.reap(now).await
    }

    async fn ready(&self) -> Result<(), Failure> {
        self.inner.ready().await
    }
}
