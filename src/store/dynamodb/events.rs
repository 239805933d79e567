//! Kept calls in a group's event log (decisions D12 to D15). A call takes a number in the log
//! (`numbering.rs`), and then its events are written under that number, in one transaction with
//! its sender's record: nothing that other senders write is in it.

use std::time::Duration;

use uuid::Uuid;

use crate::model::authority;
use crate::model::cursor::{CURSOR_PREFIX, Cursor, Stamp};
use crate::model::error::ClientError;
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Group, GroupKey};
use crate::model::lesson;
use crate::model::log_quota::{Sender, Usage};
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_logs::{Numbered, Place};
use crate::store::dynamodb::group_view::Include;
use crate::store::dynamodb::items::events::{EventRecord, LogEntry};
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::log::{Numbering, slot};
use crate::store::dynamodb::items::node::{Node, RecentCall};
use crate::store::dynamodb::node_writes::put_node;
use crate::store::dynamodb::requests::Step;
use crate::store::dynamodb::retry::retry;
use crate::store::{AppendOutcome, Result};

/// Bytes of texts in one record of events; DynamoDB's limit for a whole item is 400 KB.
const RECORD_BYTES: usize = 250 * 1024;
/// Events in one record.
const RECORD_EVENTS: usize = 1_000;
/// Bytes of texts in one call; DynamoDB's limit for a transaction is 4 MB.
const CALL_BYTES: usize = 3 * 1024 * 1024;
/// Recent calls of one node that are kept within the event TTL.
const CALLS_PER_NODE: usize = 1_000;
/// Polling nodes whose records are read in one request.
const POLLERS_PER_READ: usize = 10;

impl DynamoDb {
    /// See [`Store::append`](crate::store::Store::append). A kept call has its place among those
    /// that this server publishes.
    pub(super) async fn append_call(
        &self,
        call: &EventCall,
        now: Timestamp,
    ) -> Result<(AppendOutcome, Option<Place>)> {
        let request_id = Uuid::new_v4();
        let mut numbered = None;
        let appended =
            async { retry!(self, self.try_append(call, request_id, &mut numbered, now)) };
        let appended = appended.await;
        if let Some(Numbered { place, .. }) = numbered {
            let unused = place.number;
            drop(place);
            self.give_up(&call.group, &[unused], now).await;
        }
        appended
    }

