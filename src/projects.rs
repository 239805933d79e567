//! What the cloud sockets of one group share: the newest values and the nodes that are in use.
//!
//! A node's variables leave the group with it, but a cloud variable is to keep its value while
//! any project is open. So the newest values that cloud sockets set are kept here for projects that
//! open later, until the group's host clears them or removes the node.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::lesson::Control;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;

/// How the ids of cloud sockets' nodes begin.
pub const NODE_PREFIX: &str = "cloud-";
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 160;
/// How many sockets at once read all values of their group, which may be some megabytes.
const READING: usize = 4;
/// The time between two looks for projects that are kept no longer.
const SWEEP: Duration = Duration::from_secs(1);

/// What names a project.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProjectKey {
    /// The group with a join code.
    Group(GroupKey),
    /// The id of a project whose groups follow one another.
    Open(String),
}

/// The projects that have sockets, or had some lately. Clones share them.
#[derive(Clone, Debug)]
pub struct Projects {
    table: Arc<Mutex<HashMap<ProjectKey, Arc<Project>>>>,
    reading: Arc<Semaphore>,
}

impl Default for Projects {
    fn default() -> Self {
        Self {
            table: Arc::default(),
            reading: Arc::new(Semaphore::new(READING)),
        }
    }
}

/// One group's values and nodes.
#[derive(Debug)]
pub struct Project {
    /// The most bytes of values.
    limit: usize,
    state: Mutex<State>,
}

/// A variable's newest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The variable.
    pub data: SensorData,
    /// When it was reported.
    pub at: Timestamp,
}

/// The newest value of a variable that the group has shown.
#[derive(Debug)]
struct Kept {
    value: String,
    at: Timestamp,
    node: NodeId,
}

#[derive(Debug)]
struct State {
    values: HashMap<String, Kept>,
    /// The nodes that the group's host removed.
    removed: HashSet<NodeId>,
    /// When the group's host cleared all values last.
    cleared: Option<Timestamp>,
    /// Counts the values and the removed nodes.
    lease: Lease,
    in_use: HashSet<NodeId>,
    /// When the last socket was closed.
    idle_since: Instant,
    /// When a socket renewed the group's host last.
    renewed: Option<Instant>,
}

/// A node that one socket uses; dropping it frees the node.
#[derive(Debug)]
pub struct NodeSlot {
    project: Arc<Project>,
    /// The node.
    pub node: NodeId,
}

impl Projects {
    /// The project of this name. Values take up to `limit` bytes.
    pub fn open(&self, key: ProjectKey, memory: &Memory, limit: usize) -> Arc<Project> {
        let mut projects = self.lock();
        let project = projects.entry(key);
        Arc::clone(project.or_insert_with(|| Arc::new(Project::new(memory, limit))))
    }

