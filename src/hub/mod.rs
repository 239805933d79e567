//! Publish and subscribe: every group's subscribers on this server.
//!
//! Each group has a topic. Publishing neither renders nor waits for a subscriber: it adds
//! the message to the topic's batches of subscribers, and a dispatcher delivers what is
//! pending to a whole batch. A topic's first [`MAX_SHARED_SELECTIONS`] selections without
//! aliases are rendered once per message, and subscribers share the bytes; any other
//! subscriber renders by itself. The hub does not depend on the store or on a protocol.

mod batch;
mod dispatcher;
mod history;
mod publication;
mod rendering;
pub mod selection;
mod topic;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::dispatcher::Dispatcher;
use crate::hub::history::History;
use crate::hub::selection::Selection;
use crate::hub::topic::Topic;
use crate::memory::{Memory, Purpose};
use crate::metrics::{MessageKind, Metrics};
use crate::model::group::GroupKey;
use crate::model::message::Message;

pub use history::{HistoryLimits, Position, Resume, Start};
pub use publication::{MAX_SHARED_SELECTIONS, MIN_SHARED_BYTES, Publication, leased_bytes};
pub use rendering::LeasedSelection;

/// Parts of the hub that are locked apart, so that groups seldom wait for each other.
const SHARDS: usize = 32;

/// Receives a topic's messages, in the topic's order (decision D18). The methods must
/// neither wait nor call the hub.
pub trait Subscriber: Send + Sync {
    /// It is being registered: called before any message (decision D17).
    fn on_subscribe(&self);

    /// Takes rendered values of the subscription's `data`, oldest first; `sequence` is the
    /// first one's number in the topic. `scratch` is lent for the call; its content has no
    /// meaning.
    fn deliver(&self, messages: &[Bytes], sequence: u64, scratch: &mut Vec<u8>);

    /// Takes the next message, to render it by itself: called only if the subscriber got its
    /// selection when it was registered.
    fn enqueue(self: Arc<Self>, message: &Arc<Publication>, sequence: u64);

    /// A message by its selection exceeds the limit and is not delivered (decision D25).
    fn on_oversized(&self);

    /// The message that ends its group was delivered: no other follows.
    fn on_group_end(&self) {}

    /// It is no longer registered. A delivery that is under way may still reach it.
    fn on_unsubscribe(&self);
}

type Topics = HashMap<GroupKey, Arc<Topic>>;

/// The topics of all groups that have subscribers, also such that may come back.
pub struct Hub {
    /// A topic is added and removed, and its subscribers are added, under its shard's lock.
    shards: [RwLock<Topics>; SHARDS],
    hasher: RandomState,
    dispatchers: Box<[Dispatcher]>,
    next_dispatcher: AtomicUsize,
    memory: Memory,
    metrics: Metrics,
    history: HistoryLimits,
    rendering: Semaphore,
}

/// A registered subscriber; dropping it unsubscribes.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    hub: Arc<Hub>,
    topic: Arc<Topic>,
    id: u64,
    /// Whether it asked for positions.
    resumes: bool,
}

impl Hub {
    /// A hub without subscribers, with a dispatcher per core.
    pub fn new() -> Arc<Self> {
        Self::with_memory(Memory::unlimited())
    }

    /// The same, with leases of a memory budget for selections and messages (decision D26).
    pub fn with_memory(memory: Memory) -> Arc<Self> {
        Self::with_history(memory, HistoryLimits::default())
    }

    /// The same, with limits for what is kept for subscribers that come back.
    pub fn with_history(memory: Memory, history: HistoryLimits) -> Arc<Self> {
        Self::counted(memory, history, Metrics::default())
    }

