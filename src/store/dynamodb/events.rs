//! A group's event log (decisions D12 to D15). A kept call is written in one transaction with
//! the log head in the group's head record, so calls of all servers are totally ordered. Each
//! call names the one before it, so a reader notices when a call is not visible yet.

use uuid::Uuid;

use crate::model::authority;
use crate::model::cursor::{CURSOR_PREFIX, Cursor, Stamp};
use crate::model::error::ClientError;
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Group, GroupKey};
use crate::model::lesson;
use crate::model::log_quota::{LogUsage, Sender, Usage};
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_view::Include;
use crate::store::dynamodb::items::attributes::number;
use crate::store::dynamodb::items::events::EventRecord;
use crate::store::dynamodb::items::head::{GroupHead, Slot};
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::node::{Node, RecentCall};
use crate::store::dynamodb::node_writes::put_node;
use crate::store::dynamodb::requests::Step;
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
    /// One attempt of [`Store::append`](crate::store::Store::append).
    pub(super) async fn try_append(
        &self,
        call: &EventCall,
        request_id: Uuid,
        now: Timestamp,
    ) -> Result<AppendOutcome, AttemptError> {
        let key = &call.group;
        let include = Include {
            node: Some(&call.node),
            head: true,
            ..Include::default()
        };
        let view = self.read_group(key, include, now).await?;
        let head = self.require_head(key, view.head)?;
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
            return Ok(appended(
                call,
                earlier.last,
                earlier.request_id != request_id,
            ));
        }
        let sender = Sender::of(node.place(), call.node == view.group.host);
        node.logged.retain(|(second, _)| self.in_log(*second, now));
        let keep = !call.events.is_empty()
            && (call.kind == EventKind::Recorded
                // Its own record may still say that it expired.
                || node.polls()
                || self.has_pollers(&head, &view.group, now).await?);
        if call.kind == EventKind::Fired {
            self.cache.set_keeps_fired(key, keep);
        }
        let last = Cursor {
            stamp: Stamp::after(head.last.map(|last| last.stamp), now),
            index: u32::try_from(call.events.len())
                .unwrap_or(u32::MAX)
                .saturating_sub(1),
        };
        if let Some(fingerprint) = fingerprint {
            if node.calls.len() >= CALLS_PER_NODE.min(self.limits.calls_per_group) {
                return Err(log_full(self.limits.calls_per_group));
            }
            let called = RecentCall::new(&fingerprint, last, request_id);
            node.calls.push(called);
        }
        let mut steps = Vec::new();
        if keep {
            let own = node.logged.iter().map(|(_, usage)| *usage).sum();
            steps = self.append_steps(call, &head, (sender, own), last, now)?;
        }
        let counts = keep && sender != Sender::Outsider;
        if counts {
            let usage = Usage::call(call.bytes());
            match node.logged.last_mut() {
                Some((second, used)) if *second == last.stamp.at.seconds() => *used += usage,
                _ => node.logged.push((last.stamp.at.seconds(), usage)),
            }
        }
        if refreshed || fingerprint.is_some() || counts {
            steps.push(put_node(key, before.as_ref(), &node));
            if !keep && before.is_none() {
                steps.push(Step::check(Key::head(key)).when("attribute_exists(#pk)"));
            }
        }
        let written = self.table.write("append events", steps).await;
        if written.is_err() {
            self.cache.invalidate(key);
        }
        written?;
        let mut outcome = appended(call, last, false);
        if call.events.is_empty() {
            outcome.next_since = next_position(head.last, last);
        }
        Ok(outcome)
    }

    /// Whether calls of this second are still in the log.
    fn in_log(&self, second: i64, now: Timestamp) -> bool {
        let second = Timestamp::from_seconds(second);
        self.rules.event_alive(second, now)
    }

    /// The steps that append a call to the log. `own` is what the sender uses of it as a member.
    fn append_steps(
        &self,
        call: &EventCall,
        head: &GroupHead,
        (sender, own): (Sender, Usage),
        last: Cursor,
        now: Timestamp,
    ) -> Result<Vec<Step>, AttemptError> {
        let bytes = call.bytes();
        if bytes > CALL_BYTES {
            return Err(ClientError::TooLarge {
                argument: "events",
                bytes: CALL_BYTES,
            }
            .into());
        }
        let mut window = head.window.clone();
        window.retain(|slot| self.in_log(slot.second, now));
        let usage = Usage::call(bytes);
        let used = LogUsage {
            all: window.iter().map(|slot| slot.all).sum(),
            outside: window.iter().map(|slot| slot.outside).sum(),
            own: match sender {
                Sender::Outsider => window.iter().map(|slot| slot.outsiders).sum(),
                Sender::Member | Sender::Foreign => own,
            },
        };
        used.admit(sender, usage, &self.limits)?;
        let second = last.stamp.at.seconds();
        let mut slot = window
            .pop_if(|slot| slot.second == second)
            .unwrap_or_default();
        slot.second = second;
        slot.all += usage;
        if sender != Sender::Member {
            slot.outside += usage;
        }
        if sender == Sender::Outsider {
            slot.outsiders += usage;
        }
        window.push(slot);
        let mut steps = vec![head_step(&call.group, head, last, window)];
        let event_ttl = self.rules.timings().event_ttl;
        let mut after = head.last;
        for events in records(call, last) {
            let events = EventRecord { after, ..events };
            steps.push(Step::put(events.item(&call.group, event_ttl)));
            after = Some(events.last);
        }
        Ok(steps)
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

fn appended(call: &EventCall, last: Cursor, repeated: bool) -> AppendOutcome {
    AppendOutcome {
        batch: call.batch(last.stamp.at),
        next_since: last.to_string(),
        repeated,
    }
}

/// The position at which a poll continues after an empty call. That call has no position in the
/// log, so the next call gets the position that it would have had.
fn next_position(end: Option<Cursor>, next: Cursor) -> String {
    match end {
        Some(end) if end.stamp.at >= next.stamp.at => end.to_string(),
        _ => format!("{CURSOR_PREFIX}{}", next.stamp.at),
    }
}

/// The step that advances the log head from where it was read.
fn head_step(group: &GroupKey, head: &GroupHead, last: Cursor, window: Vec<Slot>) -> Step {
    let head_after = GroupHead {
        window,
        ..GroupHead::default()
    };
    let step = Step::update(
        Key::head(group),
        "SET #lastAt = :at, #lastCall = :call, #lastIndex = :index, #window = :window",
    );
    let step = step
        .when("attribute_exists(#pk)")
        .with(":at", number(last.stamp.at.millis()))
        .with(":call", number(i64::from(last.stamp.call)))
        .with(":index", number(i64::from(last.index)))
        .with(":window", head_after.window_value());
    match head.last {
        None => step.when("attribute_not_exists(#lastAt)"),
        Some(Cursor { stamp, .. }) => step
            .when("#lastAt = :seenAt AND #lastCall = :seenCall")
            .with(":seenAt", number(stamp.at.millis()))
            .with(":seenCall", number(i64::from(stamp.call))),
    }
}

/// A call's events as records: one, unless they are too large.
fn records(call: &EventCall, last: Cursor) -> Vec<EventRecord> {
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
                    node: call.node.clone(),
                    last: cursor,
                    after: None,
                    events: vec![event.clone()],
                },
            )),
        }
    }
    records.into_iter().map(|(_, record)| record).collect()
}

fn bytes(event: &EventInput) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    // The names of the attributes count as well.
    event.name.len() + event.fired_at.len() + text(&event.payload) + text(&event.order_key) + 48
}

#[cfg(test)]
mod tests;
