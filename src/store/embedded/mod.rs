//! The default store: the state in memory, and every change in a file that survives `kill -9`.
//!
//! One lock guards the state. It is held for microseconds and never over an await. Changes are
//! written to the journal in the order in which they were made. In the same order their messages
//! are published: after the changes are written, and before their calls return (decision D18).
//! Reads use the memory, and wait for changes that are not yet written (decision D27).

mod commit;
mod compaction;
mod disk;
mod folder;
mod footprint;
mod group_state;
mod journal;
mod log;
pub mod offline;
mod record;
mod state;
mod statuses;
mod thread;
mod tombstones;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

pub use self::disk::inspect;
pub use self::folder::{InUse, has_data};
use crate::memory::Memory;
use crate::metrics::StoreFigures;
use crate::model::authority::Actor;
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{Event, EventCall};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::limits::Limits;
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::{ClockStep, Timestamp};
use crate::store::embedded::commit::lock;
use crate::store::embedded::disk::Disk;
use crate::store::embedded::log::NewCall;
use crate::store::embedded::record::Changes;
use crate::store::embedded::state::State;
use crate::store::embedded::statuses::SharedStatus;
use crate::store::{
    AppendOutcome, CreateGroup, EndedGroup, Failure, HostOutcome, NoSubscribers, Publisher, Result,
    Store,
};

/// When the journal is synced to the disk. What was acknowledged survives the end of the
/// process, even by `kill -9`, with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before each answer, 5,000 times a second at most: a power cut costs nothing.
    Always,
    /// Once a second: a power cut costs the last second at most.
    #[default]
    EverySecond,
    /// When the operating system does it: a power cut costs what it has not written, often half
    /// a minute.
    No,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::No => "no",
        })
    }
}

/// How changes are kept in a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// When the journal is synced.
    pub durability: Durability,
    /// How soon the data of an ended group is gone from the disk (decision D29).
    pub erase_after: Duration,
    /// How long a call waits for the disk.
    pub disk_timeout: Duration,
}

impl From<Durability> for Options {
    fn from(durability: Durability) -> Self {
        Self {
            durability,
            erase_after: Duration::from_mins(10),
            disk_timeout: Duration::from_secs(10),
        }
    }
}

/// The embedded store.
pub struct Embedded(Place);

/// Where the state is kept.
enum Place {
    Memory {
        state: Box<Mutex<State>>,
        publisher: Arc<dyn Publisher>,
    },
    Disk(Disk),
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
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
        let state = State::new(rules, limits, memory, Changes::in_memory());
        let state = Box::new(Mutex::new(state));
        Self(Place::Memory { state, publisher })
    }

    /// A store in the folder `data`, which is created if it is missing, without subscribers and
    /// without a memory budget.
    ///
    /// # Errors
    /// When the folder cannot be used, another process uses it ([`InUse`]), or its data is
    /// damaged (decision D28).
    pub fn open(
        data: &Path,
        options: impl Into<Options>,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let (memory, publisher) = (Memory::unlimited(), Arc::new(NoSubscribers));
        Self::open_within(memory, publisher, data, options, rules, limits)
    }

    /// The same with a publisher and the memory budget `memory`. The data in the folder is
    /// loaded even if it exceeds the budget, because it was acknowledged.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_within(
        memory: Memory,
        publisher: Arc<dyn Publisher>,
        data: &Path,
        options: impl Into<Options>,
        rules: Rules,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let state = State::new(rules, limits, memory.clone(), Changes::persisted());
        let disk = Disk::open(data, options.into(), state, memory, publisher)?;
        Ok(Self(Place::Disk(disk)))
    }

    async fn read<T>(&self, read: impl Fn(&mut State) -> T) -> Result<T> {
        match &self.0 {
            Place::Memory { state, .. } => Ok(read(&mut lock(state))),
            Place::Disk(disk) => Ok(disk.shared().read(read).await?),
        }
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(&mut State) -> Result<T, ClientError>,
    ) -> Result<T> {
        match &self.0 {
            Place::Memory { state, publisher } => {
                let mut state = lock(state);
                let result = write(&mut state);
                // Under the lock: in the order of the changes.
                for message in state.changes().take().messages {
                    publisher.publish(message);
                }
                Ok(result?)
            }
            Place::Disk(disk) => Ok(disk.shared().write(write).await??),
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome> {
        self.write(|state| state.host_group(request, now)).await
    }

    async fn group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>> {
        self.read(|state| state.group_of_host(domain, host, now))
            .await
    }

    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>> {
        self.read(|state| state.groups_in(domain, now)).await
    }

    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>> {
        self.read(|state| state.groups_named(prefix, limit, now))
            .await
    }

    async fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Result<Option<Group>> {
        self.read(|state| state.group_by_code(code, now)).await
    }

    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Result<Option<JoinCode>> {
        self.read(|state| state.code_of(group, now)).await
    }

    async fn join(
        &self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group> {
        self.write(|state| state.join(group, node, use_websocket, now))
            .await
    }

    async fn leave(&self, group: &GroupKey, node: &Actor) -> Result<()> {
        self.write(|state| state.leave(group, node)).await
    }

    async fn dissolve(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<()> {
        self.write(|state| state.dissolve(group, host, now)).await
    }

    async fn renew(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group> {
        self.write(|state| state.renew(group, host, now)).await
    }

    async fn control(
        &self,
        group: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group> {
        self.write(|state| state.control(group, host, control, now))
            .await
    }

    async fn heartbeat(&self, group: &GroupKey, node: &Actor, now: Timestamp) -> Result<Timestamp> {
        self.write(|state| state.heartbeat(group, node, now)).await
    }

    async fn report(
        &self,
        group: &GroupKey,
        node: &Actor,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        let data = Arc::new(data);
        self.write(|state| state.report(group, node, data, now))
            .await
    }

    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>> {
        self.read(|state| state.statuses(group, now)).await
    }

    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>> {
        let shared = self.read(|state| state.status_of(node, now)).await?;
        Ok(shared.and_then(SharedStatus::merge))
    }

    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        self.read(|state| state.members(group, now)).await
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
        let found = self
            .read(|state| state.events_since(group, since, now))
            .await?;
        Ok(found.into_page(max_bytes))
    }

    async fn group_lives(&self, group: &GroupKey, now: Timestamp) -> Result<bool> {
        self.read(|state| state.group_lives(group, now)).await
    }

    async fn any_group_lives(&self, now: Timestamp) -> Result<bool> {
        self.read(|state| state.any_group_lives(now)).await
    }

    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>> {
        self.write(|state| Ok(state.reap(now))).await
    }

    async fn clock_stepped(&self, step: ClockStep) -> Result<()> {
        self.write(|state| {
            state.clock_stepped(step);
            Ok(())
        })
        .await
    }

    async fn ready(&self) -> Result<(), Failure> {
        match &self.0 {
            Place::Memory { .. } => Ok(()),
            Place::Disk(disk) => disk.shared().ready(),
        }
    }

    fn figures(&self, now: Timestamp) -> StoreFigures {
        match &self.0 {
            Place::Memory { state, .. } => StoreFigures {
                population: Some(lock(state).population(now)),
                journal: None,
            },
            Place::Disk(disk) => disk.shared().figures(now),
        }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
