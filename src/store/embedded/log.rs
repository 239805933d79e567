//! A group's events in order, and the calls that brought them (decisions D12 to D15).

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::heartbeat::rules::Rules;
use crate::model::event::{Cursor, Event, EventCall, EventInput, Fingerprint, Stamp};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::refusal::Refusal;
use crate::model::time::Timestamp;
use crate::store::EVENTS_PER_READ;
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
    pub events: Vec<EventInput>,
    /// The bytes of the kept events.
    pub bytes: usize,
}

impl LoggedCall {
    fn last(&self) -> Cursor {
        Cursor {
            stamp: self.stamp,
            index: self.count.saturating_sub(1),
        }
    }
}

/// The calls within the event TTL, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    calls: VecDeque<LoggedCall>,
    taken: HashMap<Fingerprint, Stamp>,
    last: Option<Stamp>,
    bytes: usize,
}

impl Log {
    /// Takes a call, or answers a repeated one as before.
    pub fn append(
        &mut self,
        call: &EventCall,
        keep: bool,
        act: &mut Act<'_>,
    ) -> Result<Taken, Refusal> {
        self.forget_expired(&call.group, act);
        let fingerprint = call.fingerprint();
        if let Some(before) = fingerprint.and_then(|f| self.taken_before(&f)) {
            return Ok(Taken {
                stamp: before.stamp,
                last: before.last(),
                repeated: true,
            });
        }
        let keep = keep && !call.events.is_empty();
        let bytes = if keep { call.bytes() } else { 0 };
        if self.calls.len() >= act.limits.calls_per_group
            || self.bytes + bytes > act.limits.event_bytes_per_group
        {
            let limit = if self.calls.len() >= act.limits.calls_per_group {
                act.limits.calls_per_group
            } else {
                act.limits.event_bytes_per_group
            };
            return Err(Refusal::Full {
                what: "the group's event log",
                limit,
            });
        }
        let stamp = Stamp::after(self.last, act.now);
        let events: Vec<_> = if keep {
            call.in_log_order().into_iter().cloned().collect()
        } else {
            Vec::new()
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
        self.last = Some(stamp);
        if keep || fingerprint.is_some() {
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
    pub fn since(&self, since: &str, rules: &Rules, now: Timestamp) -> Vec<Event> {
        let newest = self.calls.back().map(|call| call.last().to_string());
        let since = rules.since(since, newest.as_deref(), now);
        let first = self
            .calls
            .partition_point(|call| call.last().to_string() <= since);
        let after = self
            .calls
            .range(first..)
            .filter(|call| rules.event_alive(call.stamp.at, now));
        let events = after.flat_map(|call| {
            call.events.iter().zip(0..).map(move |(event, index)| {
                (
                    call,
                    event,
                    Cursor {
                        stamp: call.stamp,
                        index,
                    },
                )
            })
        });
        events
            .filter(|(.., cursor)| cursor.to_string() > since)
            .take(EVENTS_PER_READ)
            .map(|(call, event, cursor)| Event {
                name: event.name.clone(),
                fired_by: call.node.clone(),
                payload: event.payload.clone(),
                timestamp: cursor.stamp.at.to_string(),
                cursor: Some(cursor),
                order_key: event.order_key.clone().filter(|key| !key.is_empty()),
            })
            .collect()
    }

    /// Forgets the calls past the event TTL.
    pub fn forget_expired(&mut self, group: &GroupKey, act: &mut Act<'_>) {
        while let Some(call) = self
            .calls
            .pop_front_if(|call| !act.rules.event_alive(call.stamp.at, act.now))
        {
            self.bytes -= call.bytes;
            if let Some(fingerprint) = call.fingerprint {
                self.taken.remove(&fingerprint);
            }
            act.changes.no_call(group, call.stamp);
        }
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
        if let Some(fingerprint) = call.fingerprint {
            self.taken.insert(fingerprint, call.stamp);
        }
        self.calls.push_back(call);
    }

    fn taken_before(&self, fingerprint: &Fingerprint) -> Option<&LoggedCall> {
        let stamp = self.taken.get(fingerprint)?;
        let at = self
            .calls
            .binary_search_by_key(stamp, |call| call.stamp)
            .ok()?;
        self.calls.get(at)
    }
}
