//! A group's topic: its subscribers and their pending messages, under one lock.
//!
//! The lock gives the messages one order for all subscribers (decision D18): each message
//! takes the next sequence number, and a subscriber gets every message from the number on
//! that was next when it subscribed (decision D17).

use std::sync::{Arc, Mutex};

use crate::hub::batch::SubscriberBatch;
use crate::hub::dispatcher::{Dispatcher, Scratch};
use crate::hub::publication::{MAX_SHARED_SELECTIONS, Publication};
use crate::hub::rendering::{LeasedSelection, Rendering};
use crate::hub::{Subscriber, lock};
use crate::model::group::GroupKey;

/// The subscribers of one group.
pub struct Topic {
    group: GroupKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batches: Vec<SubscriberBatch>,
    next_id: u64,
    /// The sequence number of the next message.
    next_sequence: u64,
}

impl Topic {
    /// A topic without subscribers.
    pub fn new(group: GroupKey) -> Self {
        Self {
            group,
            state: Mutex::default(),
        }
    }

    /// The group.
    pub fn group(&self) -> &GroupKey {
        &self.group
    }

    /// Whether it has no subscribers.
    pub fn is_empty(&self) -> bool {
        lock(&self.state).batches.is_empty()
    }

    /// Adds a subscriber, which gets all later messages, and returns its id. `create` gets
    /// the selection if the subscriber is to render by itself; a new batch is flushed by
    /// `dispatcher`.
    pub fn subscribe(
        &self,
        selection: LeasedSelection,
        create: impl FnOnce(Option<LeasedSelection>) -> Arc<dyn Subscriber>,
        dispatcher: impl FnOnce() -> Dispatcher,
    ) -> u64 {
        let mut state = lock(&self.state);
        let (id, start) = (state.next_id, state.next_sequence);
        state.next_id += 1;
        let (rendering, own_selection) = state.rendering_for(selection);
        let subscriber = create(own_selection);
        subscriber.on_subscribe();
        let batches = &mut state.batches;
        let last = batches
            .iter_mut()
            .rfind(|b| b.rendering.is_same(&rendering));
        if let Some(batch) = last.filter(|batch| !batch.is_full()) {
            batch.add(id, start, subscriber);
        } else {
            let mut batch = SubscriberBatch::new(id, rendering, dispatcher());
            batch.add(id, start, subscriber);
            // Most topics have one.
            batches.reserve_exact(1);
            batches.push(batch);
        }
        id
    }

    /// Removes a subscriber.
    pub fn unsubscribe(&self, id: u64) -> Option<Arc<dyn Subscriber>> {
        let mut state = lock(&self.state);
        let batches = &mut state.batches;
        let mut all = batches.iter_mut().enumerate();
        let (at, removed) = all.find_map(|(at, batch)| Some((at, batch.remove(id)?)))?;
        if batches[at].is_empty() {
            batches.remove(at);
        }
        Some(removed)
    }

    /// Adds a message to every batch and schedules their flushes.
    pub fn publish(self: &Arc<Self>, publication: &Arc<Publication>) {
        let mut state = lock(&self.state);
        state.next_sequence += 1;
        for batch in &mut state.batches {
            batch.push(Arc::clone(publication));
            if !std::mem::replace(&mut batch.scheduled, true) {
                batch.dispatcher.schedule(Arc::clone(self), batch.id);
            }
        }
    }

    /// Flushes the batches that exceed the high-water mark.
    pub fn flush_exceeded(&self) {
        let exceeded: Vec<u64> = {
            let state = lock(&self.state);
            let exceeded = state.batches.iter().filter(|batch| batch.is_exceeded());
            exceeded.map(|batch| batch.id).collect()
        };
        for batch in exceeded {
            self.flush(batch, &mut Scratch::default());
        }
    }

    /// Delivers a batch's pending messages; returns how many subscribers the batch has.
    pub fn flush(&self, batch: u64, scratch: &mut Scratch) -> usize {
        let delivering = lock(&self.state)
            .batch(batch)
            .map(|batch| Arc::clone(&batch.delivering));
        // Without a batch, all its subscribers have unsubscribed.
        let Some(delivering) = delivering else {
            return 0;
        };
        let _turn = lock(&delivering);
        let delivery = {
            let mut state = lock(&self.state);
            let next = state.next_sequence;
            let Some(batch) = state.batch(batch) else {
                return 0;
            };
            batch.take(&mut scratch.messages, next)
        };
        delivery.run(scratch);
        delivery.subscribers()
    }
}

impl State {
    fn batch(&mut self, id: u64) -> Option<&mut SubscriberBatch> {
        self.batches.iter_mut().find(|batch| batch.id == id)
    }

    /// How messages are rendered by a selection, and the selection if by the subscriber: the
    /// first [`MAX_SHARED_SELECTIONS`] without aliases are shared.
    fn rendering_for(&self, leased: LeasedSelection) -> (Rendering, Option<LeasedSelection>) {
        let mut used = [false; MAX_SHARED_SELECTIONS];
        for batch in &self.batches {
            if let Rendering::Shared(slot, other) = &batch.rendering {
                if other.selection() == leased.selection() {
                    return (batch.rendering.clone(), None);
                }
                used[*slot] = true;
            }
        }
        match used.iter().position(|used| !used) {
            Some(slot) if leased.selection().has_no_aliases() => {
                (Rendering::Shared(slot, Arc::new(leased)), None)
            }
            _ => (Rendering::PerSubscriber, Some(leased)),
        }
    }
}
