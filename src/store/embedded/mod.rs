//! The default store: the stage in memory, and each change in a file that survives
//! `kill -9`.
//!
//! One lock guards the state; it is held for microseconds and never over an await.
//! Changes reach the disk in the order in which they happened, and a caller is answered
//! after its changes are there. Reads are answered from memory.

mod ended;
mod files;
mod footprint;
mod journal;
mod log;
mod records;
mod room;
mod state;
mod statuses;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

pub use self::journal::Durability;
use crate::heartbeat::rules::Rules;
use crate::memory::Memory;
use crate::model::error::ClientError;
use crate::model::event::{Event, EventCall, Since};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::embedded::log::NewCall;
use crate::store::embedded::records::Changes;
use crate::store::embedded::state::State;
use crate::store::embedded::statuses::OwnStatus;
use crate::store::embedded::writer::Writer;
use crate::store::{AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, Result, Store};

/// The embedded store.
#[derive(Debug)]
pub struct Embedded {
    state: Arc<Mutex<State>>,
    writer: Option<Writer>,
}

impl Embedded {
    /// A stage that is forgotten when the process ends, without a budget.
    pub fn in_memory(rules: Rules, limits: Limits) -> Self {
        Self::in_memory_within(Memory::unlimited(), rules, limits)
    }

    /// The same, which counts in `memory` what it holds.
    pub fn in_memory_within(memory: Memory, rules: Rules, limits: Limits) -> Self {
        let state = State::new(rules, limits, memory, Changes::ignored());
        Self {
            state: Arc::new(Mutex::new(state)),
            writer: None,
        }
    }

    /// A stage that lives in the folder `data`, which is made if it is missing, without a
    /// budget.
    ///
    /// # Errors
    /// When the folder cannot be used, another process holds it, or a record in it
    /// cannot be read.
    pub fn open(
        data: &Path,
        durability: Durability,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        Self::open_within(Memory::unlimited(), data, durability, rules, limits)
    }

    /// The same, which counts in `memory` what it holds. What is in the folder is taken
    /// up even when the budget has no room for it: it was promised.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_within(
        memory: Memory,
        data: &Path,
        durability: Durability,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let state = State::new(rules, limits, memory.clone(), Changes::collected());
        let state = Arc::new(Mutex::new(state));
        let writer = Some(Writer::open(data, durability, &state, memory)?);
        Ok(Self { state, writer })
    }

    fn read<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // A panic while the lock was held cannot leave half a record: each verb checks first.
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn write<T>(&self, act: impl FnOnce(&mut State) -> Result<T, ClientError>) -> Result<T> {
        let Some(writer) = &self.writer else {
            return Ok(self.read(act)?);
        };
        // A place in the queue comes first, so that inside the lock nothing waits and
        // the queue's order is the order of the changes.
        let place = writer.place().await?;
        let (answer, done) = self.read(|state| {
            writer.ready()?;
            let answer = act(state);
            // What changes nothing may still tell of a change that is on its way to disk.
            Ok::<_, Failure>((answer, place.write(state.take_changes())))
        })?;
        done.await?;
        Ok(answer?)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn host_group(&self, wish: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.write(|state| state.host_group(wish, now)).await
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

    async fn beat(&self, group: &GroupKey, node: &NodeId, now: Timestamp) -> Result<Timestamp> {
        self.write(|state| state.beat(group, node, now)).await
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
        let own = self.read(|state| state.status_of(node, now));
        Ok(own.and_then(OwnStatus::told))
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        Ok(self.read(|state| state.members(group, now)))
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome> {
        let new = NewCall::from(call);
        let taken = self.write(|state| state.append(&new, now)).await?;
        Ok(AppendOutcome {
            batch: new.call.batch(taken.stamp.at),
            next_since: taken.last.to_string(),
            repeated: taken.repeated,
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
        Ok(found.told(max_bytes))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::rules::Timings;
    use crate::store::suite;

    fn rules() -> Rules {
        Rules::new(Timings::STG).unwrap()
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        suite::run(|| async { Embedded::in_memory(rules(), suite::LIMITS) }).await;
    }

    #[tokio::test]
    async fn the_persistent_store_keeps_the_contract() {
        suite::run(|| async {
            let folder = tempfile::tempdir().unwrap();
            Embedded::open(&folder.keep(), Durability::Power, rules(), suite::LIMITS).unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        for durability in [Durability::Power, Durability::Process] {
            let folder = tempfile::tempdir().unwrap();
            let open = || open(folder.path(), durability).unwrap();
            let told = suite::live_through_a_lesson(&open()).await;
            assert_eq!(suite::all_that_is_told(&open(), &told).await, told);
        }
    }

    #[tokio::test]
    async fn a_second_process_is_refused_with_a_sentence_that_helps() {
        for durability in [Durability::Power, Durability::Process] {
            let folder = tempfile::tempdir().unwrap();
            let _first = open(folder.path(), durability).unwrap();
            let error = open(folder.path(), Durability::Power).unwrap_err();
            assert!(
                format!("{error:#}").contains("another mesh-v2"),
                "{error:#}"
            );
        }
    }

    #[tokio::test]
    async fn a_damaged_file_is_told_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        suite::live_through_a_lesson(&open(folder.path(), Durability::Process).unwrap()).await;
        let file = folder.path().join("mesh.redb");
        let mut bytes = std::fs::read(&file).unwrap();
        let third = bytes.len() / 3;
        bytes[..third].fill(0x5a);
        std::fs::write(&file, &bytes).unwrap();
        open(folder.path(), Durability::Process).unwrap_err();
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }

    fn open(folder: &Path, durability: Durability) -> anyhow::Result<Embedded> {
        Embedded::open(folder, durability, rules(), Limits::default())
    }
}
