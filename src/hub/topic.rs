//! A group's topic: its subscribers and their pending messages, under one lock.
//!
//! The lock gives the messages one order for all subscribers (decision D18): each message
//! takes the next sequence number, and a subscriber gets every message from the number on
//! that was next when it subscribed (decision D17).

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::hub::batch::SubscriberBatch;
use crate::hub::dispatcher::{Dispatcher, Scratch};
use crate::hub::history::{History, Resume, Start};
use crate::hub::publication::{MAX_SHARED_SELECTIONS, Publication};
use crate::hub::rendering::{LeasedSelection, Rendering};
use crate::hub::{Subscriber, lock};
use crate::metrics::Metrics;
use crate::model::group::GroupKey;

/// The subscribers of one group.
pub struct Topic {
    group: GroupKey,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batches: Vec<SubscriberBatch>,
    next_id: u64,
    /// The sequence number of the next message.
    next_sequence: u64,
    /// The last messages, if a subscriber asked for positions; boxed, for most do not.
    history: Option<Box<History>>,
}

impl Topic {
    /// A topic without subscribers.
    pub fn new(group: GroupKey, metrics: Metrics) -> Self {
        Self {
            group,
            metrics,
            state: Mutex::default(),
        }
    }

    /// The group.
    pub fn group(&self) -> &GroupKey {
        &self.group
    }

    /// Whether it is unused: without subscribers, also such that may come back.
    pub fn is_unused(&self) -> bool {
        let state = lock(&self.state);
        state.batches.is_empty() && state.history.is_none()
    }

    /// Adds a subscriber, which gets all later messages, and returns its id. With a `resume`
    /// it gets those that it missed before, if the topic's history has them all; the first
    /// such subscriber begins the `history`. `create` gets the selection if the subscriber is to
    /// render by itself, and where one with a `resume` starts; a new batch is flushed by
    /// `dispatcher`.
    pub fn subscribe(
        self: &Arc<Self>,
        selection: LeasedSelection,
        resume: Option<&Resume>,
        create: impl FnOnce(Option<LeasedSelection>, Option<Start>) -> Arc<dyn Subscriber>,
        history: impl FnOnce() -> History,
        dispatcher: impl FnOnce() -> Dispatcher,
    ) -> u64 {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let (id, next) = (state.next_id, state.next_sequence);
        state.next_id += 1;
        let (rendering, own_selection) = state.rendering_for(selection);
        let (start, missed) = match resume {
            Some(resume) => {
                let history = state.history.get_or_insert_with(|| Box::new(history()));
                let (start, missed) = history.subscribe(resume, next);
                self.metrics.messages().resumed(start.recovered);
                (Some(start), missed)
            }
            None => (None, Vec::new()),
        };
        let subscriber = create(own_selection, start);
        subscriber.on_subscribe();
        let batches = &mut state.batches;
        if !missed.is_empty() {
            let (dispatcher, first) = (dispatcher(), next - missed.len() as u64);
            let mut batch = SubscriberBatch::resume(id, rendering, dispatcher.clone(), missed);
            batch.add(id, first, subscriber);
            batch.scheduled = true;
            batches.push(batch);
            drop(guard);
            dispatcher.schedule(Arc::clone(self), id);
            return id;
        }
        let last = batches
            .iter_mut()
            .rfind(|b| b.rendering.is_same(&rendering));
        if let Some(batch) = last.filter(|batch| !batch.is_full()) {
            batch.add(id, next, subscriber);
        } else {
            let mut batch = SubscriberBatch::new(id, rendering, dispatcher());
            batch.add(id, next, subscriber);
            // Most topics have one.
            batches.reserve_exact(1);
            batches.push(batch);
        }
        id
    }

    /// Removes a subscriber; `resumes` says whether it asked for positions.
    pub fn unsubscribe(&self, id: u64, resumes: bool) -> Option<Arc<dyn Subscriber>> {
        let mut state = lock(&self.state);
        if let Some(history) = state.history.as_mut().filter(|_| resumes) {
            history.unsubscribe();
            state.drop_unwanted_history(Instant::now());
        }
        let batches = &mut state.batches;
        let mut all = batches.iter_mut().enumerate();
        let (at, removed) = all.find_map(|(at, batch)| Some((at, batch.remove(id)?)))?;
        if batches[at].is_empty() {
            batches.remove(at);
        }
        Some(removed)
    }

    #[cfg(test)]
    pub fn batches(&self) -> usize {
        lock(&self.state).batches.len()
    }

    /// Adds a message to every batch and schedules their flushes.
    pub fn publish(self: &Arc<Self>, publication: &Arc<Publication>) {
        let mut state = lock(&self.state);
        state.next_sequence += 1;
        if let Some(history) = &mut state.history {
            history.push(publication);
        }
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
        delivery.run(scratch, self.metrics.messages());
        if delivery.resumed() {
            lock(&self.state).merge(batch);
        }
        delivery.subscribers()
    }

    /// Removes what is too old from the history, and the history when no subscriber may come
    /// back.
    pub fn sweep(&self, now: Instant) {
        let mut state = lock(&self.state);
        if let Some(history) = &mut state.history {
            history.sweep(now);
        }
        state.drop_unwanted_history(now);
    }
}

impl State {
    fn batch(&mut self, id: u64) -> Option<&mut SubscriberBatch> {
        self.batches.iter_mut().find(|batch| batch.id == id)
    }

    fn drop_unwanted_history(&mut self, now: Instant) {
        self.history.take_if(|history| !history.is_wanted(now));
    }

    /// Moves the subscribers of a batch whose missed messages are delivered to another one: a
    /// class that comes back after a break is not a batch for each of its members.
    fn merge(&mut self, id: u64) {
        let at = self.batches.iter().position(|batch| batch.id == id);
        let Some(at) = at.filter(|at| self.batches[*at].has_delivered_all()) else {
            return;
        };
        let mut batch = self.batches.remove(at);
        let same = self
            .batches
            .iter_mut()
            .find(|other| other.rendering.is_same(&batch.rendering) && other.has_space_for(&batch));
        if let Some(same) = same {
            same.merge(&batch, self.next_sequence);
        } else {
            batch.resumed = false;
            self.batches.insert(at, batch);
        }
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
