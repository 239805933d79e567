//! A batch of a topic's subscribers, and the delivery of messages to it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::hub::Subscriber;
use crate::hub::dispatcher::{Dispatcher, Scratch};
use crate::hub::publication::Publication;
use crate::hub::rendering::{LeasedSelection, Rendering};
use crate::metrics::Messages;

/// Subscribers of one batch: this many are delivered to before other work gets a turn.
const BATCH_MAX: usize = 256;
/// Bytes that may wait for the dispatcher; above that, the senders flush the batch.
const HIGH_WATER_BYTES: usize = 256 * 1024;
/// Bytes that are rendered before they are delivered.
const RENDERED_BYTES: usize = 256 * 1024;

/// Up to [`BATCH_MAX`] subscribers of one rendering; a part of its topic's state.
pub struct SubscriberBatch {
    /// The id of its first subscriber.
    pub id: u64,
    /// How it is rendered for.
    pub rendering: Rendering,
    /// Flushes it.
    pub dispatcher: Dispatcher,
    /// A flush is scheduled.
    pub scheduled: bool,
    /// It began with messages that its subscriber had missed: when they are delivered, it can be
    /// merged.
    pub resumed: bool,
    /// Held during a delivery: deliveries follow one another.
    pub delivering: Arc<Mutex<()>>,
    /// In the order of their ids; copied on write while a delivery reads them.
    subscribers: Arc<Vec<Entry>>,
    /// The latest messages of the topic.
    pending: Vec<Arc<Publication>>,
    pending_bytes: usize,
}

/// A subscriber in its batch.
#[derive(Clone)]
struct Entry {
    id: u64,
    /// The sequence number of the first message that it gets.
    start: u64,
    subscriber: Arc<dyn Subscriber>,
}

impl SubscriberBatch {
    /// A batch without subscribers.
    pub fn new(id: u64, rendering: Rendering, dispatcher: Dispatcher) -> Self {
        Self {
            id,
            rendering,
            dispatcher,
            scheduled: false,
            resumed: false,
            delivering: Arc::default(),
            subscribers: Arc::default(),
            pending: Vec::new(),
            pending_bytes: 0,
        }
    }

    /// Whether it has as many subscribers as it may have.
    pub fn is_full(&self) -> bool {
        self.subscribers.len() >= BATCH_MAX
    }

    /// Whether it has no subscribers.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// The same for a subscriber that missed these messages, the topic's last ones.
    pub fn resume(
        id: u64,
        rendering: Rendering,
        dispatcher: Dispatcher,
        missed: Vec<Arc<Publication>>,
    ) -> Self {
        let mut batch = Self::new(id, rendering, dispatcher);
        for message in missed {
            batch.push(message);
        }
        batch.resumed = true;
        batch
    }

    /// Whether no message is pending.
    pub fn has_delivered_all(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the subscribers of `other` fit in as well.
    pub fn has_space_for(&self, other: &Self) -> bool {
        self.subscribers.len() + other.subscribers.len() <= BATCH_MAX
    }

    /// Adds the subscribers of another batch, which got all messages before the sequence number
    /// `start`.
    pub fn merge(&mut self, other: &Self, start: u64) {
        let subscribers = Arc::make_mut(&mut self.subscribers);
        let moved = other.subscribers.iter().map(|entry| Entry {
            start,
            ..entry.clone()
        });
        subscribers.extend(moved);
        subscribers.sort_unstable_by_key(|entry| entry.id);
    }

    /// Adds a subscriber that gets the messages from the sequence number `start` on.
    pub fn add(&mut self, id: u64, start: u64, subscriber: Arc<dyn Subscriber>) {
        Arc::make_mut(&mut self.subscribers).push(Entry {
            id,
            start,
            subscriber,
        });
    }

    /// Removes a subscriber.
    pub fn remove(&mut self, id: u64) -> Option<Arc<dyn Subscriber>> {
        let at = self.subscribers.binary_search_by_key(&id, |entry| entry.id);
        let at = at.ok()?;
        let removed = Arc::make_mut(&mut self.subscribers).remove(at);
        Some(removed.subscriber)
    }

    /// Adds a message for the next flush.
    pub fn push(&mut self, publication: Arc<Publication>) {
        self.pending_bytes += publication.bytes();
        self.pending.push(publication);
    }

    /// Whether more bytes wait than the high-water mark.
    pub fn is_exceeded(&self) -> bool {
        self.pending_bytes > HIGH_WATER_BYTES
    }

    /// Moves the pending messages into `messages`, which is empty; `next` is the sequence
    /// number that follows theirs.
    pub fn take(&mut self, messages: &mut Vec<Arc<Publication>>, next: u64) -> Delivery {
        self.scheduled = false;
        self.pending_bytes = 0;
        std::mem::swap(messages, &mut self.pending);
        Delivery {
            rendering: self.rendering.clone(),
            subscribers: Arc::clone(&self.subscribers),
            first: next - messages.len() as u64,
            resumed: self.resumed,
        }
    }
}

/// Messages on their way to the subscribers of a batch.
pub struct Delivery {
    rendering: Rendering,
    subscribers: Arc<Vec<Entry>>,
    /// The sequence number of the first message.
    first: u64,
    resumed: bool,
}

impl Delivery {
    /// Whether the batch began with messages that its subscriber had missed.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// How many subscribers the batch has.
    pub fn subscribers(&self) -> usize {
        self.subscribers.len()
    }

