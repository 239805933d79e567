//! A group's event log: calls and their events in order (decisions D12 to D15).

mod call;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use self::call::{FoundEvents, LoggedCall, NewCall};
use crate::memory::{Lease, Memory, Purpose};
use crate::model::cursor::{Cursor, Since, Stamp};
use crate::model::error::ClientError;
use crate::model::event::Fingerprint;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::log_quota::{LogUsage, Sender, Usage};
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::EVENTS_PER_READ;
use crate::store::embedded::footprint;
use crate::store::embedded::group_state::{Appended, Operation};
use crate::store::embedded::record::Record;

/// A call and its age.
#[derive(Debug)]
struct Entry {
    call: Arc<LoggedCall>,
    /// The time of the call by the clock of now. Its stamp may be later: stamps never go back.
    at: Timestamp,
}

/// The calls within the event TTL, oldest first.
#[derive(Debug)]
pub struct Log {
    calls: VecDeque<Entry>,
    by_fingerprint: HashMap<Fingerprint, Stamp>,
    last: Option<Stamp>,
    /// The calls that are not kept: only repetitions of them are recognized.
    unkept: usize,
    used: Usage,
    used_outside: Usage,
    /// By node; by outsiders together under `None`.
    used_by: HashMap<Option<NodeId>, Usage>,
    /// Memory of the calls.
    lease: Lease,
}

impl Log {
    /// An empty log.
    pub fn new(memory: &Memory) -> Self {
        Self {
            calls: VecDeque::new(),
            by_fingerprint: HashMap::new(),
            last: None,
            unkept: 0,
            used: Usage::default(),
            used_outside: Usage::default(),
            used_by: HashMap::new(),
            lease: memory.lease(Purpose::Stored, 0),
        }
    }

    /// Appends a call that is not earlier than `newest`, or returns the earlier result of a
    /// repeated one.
    pub fn append(
        &mut self,
        new: &NewCall,
        sender: Sender,
        keep: bool,
        newest: Timestamp,
        op: &mut Operation<'_>,
    ) -> Result<Appended, ClientError> {
        let NewCall {
            call, fingerprint, ..
        } = new;
        let fingerprint = *fingerprint;
        self.remove_expired(op.rules, op.now);
        if let Some(before) = fingerprint.and_then(|f| self.find_repeated(&f)) {
            return Ok(Appended {
                stamp: before.stamp,
                last: before.last(),
                repeated: true,
            });
        }
        let keep = keep && !call.events.is_empty();
        let bytes = if keep { new.bytes } else { 0 };
        let stamp = Stamp::after(self.last, op.now.max(newest));
        let events = if keep {
            Arc::clone(&call.events)
        } else {
            Arc::default()
        };
        let count = u32::try_from(call.events.len()).unwrap_or(u32::MAX);
        let entry = LoggedCall {
            stamp,
            node: call.node.clone(),
            sender,
            fingerprint,
            count,
            events,
            bytes,
        };
        let last = entry.last();
        if let Some(usage) = entry.usage() {
            let used = LogUsage {
                all: self.used,
                outside: self.used_outside,
                own: self
                    .used_by
                    .get(&entry.holder())
                    .copied()
                    .unwrap_or_default(),
            };
            used.admit(sender, usage, op.limits)?;
        }
        let is_logged = keep || fingerprint.is_some();
        if is_logged {
            op.memory.admit_growth(footprint::call(&entry))?;
        }
        self.last = Some(stamp);
        if is_logged {
            op.changes.record(&Record::Called {
                group: Cow::Borrowed(&call.group),
                call: Cow::Borrowed(&entry),
                at: (op.now != stamp.at).then_some(op.now),
            });
            if !keep && self.unkept >= op.limits.calls_per_group {
                self.forget_unkept();
            }
            self.insert(self.calls.len(), entry, op.now);
        }
        Ok(Appended {
            stamp,
            last,
            repeated: false,
        })
    }

