//! Who listens: every group's subscribers on this server.
//!
//! Publishing neither renders nor waits for a listener: it leaves the message with each
//! audience, and a dispatcher tells what was left to all of them in one pass. A group's first
//! [`MAX_SHARED_SELECTIONS`] selections without aliases are rendered once per message, and
//! subscribers share the bytes; any other subscriber renders for itself. The hub knows no
//! store and no wire.

mod batch;
mod dispatcher;
mod publication;
pub mod selection;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::batch::{Rendering, SubscriberBatch};
use crate::hub::dispatcher::{Buffers, Dispatcher};
use crate::hub::selection::Selection;
use crate::memory::{Memory, Purpose};
use crate::model::group::GroupKey;
use crate::model::message::Message;

pub use batch::LeasedSelection;
pub use publication::{MAX_SHARED_SELECTIONS, MIN_SHARED_BYTES, Publication, leased_bytes};

/// Parts of the hub that are locked apart, so that groups seldom wait for each other.
const SHARDS: usize = 32;

/// Somebody who hears messages, in the group's one order (decision D18). The methods must
/// neither wait nor call the hub.
pub trait Subscriber: Send + Sync {
    /// Is told that it is registered, before it hears anything (decision D17).
    fn on_subscribe(&self);

    /// Takes rendered values of the subscription's `data`, oldest first. `scratch` is lent
    /// for the call: what it holds means nothing.
    fn deliver(&self, messages: &[Bytes], scratch: &mut Vec<u8>);

    /// Takes the next message to render by itself: only of one that got its selection to
    /// keep as it registered.
    fn enqueue(self: Arc<Self>, message: &Arc<Publication>);

    /// Is told that a message by its selection exceeds the limit (decision D25).
    fn on_oversized(&self);

    /// Is told that it is registered no more. A pass that is under way may still come by.
    fn on_unsubscribe(&self);
}

/// The listeners of all groups.
pub struct Hub {
    // A shard is locked to find a group, the topic to speak in it.
    shards: [RwLock<HashMap<GroupKey, Arc<Mutex<Topic>>>>; SHARDS],
    hasher: RandomState,
    dispatchers: Box<[Dispatcher]>,
    next_speaker: AtomicUsize,
    memory: Memory,
    rendering: Semaphore,
}

/// The listeners of one group.
#[derive(Default)]
struct Topic {
    audiences: Vec<Arc<SubscriberBatch>>,
    next_id: u64,
    /// Set when the topic was found empty and taken out of the hub.
    closed: bool,
}

/// A listener's place at the hub; dropping it unsubscribes.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    hub: Arc<Hub>,
    group: GroupKey,
    id: u64,
}

impl Hub {
    /// A hub that nobody listens to, with a dispatcher for each core.
    pub fn new() -> Arc<Self> {
        Self::with_memory(Memory::unlimited())
    }