    /// The same, with counters of its messages.
    pub fn counted(memory: Memory, history: HistoryLimits, metrics: Metrics) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            dispatchers: (0..cores).map(|_| Dispatcher::default()).collect(),
            next_dispatcher: AtomicUsize::new(0),
            memory,
            metrics,
            history,
            rendering: Semaphore::new(1),
        })
    }

    /// Runs the dispatchers until `stop`; without them, messages stay pending.
    pub fn run_dispatchers(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for dispatcher in &self.dispatchers {
            let (dispatcher, stop) = (dispatcher.clone(), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(dispatcher.run()).await });
        }
    }

    /// Delivers all pending messages now, on the caller's thread.
    pub fn flush(&self) {
        self.dispatchers.iter().for_each(Dispatcher::flush);
    }

    /// Waits for the permit to render for one subscriber. There is one, so that all
    /// subscribers that render by themselves take one core at most.
    pub async fn rendering_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.rendering.acquire().await.ok()
    }

    /// Registers a subscriber. It gets everything that is published after this returns and
    /// nothing that was published before (decision D17). `create` gets the selection if the
    /// subscriber is to render by itself.
    pub fn subscribe(
        self: &Arc<Self>,
        group: &GroupKey,
        selection: Selection,
        create: impl FnOnce(Option<LeasedSelection>) -> Arc<dyn Subscriber>,
    ) -> Subscription {
        self.register(group, selection, None, |own, _| create(own))
    }

    /// Registers a subscriber that asks for positions: it gets what it missed before, if all of
    /// that is kept. `create` gets where it starts, besides.
    pub fn resume(
        self: &Arc<Self>,
        group: &GroupKey,
        selection: Selection,
        resume: &Resume,
        create: impl FnOnce(Option<LeasedSelection>, Option<Start>) -> Arc<dyn Subscriber>,
    ) -> Subscription {
        self.register(group, selection, Some(resume), create)
    }

    fn register(
        self: &Arc<Self>,
        group: &GroupKey,
        selection: Selection,
        resume: Option<&Resume>,
        create: impl FnOnce(Option<LeasedSelection>, Option<Start>) -> Arc<dyn Subscriber>,
    ) -> Subscription {
        let lease = self.memory.lease(Purpose::Selections, selection.bytes());
        let selection = LeasedSelection::new(selection, lease);
        let dispatcher = || self.next_dispatcher();
        let history = || History::new(self.history, &self.memory);
        let subscribe = |topic: &Arc<Topic>| Subscription {
            hub: Arc::clone(self),
            topic: Arc::clone(topic),
            id: topic.subscribe(selection, resume, create, history, dispatcher),
            resumes: resume.is_some(),
        };
        let shard = self.shard(group);
        if let Some(topic) = read(shard).get(group) {
            return subscribe(topic);
        }
        let mut topics = write(shard);
        let topic = topics.entry(group.clone());
        subscribe(
            topic.or_insert_with(|| Arc::new(Topic::new(group.clone(), self.metrics.clone()))),
        )
    }

    /// Publishes a message to all subscribers of its group, in one order for all. It is cheap
    /// and delivers nothing: the publisher may hold a store's lock. It calls
    /// [`Hub::flush_exceeded`] later.
    pub fn publish(&self, message: Message) {
        self.metrics.messages().published(kind_of(&message));
        let shard = self.shard(message.group());
        let Some(topic) = read(shard).get(message.group()).cloned() else {
            return;
        };
        topic.publish(&Arc::new(Publication::new(message, &self.memory)));
    }

    /// Delivers to the group's batches that exceed the high-water mark, on the caller's thread:
    /// who sends faster than the dispatchers deliver delivers too.
    pub fn flush_exceeded(&self, group: &GroupKey) {
        let topic = read(self.shard(group)).get(group).cloned();
        if let Some(topic) = topic {
            topic.flush_exceeded();
        }
    }

    /// Removes what is kept for subscribers that did not come back in time.
    pub fn sweep(&self) {
        if self.memory.leased(Purpose::Histories) == 0 {
            return;
        }
        let now = Instant::now();
        for shard in &self.shards {
            let unused: Vec<_> = {
                let topics = read(shard);
                topics.values().for_each(|topic| topic.sweep(now));
                let unused = topics.values().filter(|topic| topic.is_unused());
                unused.map(|topic| topic.group().clone()).collect()
            };
            for group in &unused {
                self.remove_unused(group);
            }
        }
    }

    /// How many groups have subscribers, also such that may come back.
    pub fn topics(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn shard(&self, group: &GroupKey) -> &RwLock<Topics> {
        let hash = self.hasher.hash_one(group);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    fn next_dispatcher(&self) -> Dispatcher {
        let turn = self.next_dispatcher.fetch_add(1, Ordering::Relaxed);
        self.dispatchers[turn % self.dispatchers.len()].clone()
    }

    /// Removes a group's topic unless it has subscribers again.
    fn remove_unused(&self, group: &GroupKey) {
        let mut topics = write(self.shard(group));
        if topics.get(group).is_some_and(|topic| topic.is_unused()) {
            topics.remove(group);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Dropped without a lock: a subscriber may own much memory.
        let subscriber = self.topic.unsubscribe(self.id, self.resumes);
        if let Some(subscriber) = &subscriber {
            subscriber.on_unsubscribe();
        }
        if self.topic.is_unused() {
            self.hub.remove_unused(self.topic.group());
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("topics", &self.topics())
            .finish()
    }
}

fn kind_of(message: &Message) -> MessageKind {
    match message {
        Message::Status(_) => MessageKind::Status,
        Message::Events(_) => MessageKind::Events,
        Message::Dissolved(_) => MessageKind::Dissolved,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
