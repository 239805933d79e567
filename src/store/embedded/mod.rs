//! The default store: the state in memory, and every change in a file that survives `kill -9`.
//!
//! One lock guards the state. It is held for microseconds and never over an await. Changes are
//! written to disk in the order in which they were made. In the same order their messages are
//! published: after the changes are on disk, and before their calls return (decision D18). Reads
//! use the memory only.

mod files;
mod footprint;
mod group_state;
mod journal;
mod log;
mod records;
mod state;
mod statuses;
mod tombstones;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

pub use self::files::DATABASE;
pub use self::journal::Durability;
use crate::memory::Memory;
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{Event, EventCall};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::embedded::log::NewCall;
use crate::store::embedded::records::Changes;
use crate::store::embedded::state::State;
use crate::store::embedded::statuses::SharedStatus;
use crate::store::embedded::writer::Writer;
use crate::store::{
    AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, NoSubscribers, Publisher, Result,
    Store,
};

/// The embedded store.
pub struct Embedded {
    state: Arc<Mutex<State>>,
    writer: Option<Writer>,
    publisher: Arc<dyn Publisher>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut store = f.debug_struct("Embedded");
        store
            .field("state", &self.state)
            .field("writer", &self.writer);
        store.finish_non_exhaustive()
    }
}

impl Embedded {
    /// A store in memory only, without subscribers and without a memory budget.
    pub fn in_memory(rules: Rules, limits: Limits) -> Self {
        Self::in_memory_within(Memory::unlimited(), Arc::new(NoSubscribers), rules, limits)
    }

    /// The same with a publisher and the memory budget `memory`.
    pub fn in_memory_within(
        memory: Memory,
        publisher: Arc<dyn Publisher>,
        rules: Rules,
        limits: Limits,
    ) -> Self {
        let state = State::new(rules, limits, memory, Changes::disabled());
        Self {
            state: Arc::new(Mutex::new(state)),
            writer: None,
            publisher,
        }
    }

    /// A store in the folder `data`, which is created if it is missing, without subscribers and
    /// without a memory budget.
    ///
    /// # Errors
    /// When the folder cannot be used, another process uses it, or a record in it cannot be
    /// read.
    pub fn open(
        data: &Path,
        durability: Durability,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let (memory, publisher) = (Memory::unlimited(), Arc::new(NoSubscribers));
        Self::open_within(memory, publisher, data, durability, rules, limits)
    }

    /// The same with a publisher and the memory budget `memory`. The records in the folder are loaded even if
    /// they exceed the budget, because they were acknowledged.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_within(
        memory: Memory,
        publisher: Arc<dyn Publisher>,
        data: &Path,
        durability: Durability,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let state = State::new(rules, limits, memory.clone(), Changes::enabled());
        let state = Arc::new(Mutex::new(state));
        let to = Arc::clone(&publisher);
        let writer = Some(Writer::open(data, durability, &state, to, memory)?);
        Ok(Self {
            state,
            writer,
            publisher,
        })
    }

    fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // A panic under the lock leaves no partial change: each method checks before it writes.
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(&mut State) -> Result<T, ClientError>,
    ) -> Result<T> {
        let Some(writer) = &self.writer else {
            return Ok(self.read(|state| {
                let result = write(state);
                // Under the lock: in the order of the changes.
                for message in state.take_messages() {
                    self.publisher.publish(message);
                }
                result
            })?);
        };
        // The queue slot is reserved first, so that nothing waits under the lock and the queue
        // has the order of the changes.
        let slot = writer.reserve().await?;
        let (result, written) = self.read(|state| {
            writer.ready()?;
            let result = write(state);
            // A call without changes waits too: its result may depend on changes not yet on disk.
            let (changes, messages) = (state.take_changes(), state.take_messages());
            Ok::<_, Failure>((result, slot.write(changes, messages)))
        })?;
        written.await?;
        Ok(result?)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.write(|state| state.host_group(request, now)).await
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.read(|state| state.groups_in(domain, now)))
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        Ok(self.read(|state| state.groups_named(prefix, limit, now)))
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        self.write(|state| state.join(group, node, use_websocket, now))
            .await
    }

    async fn leave(&self, group: &GroupKey, node: &NodeId) -> Result<()> {
        self.write(|state| {
            state.leave(group, node);
            Ok(())
        })
        .await
    }

    async fn dissolve(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<()> {
        self.write(|state| state.dissolve(group, host, now)).await
    }

    async fn renew(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<Group> {
        self.write(|state| state.renew(group, host, now)).await
    }

    async fn heartbeat(
        &self,
        group: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Timestamp> {
        self.write(|state| state.heartbeat(group, node, now)).await
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &NodeId,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        let data = Arc::new(data);
        self.write(|state| state.report(group, node, data, now))
            .await
    }

    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        Ok(self.read(|state| state.statuses(group, now)))
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        let shared = self.read(|state| state.status_of(node, now));
        Ok(shared.and_then(SharedStatus::merge))
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        Ok(self.read(|state| state.members(group, now)))
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        let new = NewCall::from(call);
        let appended = self.write(|state| state.append(&new, now)).await?;
        Ok(AppendOutcome {
            batch: new.batch(appended.stamp.at),
            next_since: appended.last.to_string(),
            repeated: appended.repeated,
        })
    }

    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        let found = self.read(|state| state.events_since(group, since, now));
        Ok(found.into_page(max_bytes))
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        Ok(self.read(|state| state.any_group_lives(now)))
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.write(|state| Ok(state.reap(now))).await
    }

    async fn ready(&self) -> Result<(), Failure> {
        self.writer.as_ref().map_or(Ok(()), Writer::ready)
    }
}

/// Whether a data folder could not be opened because another server has it open.
pub fn is_in_use(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<redb::DatabaseError>();
    matches!(error, Some(redb::DatabaseError::DatabaseAlreadyOpen))
}

#[cfg(test)]
mod tests;
