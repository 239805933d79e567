//! A group's events in order, and the calls that brought them (decisions D12 to D15).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::heartbeat::rules::Rules;
use crate::memory::{Lease, Memory, Purpose};
use crate::model::error::ClientError;
use crate::model::event::{Cursor, Event, EventCall, EventInput, Fingerprint, Since, Stamp};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::rendered;
use crate::model::time::Timestamp;
use crate::store::EVENTS_PER_READ;
use crate::store::embedded::footprint;
use crate::store::embedded::records::Changes;
use crate::store::embedded::room::{Act, Taken};

/// A call that was taken, with its events in log order if they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedCall {
    /// Its stamp.
    pub stamp: Stamp,
    /// Who sent it.
    pub node: NodeId,
    /// What its repetition would look like.
    pub fingerprint: Option<Fingerprint>,
    /// How many events it had.
    pub count: u32,
    /// The events, when they are kept for pollers.
    pub events: Arc<Vec<EventInput>>,
    /// The bytes of the kept events.
    pub bytes: usize,
}

/// A call on its way into the log: whatever takes long was done before the lock.
#[derive(Debug)]
pub struct NewCall {
    /// The call, its events in log order.
    pub call: EventCall,
    fingerprint: Option<Fingerprint>,
    bytes: usize,
}

impl From<EventCall> for NewCall {
    fn from(mut call: EventCall) -> Self {
        let fingerprint = call.fingerprint();
        call.sort();
        Self {
            fingerprint,
            bytes: call.bytes(),
            call,
        }
    }
}

/// Events that were found for a reader, still shared with the log.
#[derive(Debug, Default)]
pub struct Found {
    group: Option<GroupKey>,
    events: Vec<(Arc<LoggedCall>, u32)>,
}

impl Found {
    /// The events as they are polled: as many as take up to `max_bytes` in an answer, and
    /// at least one.
    pub fn told(self, max_bytes: usize) -> Vec<Event> {
        let Some(group) = self.group else {
            return Vec::new();
        };
        let events = self
            .events
            .into_iter()
            .map(|(call, index)| call.polled(index));
        rendered::page(&group, events, max_bytes)
    }
}

impl LoggedCall {
    /// An event as it is polled.
    fn polled(&self, index: u32) -> Event {
        let event = &self.events[index as usize];
        let stamp = self.stamp;
        Event {
            name: event.name.clone(),
            fired_by: self.node.clone(),
            payload: event.payload.clone(),
            timestamp: stamp.at.to_string(),
            cursor: Some(Cursor { stamp, index }),
            order_key: event.order_key.clone().filter(|key| !key.is_empty()),
        }
    }

    fn last(&self) -> Cursor {
        Cursor {
            stamp: self.stamp,
            index: self.count.saturating_sub(1),
        }
    }
}

/// The calls within the event TTL, oldest first.
#[derive(Debug)]
pub struct Log {
    calls: VecDeque<Arc<LoggedCall>>,
    taken: HashMap<Fingerprint, Stamp>,
    last: Option<Stamp>,
    bytes: usize,
    /// What the calls take in memory.
    held: Lease,
}

impl Log {
    /// A log that nothing stands in.
    pub fn new(memory: &Memory) -> Self {
        Self {
            calls: VecDeque::new(),
            taken: HashMap::new(),
            last: None,
            bytes: 0,
            held: memory.lease(Purpose::Stored, 0),
        }
    }

