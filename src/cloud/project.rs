//! What the cloud sockets of one group share: the newest values and the nodes that are in use.
//!
//! A node's variables leave the group with it, but a cloud variable is to keep its value while
//! anybody plays. So the newest values are kept here for projects that open later.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::cloud::session::Value;
use crate::memory::{Lease, Memory, Purpose, Work};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;

/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 160;
/// How many sockets at once read all values of their group, which may be some megabytes.
const READING: usize = 4;
/// The shortest time between two looks for projects that are kept no longer.
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
    table: Arc<Mutex<Table>>,
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

#[derive(Debug, Default)]
struct Table {
    projects: HashMap<ProjectKey, Arc<Project>>,
    swept: Option<Instant>,
}

/// One group's values and nodes.
#[derive(Debug)]
pub struct Project {
    /// The most bytes of values.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    values: HashMap<String, (String, Timestamp)>,
    /// Counts the values.
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
    /// The project of this name. Others are dropped whose last socket was closed longer ago
    /// than `keep`. Values take up to `limit` bytes.
    pub fn open(
        &self,
        key: ProjectKey,
        memory: &Memory,
        limit: usize,
        keep: Duration,
    ) -> Arc<Project> {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.swept.is_none_or(|at| now - at >= SWEEP) {
            table.swept = Some(now);
            let is_kept = |project: &Arc<Project>| {
                Arc::strong_count(project) > 1 || project.is_kept(now, keep)
            };
            table.projects.retain(|_, project| is_kept(project));
        }
        let project = table.projects.entry(key);
        Arc::clone(project.or_insert_with(|| Arc::new(Project::new(memory, limit))))
    }
}

impl Projects {
    /// Waits for a permit to read all values of a group.
    pub async fn reading(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reading).acquire_owned().await.ok()
    }
}

impl Project {
    fn new(memory: &Memory, limit: usize) -> Self {
        let state = State {
            values: HashMap::new(),
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
        for data in status.data.iter() {
            self.lock().record(data, status.timestamp, self.limit);
        }
    }

    /// Adds `values`, the newest of the group, and returns the newest of both.
    pub fn merge(&self, values: Vec<Value>) -> Vec<Value> {
        let mut state = self.lock();
        let mut newest: HashMap<_, _> = state.values.clone();
        for Value { data, at } in values {
            state.record(&data, at, self.limit);
            if newest.get(&data.key).is_none_or(|(_, known)| *known <= at) {
                newest.insert(data.key, (data.value, at));
            }
        }
        drop(state);
        let newest = newest.into_iter().map(|(key, (value, at))| Value {
            data: SensorData { key, value },
            at,
        });
        newest.collect()
    }

    /// The newest value of a variable.
    pub fn value(&self, key: &str) -> Option<String> {
        let state = self.lock();
        state.values.get(key).map(|(value, _)| value.clone())
    }

    fn is_kept(&self, now: Instant, keep: Duration) -> bool {
        let state = self.lock();
        !state.in_use.is_empty() || now - state.idle_since < keep
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps a value. One for which there is no memory is only delivered.
    fn record(&mut self, data: &SensorData, at: Timestamp, limit: usize) {
        if let Some((value, known)) = self.values.get_mut(&data.key) {
            if *known <= at {
                self.lease.shrink(value.len());
                self.lease.grow(data.value.len());
                value.clone_from(&data.value);
                *known = at;
            }
            return;
        }
        let bytes = ENTRY_BYTES + data.bytes();
        let fits = self.lease.bytes() + bytes <= limit;
        if fits && self.lease.memory().admit(Work::Data, bytes).is_ok() {
            self.lease.grow(bytes);
            let value = (data.value.clone(), at);
            self.values.insert(data.key.clone(), value);
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
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_mins(1);

    fn open(projects: &Projects, name: &str) -> Arc<Project> {
        let key = ProjectKey::Open(name.into());
        projects.open(key, &Memory::unlimited(), 2 * ENTRY_BYTES + 10, KEEP)
    }

    fn report(project: &Project, key: &str, value: &str, at: i64) {
        project.record(&NodeStatus {
            node: NodeId::parse("nodeId", "n").unwrap(),
            group: GroupKey::parse("g", "d").unwrap(),
            data: vec![SensorData {
                key: key.into(),
                value: value.into(),
            }]
            .into(),
            timestamp: Timestamp::from_millis(at),
        });
    }

    #[test]
    fn the_newest_values_are_kept_within_the_limit() {
        let project = open(&Projects::default(), "p");
        report(&project, "a", "1", 5);
        report(&project, "a", "0", 4);
        report(&project, "b", "2", 5);
        report(&project, "c", "3", 5);
        let value = |key: &str| project.value(key);
        assert_eq!(value("a").as_deref(), Some("1"));
        assert_eq!((value("b").as_deref(), value("c")), (Some("2"), None));
        let newer = Value {
            data: SensorData {
                key: "a".into(),
                value: "9".into(),
            },
            at: Timestamp::from_millis(6),
        };
        let mut merged: Vec<_> = project.merge(vec![newer]);
        merged.sort_by(|a, b| a.data.key.cmp(&b.data.key));
        let texts: Vec<_> = merged.iter().map(|value| &*value.data.value).collect();
        assert_eq!(texts, ["9", "2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_project_is_kept_for_a_while_after_its_last_socket() {
        let projects = Projects::default();
        let project = open(&projects, "p");
        report(&project, "a", "1", 5);
        let node = NodeId::parse("nodeId", "n").unwrap();
        let slot = project.take(node.clone());
        assert!(slot.is_some() && project.take(node.clone()).is_none());
        drop(slot);
        assert!(!project.is_in_use(&node));
        drop(project);
        tokio::time::advance(KEEP / 2).await;
        assert!(open(&projects, "p").value("a").is_some());
        tokio::time::advance(KEEP).await;
        open(&projects, "other");
        assert!(open(&projects, "p").value("a").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_socket_renews_the_host_in_an_interval() {
        let project = open(&Projects::default(), "p");
        let due = || project.is_renewal_due(KEEP);
        assert!(due() && !due());
        tokio::time::advance(KEEP).await;
        assert!(due());
    }
}