    /// Waits for a permit to read all values of a group.
    pub async fn reading(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reading).acquire_owned().await.ok()
    }

    /// Forgets what a control of the group's host has taken from the group, at `now`.
    pub fn on_control(&self, group: &GroupKey, control: &Control, now: Timestamp) {
        let key = ProjectKey::Group(group.clone());
        let Some(project) = self.lock().get(&key).cloned() else {
            return;
        };
        match control {
            Control::ClearData => project.lock().clear(now),
            Control::RemoveNode(node) => project.lock().remove(node, project.limit),
            _ => {}
        }
    }

    /// Drops the projects whose last socket was closed longer ago than `keep`, until `stop`.
    pub async fn sweep_until(&self, stop: CancellationToken, keep: Duration) {
        let mut tick = interval(SWEEP);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.sweep(keep);
        }
    }

    fn sweep(&self, keep: Duration) {
        let now = Instant::now();
        let is_kept =
            |project: &Arc<Project>| Arc::strong_count(project) > 1 || project.is_kept(now, keep);
        self.lock().retain(|_, project| is_kept(project));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectKey, Arc<Project>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Project {
    fn new(memory: &Memory, limit: usize) -> Self {
        let state = State {
            values: HashMap::new(),
            removed: HashSet::new(),
            cleared: None,
            lease: memory.lease(Purpose::Queues, 0),
            in_use: HashSet::new(),
            idle_since: Instant::now(),
            renewed: None,
        };
        Self {
            limit,
            state: Mutex::new(state),
        }
    }

    /// Takes a node, unless another socket uses it.
    pub fn take(self: &Arc<Self>, node: NodeId) -> Option<NodeSlot> {
        let is_free = self.lock().in_use.insert(node.clone());
        is_free.then(|| NodeSlot {
            project: Arc::clone(self),
            node,
        })
    }

    /// Whether a socket uses the node.
    pub fn is_in_use(&self, node: &NodeId) -> bool {
        self.lock().in_use.contains(node)
    }

    /// Whether the group's host is to be renewed by this caller: one is enough in `interval`.
    pub fn is_renewal_due(&self, interval: Duration) -> bool {
        let (mut state, now) = (self.lock(), Instant::now());
        let is_due = state.renewed.is_none_or(|at| now - at >= interval);
        if is_due {
            state.renewed = Some(now);
        }
        is_due
    }

    /// Keeps the values of a report, if they are newer.
    pub fn record(&self, status: &NodeStatus) {
        self.lock().record(status, self.limit);
    }

    /// Adds `statuses`, all of the group, and returns the newest values of both: those of
    /// the group, and within the limit those that cloud sockets set whose nodes have left.
    pub fn merge(&self, statuses: &[NodeStatus]) -> Vec<Value> {
        let mut newest: HashMap<String, Value> = HashMap::new();
        let mut add = |data: SensorData, at| {
            let known = newest.get(&data.key);
            if known.is_none_or(|known| known.at <= at) {
                newest.insert(data.key.clone(), Value { data, at });
            }
        };
        let mut state = self.lock();
        let mut room = self.limit;
        for status in statuses {
            state.record(status, self.limit);
            for data in status.data.iter() {
                room = room.saturating_sub(data.bytes());
                add(data.clone(), status.timestamp);
            }
        }
        for (key, kept) in state.values.iter().filter(|(_, kept)| kept.outlives_node()) {
            let bytes = key.len() + kept.value.len();
            if bytes <= room {
                room -= bytes;
                let (key, value) = (key.clone(), kept.value.clone());
                add(SensorData { key, value }, kept.at);
            }
        }
        drop(state);
        newest.into_values().collect()
    }

    /// The newest value of a variable.
    pub fn value(&self, key: &str) -> Option<String> {
        let state = self.lock();
        state.values.get(key).map(|kept| kept.value.clone())
    }

    fn is_kept(&self, now: Instant, keep: Duration) -> bool {
        let state = self.lock();
        !state.in_use.is_empty() || now - state.idle_since < keep
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whether a cloud socket set it: the variables of other nodes end with them.
    fn outlives_node(&self) -> bool {
        self.node.as_str().starts_with(NODE_PREFIX)
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.value.len() + self.node.as_str().len()
    }
}

impl State {
    /// Keeps the values that are newer. One for which there is no room is only delivered.
    fn record(&mut self, status: &NodeStatus, limit: usize) {
        let (node, at) = (&status.node, status.timestamp);
        let is_cleared = self.cleared.is_some_and(|cleared| at <= cleared);
        if is_cleared || self.removed.contains(node) {
            return;
        }
        for SensorData { key, value } in status.data.iter() {
            if self.values.get(key).is_some_and(|kept| kept.at > at) {
                continue;
            }
            let former = self.forget(key);
            let (value, node) = (value.clone(), node.clone());
            let kept = Kept { value, at, node };
            let bytes = key.len() + kept.bytes();
            if self.admits(bytes, former, limit) {
                self.lease.grow(bytes);
                self.values.insert(key.clone(), kept);
            }
        }
    }

    /// Whether there is room for `bytes` in place of `former` ones that are freed.
    fn admits(&self, bytes: usize, former: usize, limit: usize) -> bool {
        let growth = bytes.saturating_sub(former);
        let memory = self.lease.memory();
        self.lease.bytes() + bytes <= limit && memory.admit_growth(growth).is_ok()
    }

    /// Frees a value; returns its bytes.
    fn forget(&mut self, key: &str) -> usize {
        let kept = self.values.remove(key);
        let bytes = kept.map_or(0, |kept| key.len() + kept.bytes());
        self.lease.shrink(bytes);
        bytes
    }

    /// All values were cleared; reports until `now` may still be on their way to here.
    fn clear(&mut self, now: Timestamp) {
        self.cleared = Some(now);
        for (key, kept) in std::mem::take(&mut self.values) {
            self.lease.shrink(key.len() + kept.bytes());
        }
    }

    /// The node was removed; its reports may still be on their way to here.
    fn remove(&mut self, node: &NodeId, limit: usize) {
        let of_node = self.values.iter().filter(|(_, kept)| kept.node == *node);
        let keys: Vec<_> = of_node.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.forget(&key);
        }
        let bytes = ENTRY_BYTES + node.as_str().len();
        if self.admits(bytes, 0, limit) && self.removed.insert(node.clone()) {
            self.lease.grow(bytes);
        }
    }
}

impl Drop for NodeSlot {
    fn drop(&mut self) {
        let mut state = self.project.lock();
        state.in_use.remove(&self.node);
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests;