    /// Takes a call, or answers a repeated one as before.
    pub fn append(
        &mut self,
        new: &NewCall,
        keep: bool,
        act: &mut Act<'_>,
    ) -> Result<Taken, ClientError> {
        let NewCall {
            call, fingerprint, ..
        } = new;
        let fingerprint = *fingerprint;
        self.forget_expired(&call.group, act);
        if let Some(before) = fingerprint.and_then(|f| self.taken_before(&f)) {
            return Ok(Taken {
                stamp: before.stamp,
                last: before.last(),
                repeated: true,
            });
        }
        let keep = keep && !call.events.is_empty();
        let bytes = if keep { new.bytes } else { 0 };
        if self.calls.len() >= act.limits.calls_per_group
            || self.bytes + bytes > act.limits.event_bytes_per_group
        {
            let limit = if self.calls.len() >= act.limits.calls_per_group {
                act.limits.calls_per_group
            } else {
                act.limits.event_bytes_per_group
            };
            return Err(ClientError::Full {
                what: "the group's event log",
                limit,
            });
        }
        let stamp = Stamp::after(self.last, act.now);
        let events = if keep {
            Arc::clone(&call.events)
        } else {
            Arc::default()
        };
        let count = u32::try_from(call.events.len()).unwrap_or(u32::MAX);
        let logged = LoggedCall {
            stamp,
            node: call.node.clone(),
            fingerprint,
            count,
            events,
            bytes,
        };
        let last = logged.last();
        let stays = keep || fingerprint.is_some();
        if stays {
            act.memory.admit_growth(footprint::call(&logged))?;
        }
        self.last = Some(stamp);
        if stays {
            act.changes.call(&call.group, &logged);
            self.push(logged);
        }
        Ok(Taken {
            stamp,
            last,
            repeated: false,
        })
    }

    /// Up to [`EVENTS_PER_READ`] living events after `since`.
    pub fn since(&self, group: &Group, since: Since<'_>, rules: &Rules, now: Timestamp) -> Found {
        let newest = self.calls.back().map(|call| call.last().to_string());
        let since = rules.since(since, group.created_at, newest.as_deref(), now);
        let first = self
            .calls
            .partition_point(|call| call.last().to_string() <= since);
        let after = self
            .calls
            .range(first..)
            .filter(|call| rules.event_alive(call.stamp.at, now));
        let events = after.flat_map(|call| {
            let indexes = (0..).take(call.events.len());
            indexes.map(move |index| (call, index))
        });
        let later = |(call, index): &(&Arc<LoggedCall>, u32)| {
            let stamp = call.stamp;
            let index = *index;
            Cursor { stamp, index }.to_string() > since
        };
        let events = events.filter(later).take(EVENTS_PER_READ);
        Found {
            group: Some(group.key.clone()),
            events: events
                .map(|(call, index)| (Arc::clone(call), index))
                .collect(),
        }
    }

    /// Forgets the calls past the event TTL.
    pub fn forget_expired(&mut self, group: &GroupKey, act: &mut Act<'_>) {
        while let Some(call) = self
            .calls
            .pop_front_if(|call| !act.rules.event_alive(call.stamp.at, act.now))
        {
            self.bytes -= call.bytes;
            self.held.shrink(footprint::call(&call));
            if let Some(fingerprint) = call.fingerprint {
                self.taken.remove(&fingerprint);
            }
            act.changes.no_call(group, call.stamp);
        }
        footprint::give_back(&mut self.taken);
        self.calls.shrink_to(self.calls.len() * 8);
    }

    /// Tells that no call of this group is to be remembered.
    pub fn forget_all(&self, group: &GroupKey, changes: &mut Changes) {
        for call in &self.calls {
            changes.no_call(group, call.stamp);
        }
    }

    /// Puts back a persisted call; they come in log order.
    pub fn restore(&mut self, call: LoggedCall) {
        self.last = Some(call.stamp);
        self.push(call);
    }

    fn push(&mut self, call: LoggedCall) {
        self.bytes += call.bytes;
        self.held.grow(footprint::call(&call));
        if let Some(fingerprint) = call.fingerprint {
            self.taken.insert(fingerprint, call.stamp);
        }
        self.calls.push_back(Arc::new(call));
    }

    fn taken_before(&self, fingerprint: &Fingerprint) -> Option<&LoggedCall> {
        let stamp = self.taken.get(fingerprint)?;
        let at = self
            .calls
            .binary_search_by_key(stamp, |call| call.stamp)
            .ok()?;
        self.calls.get(at).map(AsRef::as_ref)
    }
}