    /// One attempt of it. A number that an earlier attempt took is used, unless a poll voided it.
    pub(super) async fn try_append(
        &self,
        call: &EventCall,
        request_id: Uuid,
        numbered: &mut Option<Numbered>,
        now: Timestamp,
    ) -> Result<(AppendOutcome, Option<Place>), AttemptError> {
        let key = &call.group;
        let include = Include {
            node: Some(&call.node),
            // Recorded events are kept in any case.
            head: call.kind == EventKind::Fired || call.events.is_empty(),
            ..Include::default()
        };
        let view = self.read_group(key, include, now).await?;
        let before = view.node;
        let mut node = before
            .clone()
            .unwrap_or_else(|| Node::new(&call.node, &view.group));
        node.check_removed()?;
        authority::check_node(&view.group, node.token, &call.node, call.token)?;
        let is_known = node.is_counted();
        lesson::admit_data(&view.group, &call.node, call.token, is_known, now)?;
        let member = node.membership.is_some();
        let refreshed = member && node.refresh(self.rules.member_until(now));
        node.calls
            .retain(|call| self.rules.event_alive(call.last.stamp.at, now));
        let fingerprint = call.fingerprint();
        if let Some(earlier) = fingerprint.and_then(|f| node.find_call(&f)).cloned() {
            if refreshed {
                let step = put_node(key, before.as_ref(), &node);
                self.table.write("renew a node", vec![step]).await?;
            }
            // A retry of the same request, whose first response was lost, is no repetition.
            let is_own = earlier.request_id == request_id;
            let used = numbered.take_if(|_| is_own).map(|used| used.place);
            return Ok((appended(call, earlier.last, !is_own), used));
        }
        if let Some(used) = self.find_written(key, numbered).await? {
            return Ok((appended(call, used.last, false), Some(used.place)));
        }
        node.logged.retain(|(second, _)| self.in_log(*second, now));
        if fingerprint.is_some()
            && node.calls.len() >= CALLS_PER_NODE.min(self.limits.calls_per_group)
        {
            return Err(log_full(self.limits.calls_per_group));
        }
        let sender = Sender::of(node.place(), call.node == view.group.host);
        let keep = self.is_kept(call, &node, (&view.group, view.head), now);
        let keep = keep.await?;
        let mut last = Cursor {
            stamp: Stamp::after(None, now),
            index: last_index(call),
        };
        let mut steps = Vec::new();
        if keep {
            let own = node.logged.iter().map(|(_, usage)| *usage).sum();
            let taken = if let Some(taken) = numbered.take() {
                taken
            } else {
                let number = self.number_kept(&view.group, call, (sender, own), now);
                number.await?
            };
            last = taken.last;
            let number = numbered.insert(taken).place.number;
            let event_ttl = self.rules.timings().event_ttl;
            steps = records(call, number, last)
                .iter()
                .map(|record| {
                    Step::put(record.item(key, event_ttl)).when("attribute_not_exists(#pk)")
                })
                .collect();
        } else if let Some(known) = self.logs.of(key).known(Duration::MAX) {
            last.stamp = Stamp::after(known.last().map(|last| last.stamp), now);
        }
        if let Some(fingerprint) = fingerprint {
            let called = RecentCall::new(&fingerprint, last, request_id);
            node.calls.push(called);
        }
        let counts = keep && sender != Sender::Outsider;
        if counts {
            let second = slot(last.stamp.at, self.rules.timings().event_ttl);
            count_logged(&mut node, Usage::call(call.bytes()), second);
        }
        let writes_node = refreshed || fingerprint.is_some() || counts;
        if writes_node {
            steps.push(put_node(key, before.as_ref(), &node));
        }
        // The end of a group removes known nodes' records, which their version shows.
        if before.is_none() && writes_node || keep && !writes_node {
            steps.push(Step::check(Key::head(key)).when("attribute_exists(#pk)"));
        }
        let written = self.table.write("append events", steps).await;
        if written.is_err() {
            self.cache.invalidate(key);
        }
        written?;
        let used = numbered.take_if(|_| keep).map(|used| used.place);
        let mut outcome = appended(call, last, false);
        if call.events.is_empty() {
            let log = self.read_log(key).await?;
            outcome.next_since = next_position(log.and_then(|log| log.last()), now);
        }
        Ok((outcome, used))
    }

    /// Whether the call's events are kept in the log (decision D13).
    async fn is_kept(
        &self,
        call: &EventCall,
        node: &Node,
        (group, head): (&Group, Option<GroupHead>),
        now: Timestamp,
    ) -> Result<bool, AttemptError> {
        if call.kind == EventKind::Recorded && !call.events.is_empty() {
            return Ok(true);
        }
        let head = self.require_head(&group.key, head)?;
        // The sender's own record may still say that it expired.
        let is_polled = node.polls() || self.has_pollers(&head, group, now).await?;
        Ok(is_polled && !call.events.is_empty())
    }

    /// Whether calls of this second are still in the log.
    fn in_log(&self, second: i64, now: Timestamp) -> bool {
        let second = Timestamp::from_seconds(second);
        self.rules.event_alive(second, now)
    }

    /// The number that an earlier attempt took, if that attempt wrote the events and its response
    /// was lost: only the call that took a number writes events there. One that a poll voided is
    /// dropped.
    async fn find_written(
        &self,
        group: &GroupKey,
        numbered: &mut Option<Numbered>,
    ) -> Result<Option<Numbered>, AttemptError> {
        let Some(taken) = numbered else {
            return Ok(None);
        };
        let place = [Key::call(group, taken.place.number, 0)];
        let found = self.table.read("find a number's events", &place).await?;
        Ok(match found.iter().flatten().next() {
            None => None,
            Some(item) => {
                let is_void = matches!(LogEntry::read(item)?, LogEntry::Void(_));
                numbered.take().filter(|_| !is_void)
            }
        })
    }