    /// Up to [`EVENTS_PER_READ`] live events after `since`.
    pub fn since(
        &self,
        group: &Group,
        since: Since<'_>,
        rules: &Rules,
        now: Timestamp,
    ) -> FoundEvents {
        let newest = self.calls.back();
        let newest = newest.map(|entry| entry.call.last().to_string());
        let since = rules.since(since, group.created_at, newest.as_deref(), now);
        let first = self
            .calls
            .partition_point(|entry| entry.call.last().to_string() <= since);
        let after = self
            .calls
            .range(first..)
            .filter(|entry| rules.event_alive(entry.at, now));
        let events = after.flat_map(|Entry { call, .. }| {
            let indexes = (0..).take(call.events.len());
            indexes.map(move |index| (call, index))
        });
        let later = |(call, index): &(&Arc<LoggedCall>, u32)| {
            let stamp = call.stamp;
            let index = *index;
            Cursor { stamp, index }.to_string() > since
        };
        let events = events.filter(later).take(EVENTS_PER_READ);
        FoundEvents {
            group: Some(group.key.clone()),
            events: events
                .map(|(call, index)| (Arc::clone(call), index))
                .collect(),
        }
    }

    /// Removes the calls older than the event TTL.
    pub fn remove_expired(&mut self, rules: &Rules, now: Timestamp) {
        while let Some(Entry { call, .. }) = self
            .calls
            .pop_front_if(|entry| !rules.event_alive(entry.at, now))
        {
            self.removed(&call);
        }
        footprint::shrink(&mut self.by_fingerprint);
        footprint::shrink(&mut self.used_by);
        self.calls.shrink_to(self.calls.len() * 8);
    }

    /// Moves the calls' times by some milliseconds, but not their stamps.
    pub fn shift(&mut self, by: i64) {
        for entry in &mut self.calls {
            entry.at = entry.at.shifted(by);
        }
    }

    /// The calls after a stamp, and their times.
    pub fn calls_after(
        &self,
        stamp: Option<Stamp>,
    ) -> impl Iterator<Item = (&LoggedCall, Timestamp)> {
        let first = self
            .calls
            .partition_point(|entry| Some(entry.call.stamp) <= stamp);
        let after = self.calls.range(first..);
        after.map(|entry| (&*entry.call, entry.at))
    }

    /// Restores a call, and removes earlier ones that expired. In a journal that was rewritten,
    /// new calls stand before and among older ones, and calls may stand twice.
    pub fn restore(&mut self, call: LoggedCall, time: Timestamp, rules: &Rules) {
        self.remove_expired(rules, time);
        let at = self
            .calls
            .partition_point(|other| other.call.stamp < call.stamp);
        if self
            .calls
            .get(at)
            .is_some_and(|other| other.call.stamp == call.stamp)
        {
            return;
        }
        self.last = self.last.max(Some(call.stamp));
        self.insert(at, call, time);
    }

    /// Removes the oldest call of which only repetitions would be recognized.
    fn forget_unkept(&mut self) {
        let oldest = self
            .calls
            .iter()
            .position(|entry| entry.call.usage().is_none());
        if let Some(Entry { call, .. }) = oldest.and_then(|oldest| self.calls.remove(oldest)) {
            self.removed(&call);
        }
    }

    fn removed(&mut self, call: &LoggedCall) {
        self.lease.shrink(footprint::call(call));
        if let Some(fingerprint) = call.fingerprint {
            self.by_fingerprint.remove(&fingerprint);
        }
        let Some(usage) = call.usage() else {
            self.unkept -= 1;
            return;
        };
        self.used -= usage;
        if call.sender != Sender::Member {
            self.used_outside -= usage;
        }
        let holder = call.holder();
        if let Some(used) = self.used_by.get_mut(&holder) {
            *used -= usage;
            if used.calls == 0 {
                self.used_by.remove(&holder);
            }
        }
    }

    fn insert(&mut self, index: usize, call: LoggedCall, at: Timestamp) {
        match call.usage() {
            None => self.unkept += 1,
            Some(usage) => {
                self.used += usage;
                if call.sender != Sender::Member {
                    self.used_outside += usage;
                }
                *self.used_by.entry(call.holder()).or_default() += usage;
            }
        }
        self.lease.grow(footprint::call(&call));
        if let Some(fingerprint) = call.fingerprint {
            self.by_fingerprint.insert(fingerprint, call.stamp);
        }
        let call = Arc::new(call);
        self.calls.insert(index, Entry { call, at });
    }

    fn find_repeated(&self, fingerprint: &Fingerprint) -> Option<&LoggedCall> {
        let stamp = self.by_fingerprint.get(fingerprint)?;
        let at = self
            .calls
            .binary_search_by_key(stamp, |entry| entry.call.stamp)
            .ok()?;
        self.calls.get(at).map(|entry| entry.call.as_ref())
    }
}