    /// The same, whose selections and messages count in a memory budget (decision D26).
    pub fn with_memory(memory: Memory) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            dispatchers: (0..cores).map(|_| Dispatcher::default()).collect(),
            next_speaker: AtomicUsize::new(0),
            memory,
            rendering: Semaphore::new(1),
        })
    }

    /// Has the dispatchers work until `stop`; without them, messages wait.
    pub fn run_dispatchers(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for dispatcher in &self.dispatchers {
            let (dispatcher, stop) = (dispatcher.clone(), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(dispatcher.run()).await });
        }
    }

    /// Tells everything that waits, now: what the dispatchers do in passing.
    pub fn flush(&self) {
        self.dispatchers.iter().for_each(Dispatcher::flush);
    }

    /// Waits for the turn to render what a listener keeps to itself: one does at a time, so
    /// that however many there are, they take no more than one core from everybody else.
    pub async fn rendering_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.rendering.acquire().await.ok()
    }

    /// Registers a listener. Everything published after this returns reaches it (decision
    /// D17), and nothing that was published before. The listener gets its selection to keep
    /// when it is to render by itself.
    pub fn subscribe(
        self: &Arc<Self>,
        group: &GroupKey,
        selection: Selection,
        listener: impl FnOnce(Option<LeasedSelection>) -> Arc<dyn Subscriber>,
    ) -> Subscription {
        let lease = self.memory.lease(Purpose::Selections, selection.bytes());
        let held = LeasedSelection::new(selection, lease);
        let id = loop {
            let topic = self.topic(group);
            let mut topic = lock(&topic);
            if !topic.closed {
                break topic.add(held, listener, || self.next_speaker());
            }
        };
        Subscription {
            hub: Arc::clone(self),
            group: group.clone(),
            id,
        }
    }

    /// Tells a message to everybody who listens to its group, in one order for all.
    pub fn publish(&self, message: &Message) {
        let topic = read(self.shard(message.group()))
            .get(message.group())
            .cloned();
        let Some(topic) = topic else { return };
        let publication = Arc::new(Publication::new(message.clone(), &self.memory));
        let crowded = lock(&topic).publish(&publication);
        for audience in crowded {
            audience.speak(&mut Buffers::default());
        }
    }

    /// How many groups have listeners.
    pub fn topics(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn shard(&self, group: &GroupKey) -> &RwLock<HashMap<GroupKey, Arc<Mutex<Topic>>>> {
        let hash = self.hasher.hash_one(group);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    fn next_speaker(&self) -> Dispatcher {
        let turn = self.next_speaker.fetch_add(1, Ordering::Relaxed);
        self.dispatchers[turn % self.dispatchers.len()].clone()
    }

    fn topic(&self, group: &GroupKey) -> Arc<Mutex<Topic>> {
        let shard = self.shard(group);
        if let Some(topic) = read(shard).get(group) {
            return Arc::clone(topic);
        }
        let mut groups = shard.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(group.clone()).or_default())
    }

    fn leave(&self, group: &GroupKey, id: u64) {
        let shard = self.shard(group);
        let Some(topic) = read(shard).get(group).cloned() else {
            return;
        };
        let left = lock(&topic).remove(id);
        if let Some(listener) = &left {
            listener.on_unsubscribe();
        }
        if lock(&topic).audiences.is_empty() {
            let mut groups = shard.write().unwrap_or_else(PoisonError::into_inner);
            let mut topic = lock(&topic);
            if topic.audiences.is_empty() && !topic.closed {
                topic.closed = true;
                groups.remove(group);
            }
        }
        // Dropped after the locks are free: a listener may hold much.
        drop(left);
    }
}

impl Topic {
    fn add(
        &mut self,
        held: LeasedSelection,
        listener: impl FnOnce(Option<LeasedSelection>) -> Arc<dyn Subscriber>,
        dispatcher: impl FnOnce() -> Dispatcher,
    ) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let (rendering, kept) = self.rendering_for(held);
        let alike = |audience: &&Arc<SubscriberBatch>| match (&rendering, audience.rendering()) {
            (Rendering::Shared(slot, _), Rendering::Shared(other, _)) => slot == other,
            (Rendering::PerSubscriber, Rendering::PerSubscriber) => true,
            _ => false,
        };
        let last = self.audiences.iter().rev().find(alike);
        if let Some(audience) = last.filter(|audience| audience.has_room()) {
            audience.add(id, listener(kept));
        } else {
            let audience = SubscriberBatch::new(rendering, dispatcher());
            audience.add(id, listener(kept));
            self.audiences.push(audience);
        }
        id
    }

    /// Who renders for one more listener, and the selection if it is the listener itself.
    fn rendering_for(&self, held: LeasedSelection) -> (Rendering, Option<LeasedSelection>) {
        let mut taken = [false; MAX_SHARED_SELECTIONS];
        for audience in &self.audiences {
            if let Rendering::Shared(slot, other) = audience.rendering() {
                if other.selection() == held.selection() {
                    return (audience.rendering().clone(), None);
                }
                taken[*slot] = true;
            }
        }
        match taken.iter().position(|taken| !taken) {
            Some(slot) if held.selection().has_no_aliases() => {
                (Rendering::Shared(slot, Arc::new(held)), None)
            }
            _ => (Rendering::PerSubscriber, Some(held)),
        }
    }

    /// Leaves the message with every audience; answers those where too much waits.
    fn publish(&self, publication: &Arc<Publication>) -> Vec<Arc<SubscriberBatch>> {
        let audiences = self.audiences.iter();
        let crowded = audiences.filter(|audience| audience.post(Arc::clone(publication)));
        crowded.cloned().collect()
    }

    fn remove(&mut self, id: u64) -> Option<Arc<dyn Subscriber>> {
        let (at, left) = self
            .audiences
            .iter()
            .enumerate()
            .find_map(|(at, audience)| Some((at, audience.remove(id)?)))?;
        if self.audiences[at].is_empty() {
            self.audiences.remove(at);
        }
        Some(left)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.group, self.id);
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
            .field("groups", &self.topics())
            .finish()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(of: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    of.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