    /// The number of a kept call. The sender's use of the log as a member comes with it.
    async fn number_kept(
        &self,
        group: &Group,
        call: &EventCall,
        (sender, own): (Sender, Usage),
        now: Timestamp,
    ) -> Result<Numbered, AttemptError> {
        let bytes = call.bytes();
        if bytes > CALL_BYTES {
            return Err(ClientError::TooLarge {
                argument: "events",
                bytes: CALL_BYTES,
            }
            .into());
        }
        let numbering = Numbering {
            sender,
            own,
            usage: Usage::call(bytes),
            index: last_index(call),
            now,
        };
        self.number_call(group, numbering).await
    }

    /// Whether fired events must be kept (decision D13).
    async fn has_pollers(
        &self,
        head: &GroupHead,
        group: &Group,
        now: Timestamp,
    ) -> Result<bool, AttemptError> {
        if head.polling || head.polled_until.is_some_and(|until| until >= now) {
            return Ok(true);
        }
        for pollers in head.pollers.chunks(POLLERS_PER_READ) {
            let keys = pollers.iter().map(|node| Key::node_part(&group.key, node));
            let keys: Vec<Key> = keys.collect();
            let found = self.table.read("find pollers", &keys).await?;
            for item in found.iter().flatten() {
                let node = Node::read(item)?;
                if node.polls() && node.alive(now) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn log_full(limit: usize) -> AttemptError {
    let what = "the group's event log";
    ClientError::Full { what, limit }.into()
}

/// Counts a kept call of a member in the slot with this last second.
fn count_logged(node: &mut Node, usage: Usage, second: i64) {
    match node.logged.last_mut() {
        Some((last, used)) if *last == second => *used += usage,
        _ => node.logged.push((second, usage)),
    }
}

fn appended(call: &EventCall, last: Cursor, repeated: bool) -> AppendOutcome {
    AppendOutcome {
        batch: call.batch(last.stamp.at),
        next_since: last.to_string(),
        repeated,
    }
}

/// The position at which a poll continues after an empty call. That call has no position in the
/// log, so the next call gets the position that it would have had.
fn next_position(end: Option<Cursor>, now: Timestamp) -> String {
    match end {
        Some(end) if end.stamp.at >= now => end.to_string(),
        _ => format!("{CURSOR_PREFIX}{now}"),
    }
}

/// The index of a call's last event.
fn last_index(call: &EventCall) -> u32 {
    let events = u32::try_from(call.events.len()).unwrap_or(u32::MAX);
    events.saturating_sub(1)
}

/// A call's events as records: one, unless they are too large.
fn records(call: &EventCall, number: u64, last: Cursor) -> Vec<EventRecord> {
    let mut records: Vec<(usize, EventRecord)> = Vec::new();
    for (event, index) in call.in_log_order().into_iter().zip(0..) {
        let size = bytes(event);
        let cursor = Cursor {
            stamp: last.stamp,
            index,
        };
        match records.last_mut() {
            Some((bytes, record))
                if *bytes + size <= RECORD_BYTES && record.events.len() < RECORD_EVENTS =>
            {
                *bytes += size;
                record.last = cursor;
                record.events.push(event.clone());
            }
            _ => records.push((
                size,
                EventRecord {
                    number,
                    part: 0,
                    parts: 1,
                    node: call.node.clone(),
                    last: cursor,
                    events: vec![event.clone()],
                },
            )),
        }
    }
    let parts = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let part = |((_, record), part)| EventRecord {
        part,
        parts,
        ..record
    };
    records.into_iter().zip(0..).map(part).collect()
}

fn bytes(event: &EventInput) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    // The names of the attributes count as well.
    event.name.len() + event.fired_at.len() + text(&event.payload) + text(&event.order_key) + 48
}

#[cfg(test)]
mod tests;