    /// Delivers the messages in `scratch`, and counts them.
    pub fn run(&self, scratch: &mut Scratch, counters: &Messages) {
        let delivered = match &self.rendering {
            Rendering::Shared(slot, selection) => self.deliver(*slot, selection, scratch),
            Rendering::PerSubscriber => self.enqueue(&scratch.messages),
        };
        let published = scratch.messages.iter().map(|message| message.published());
        // What a client missed was published long before.
        let published = published.filter(|_| !self.resumed);
        counters.delivered(delivered, published);
        scratch.clear();
    }

    fn deliver(&self, slot: usize, selection: &Arc<LeasedSelection>, scratch: &mut Scratch) -> u64 {
        let mut delivered = 0;
        let (rendered, frames) = (&mut scratch.rendered, &mut scratch.frames);
        let (mut first, mut bytes, mut last) = (self.first, 0, None);
        for (sequence, message) in (self.first..).zip(&scratch.messages) {
            let data = message.render_shared(slot, selection);
            let oversized = data.is_none();
            bytes += data.as_ref().map_or(0, Bytes::len);
            rendered.extend(data);
            if oversized || bytes > RENDERED_BYTES {
                delivered += self.deliver_rendered(first, rendered, frames);
                (first, bytes) = (sequence + 1, 0);
            }
            if oversized {
                self.started_by(sequence).for_each(|s| s.on_oversized());
            }
            if message.is_last() {
                last = Some(sequence);
            }
        }
        delivered += self.deliver_rendered(first, rendered, frames);
        if let Some(last) = last {
            self.started_by(last).for_each(|s| s.on_group_end());
        }
        delivered
    }

    /// Delivers rendered messages, the first of which has the sequence number `first`; returns
    /// how many, each counted for each of its subscribers.
    fn deliver_rendered(&self, first: u64, rendered: &mut Vec<Bytes>, frames: &mut Vec<u8>) -> u64 {
        let mut delivered = 0;
        for entry in self.subscribers.iter() {
            let skipped = usize::try_from(entry.start.saturating_sub(first));
            if let Some(messages @ [_, ..]) = rendered.get(skipped.unwrap_or(usize::MAX)..) {
                let first = entry.start.max(first);
                entry.subscriber.deliver(messages, first, frames);
                delivered += messages.len() as u64;
            }
        }
        rendered.clear();
        delivered
    }

    fn enqueue(&self, messages: &[Arc<Publication>]) -> u64 {
        let mut delivered = 0;
        // Message by message: a connection whose subscriptions get the same message one
        // right after the other accounts for it once.
        for (sequence, message) in (self.first..).zip(messages) {
            for subscriber in self.started_by(sequence) {
                Arc::clone(subscriber).enqueue(message, sequence);
                delivered += 1;
            }
        }
        delivered
    }

    /// The subscribers that get the message `sequence`.
    fn started_by(&self, sequence: u64) -> impl Iterator<Item = &Arc<dyn Subscriber>> {
        let started = self
            .subscribers
            .iter()
            .filter(move |entry| entry.start <= sequence);
        started.map(|entry| &entry.subscriber)
    }
}
