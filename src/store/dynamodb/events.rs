//! A group's log (decisions D12 to D15). A kept call is one transaction with the room's
//! log head, which names the call before it: calls take their places one after another,
//! whoever takes them, and a reader sees when one is not yet visible.

use crate::heartbeat::rules::Rules;
use crate::model::error::ClientError;
use crate::model::event::{Channel, Cursor, Event, EventCall, EventInput, Since, Stamp};
use crate::model::group::{Group, GroupKey};
use crate::model::rendered;
use crate::model::time::Timestamp;
use crate::store::dynamodb::attempt_error::{AttemptError, until_settled};
use crate::store::dynamodb::items::attributes::{number, text};
use crate::store::dynamodb::items::events::Stretch;
use crate::store::dynamodb::items::group::Room;
use crate::store::dynamodb::items::keys::{self, Item, Key};
use crate::store::dynamodb::items::node::{Node, Remembered};
use crate::store::dynamodb::nodes::put_node;
use crate::store::dynamodb::requests::{Search, Step};
use crate::store::dynamodb::{DynamoDb, Wanted};
use crate::store::{AppendOutcome, EVENTS_PER_READ, Failure, Result};

/// Texts in one record of events; DynamoDB's bound is 400 KB with all around them.
const RECORD_BYTES: usize = 250 * 1024;
/// Events in one record.
const RECORD_EVENTS: usize = 1_000;
/// Texts in one call; DynamoDB's bound on a transaction is 4 MB.
const CALL_BYTES: usize = 3 * 1024 * 1024;
/// Calls of one node that are remembered within the event TTL.
const CALLS_PER_NODE: usize = 1_000;
/// Polling nodes whose records are read at once.
const POLLERS_AT_ONCE: usize = 10;
/// Records that one page of the log reads.
const PAGE: i32 = 100;

impl DynamoDb {
    /// One try of [`Store::append`](crate::store::Store::append).
    pub(super) async fn try_append(
        &self,
        call: &EventCall,
        taken_by: &str,
        now: Timestamp,
    ) -> Result<AppendOutcome, AttemptError> {
        let key = &call.group;
        let wanted = Wanted {
            node: Some(&call.node),
            room: true,
            ..Wanted::default()
        };
        let seen = self.look(key, wanted, now).await?;
        let room = self.entered(key, seen.room)?;
        let before = seen.node;
        let mut node = before
            .clone()
            .unwrap_or_else(|| Node::unknown(&call.node, &seen.group));
        let member = node.membership.is_some();
        let touched = member && node.touch(self.rules.member_until(now));
        node.calls
            .retain(|call| self.rules.event_alive(call.last.stamp.at, now));
        let fingerprint = call.fingerprint();
        if let Some(answered) = fingerprint.and_then(|f| node.remembers(&f)).cloned() {
            if touched {
                let step = put_node(key, before.as_ref(), &node);
                self.table.write("renew a node", vec![step]).await?;
            }
            // An own write whose answer was lost is no repetition.
            return Ok(appended(call, answered.last, answered.taken_by != taken_by));
        }
        let keep = !call.events.is_empty()
            && (call.channel == Channel::Recorded
                || self.has_pollers(&room, &seen.group, now).await?);
        let last = Cursor {
            stamp: Stamp::after(room.last.map(|last| last.stamp), now),
            index: u32::try_from(call.events.len())
                .unwrap_or(u32::MAX)
                .saturating_sub(1),
        };
        if let Some(fingerprint) = fingerprint {
            if node.calls.len() >= CALLS_PER_NODE.min(self.limits.calls_per_group) {
                return Err(log_full(self.limits.calls_per_group));
            }
            node.calls.push(Remembered {
                fingerprint: fingerprint.as_bytes().to_vec(),
                last,
                taken_by: taken_by.into(),
            });
        }
        let mut steps = Vec::new();
        if keep {
            steps = self.keep(call, &room, last, now)?;
        }
        if touched || fingerprint.is_some() {
            steps.push(put_node(key, before.as_ref(), &node));
            if !keep && before.is_none() {
                steps.push(Step::check(Key::room(key)).when("attribute_exists(#pk)"));
            }
        }
        let written = self.table.write("take events", steps).await;
        if written.is_err() {
            self.memory.forget(key);
        }
        written?;
        let mut taken = appended(call, last, false);
        if call.events.is_empty() {
            taken.next_since = end_of(room.last, last);
        }
        Ok(taken)
    }

    /// The steps that put a call at the log's end.
    fn keep(
        &self,
        call: &EventCall,
        room: &Room,
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
        let mut window = room.window.clone();
        window.retain(|(second, ..)| {
            self.rules
                .event_alive(Timestamp::from_seconds(*second), now)
        });
        let calls: usize = window.iter().map(|(_, calls, _)| calls).sum();
        let held: usize = window.iter().map(|(.., bytes)| bytes).sum();
        if held + bytes > self.limits.event_bytes_per_group {
            return Err(log_full(self.limits.event_bytes_per_group));
        }
        if calls >= self.limits.calls_per_group {
            return Err(log_full(self.limits.calls_per_group));
        }
        match window.last_mut() {
            Some((second, calls, held)) if *second == last.stamp.at.seconds() => {
                *calls += 1;
                *held += bytes;
            }
            _ => window.push((last.stamp.at.seconds(), 1, bytes)),
        }
        let mut steps = vec![head(&call.group, room, last, window)];
        let event_ttl = self.rules.timings().event_ttl;
        let mut after = room.last;
        for events in records(call, last) {
            let events = Stretch { after, ..events };
            steps.push(Step::put(events.item(&call.group, event_ttl)));
            after = Some(events.last);
        }
        Ok(steps)
    }

    /// Whether fired events must be kept (decision D13).
    async fn has_pollers(
        &self,
        room: &Room,
        group: &Group,
        now: Timestamp,
    ) -> Result<bool, AttemptError> {
        if room.polling || room.polled_until.is_some_and(|until| until >= now) {
            return Ok(true);
        }
        for pollers in room.pollers.chunks(POLLERS_AT_ONCE) {
            let keys = pollers.iter().map(|node| Key::node_part(&group.key, node));
            let keys: Vec<Key> = keys.collect();
            let found = self.table.read("look for pollers", &keys).await?;
            for item in found.iter().flatten() {
                let node = Node::read(item)?;
                if node.polls() && node.alive(now) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// See [`Store::events_since`](crate::store::Store::events_since).
    pub(super) async fn poll(
        &self,
        key: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        let Some(group) = self.living(key, now).await? else {
            return Ok(Vec::new());
        };
        self.note_poll(&group, now).await?;
        let events: Vec<Event> = until_settled!(self, self.try_poll(&group, since, now))?;
        Ok(rendered::page(key, events.into_iter(), max_bytes))
    }

    async fn try_poll(
        &self,
        group: &Group,
        since: Since<'_>,
        now: Timestamp,
    ) -> Result<Vec<Event>, AttemptError> {
        const DOING: &str = "read events";
        let Group { key, .. } = group;
        let mut newest = None;
        if Rules::is_ahead(since, now) {
            // Perhaps the log goes on as far.
            let room = self.table.read(DOING, &[Key::room(key)]).await?.remove(0);
            let room = room.as_ref().map(Room::read).transpose()?;
            newest = room.and_then(|room| room.last).map(|last| last.to_string());
        }
        let newest = newest.as_deref();
        let from = self.rules.since(since, group.created_at, newest, now);
        let (low, high) = keys::events_from(self.not_before_living(&from, now).as_str());
        let search = Search {
            keys: "#pk = :inside AND #sk BETWEEN :low AND :high",
            values: vec![
                (":inside", text(keys::inside(key))),
                (":low", text(low)),
                (":high", text(high)),
            ],
            page: Some(PAGE),
            ..Search::default()
        };
        let mut log = Reading::new(from);
        let mut next = None;
        loop {
            let (items, after) = self.table.page(DOING, &search, next).await?;
            for item in &items {
                let alive = |at| self.rules.event_alive(at, now);
                log.take(item, alive)?;
            }
            next = after;
            if next.is_none() || log.events.len() >= EVENTS_PER_READ || log.broken {
                break;
            }
        }
        log.told()
    }

    /// The first cursor that can still be polled, if `since` lies before it: expired
    /// events that the table has not tidied yet need not be read.
    fn not_before_living(&self, since: &str, now: Timestamp) -> String {
        let ttl = i64::from(self.rules.timings().event_ttl);
        let living = Timestamp::from_seconds(now.seconds() - ttl);
        let living = format!("{}{living}", crate::model::event::CURSOR_PREFIX);
        living.max(since.to_owned())
    }

    /// Writes down that somebody polls, rarely (decision D13): polls count until a
    /// while after the minute, so that the next ones need not be written.
    async fn note_poll(&self, group: &Group, now: Timestamp) -> Result<()> {
        let counts_until = now.plus_seconds(60);
        let noted = self.memory.polls_noted_until(&group.key);
        if noted.is_some_and(|noted| noted >= counts_until) {
            return Ok(());
        }
        let spare = u32::try_from(self.settings.note_polls_every.as_secs()).unwrap_or(0);
        let until = counts_until.plus_seconds(spare);
        let marker = || {
            let step = Step::update(Key::room(&group.key), "SET #polledUntil = :until");
            step.when("attribute_exists(#pk) AND (attribute_not_exists(#polledUntil) OR #polledUntil < :until)")
                .with(":until", number(until.millis()))
        };
        match self.table.write("note a poll", vec![marker()]).await {
            // Another poll noted as much, or the group is ending.
            Ok(()) | Err(AttemptError::Lost(_)) => {
                self.memory.note_polls(&group.key, until);
                Ok(())
            }
            Err(attempt_error) => Err(attempt_error.into()),
        }
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

/// Where a reader goes on who has read all so far: an empty call takes no place in the
/// log, so the next call takes the place that it would have had.
fn end_of(end: Option<Cursor>, next: Cursor) -> String {
    match end {
        Some(end) if end.stamp.at >= next.stamp.at => end.to_string(),
        _ => format!("{}{}", crate::model::event::CURSOR_PREFIX, next.stamp.at),
    }
}

/// The log's head moves on from where it was read.
fn head(group: &GroupKey, room: &Room, last: Cursor, window: Vec<(i64, usize, usize)>) -> Step {
    let room_after = Room {
        window,
        ..Room::default()
    };
    let head = Step::update(
        Key::room(group),
        "SET #lastAt = :at, #lastCall = :call, #lastIndex = :index, #window = :window",
    );
    let head = head
        .when("attribute_exists(#pk)")
        .with(":at", number(last.stamp.at.millis()))
        .with(":call", number(i64::from(last.stamp.call)))
        .with(":index", number(i64::from(last.index)))
        .with(":window", room_after.window_value());
    match room.last {
        None => head.when("attribute_not_exists(#lastAt)"),
        Some(Cursor { stamp, .. }) => head
            .when("#lastAt = :seenAt AND #lastCall = :seenCall")
            .with(":seenAt", number(stamp.at.millis()))
            .with(":seenCall", number(i64::from(stamp.call))),
    }
}

/// A call's events as records: one, unless they are too large for it.
fn records(call: &EventCall, last: Cursor) -> Vec<Stretch> {
    let mut records: Vec<(usize, Stretch)> = Vec::new();
    for (event, index) in call.in_log_order().into_iter().zip(0..) {
        let size = bytes(event);
        let here = Cursor {
            stamp: last.stamp,
            index,
        };
        match records.last_mut() {
            Some((held, record))
                if *held + size <= RECORD_BYTES && record.events.len() < RECORD_EVENTS =>
            {
                *held += size;
                record.last = here;
                record.events.push(event.clone());
            }
            _ => records.push((
                size,
                Stretch {
                    node: call.node.clone(),
                    last: here,
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

/// What a reader has of the log so far.
#[derive(Debug)]
struct Reading {
    since: String,
    events: Vec<Event>,
    /// The last record seen.
    last: Option<String>,
    /// Whether a record is not visible yet that stands before one that is: what comes
    /// after it must wait, or a reader would never come back for it (decision D12).
    broken: bool,
}

impl Reading {
    fn new(since: String) -> Self {
        Self {
            since,
            events: Vec::new(),
            last: None,
            broken: false,
        }
    }

    fn take(&mut self, item: &Item, alive: impl Fn(Timestamp) -> bool) -> Result<(), AttemptError> {
        let (record, after) = Stretch::read(item)?;
        if self.broken {
            return Ok(());
        }
        if let Some(after) = after {
            let seen = self.last.as_ref() == Some(&after) || after <= self.since;
            if !seen && cursor_time(&after).is_none_or(&alive) {
                self.broken = true;
                return Ok(());
            }
        }
        self.last = Some(record.last.to_string());
        if alive(record.last.stamp.at) {
            let since = &self.since;
            let later = |event: &Event| event.cursor.is_some_and(|at| at.to_string() > *since);
            self.events.extend(record.polled().filter(later));
        }
        Ok(())
    }

    fn told(mut self) -> Result<Vec<Event>, AttemptError> {
        if self.broken && self.events.is_empty() {
            let cause = "a call before the last is not visible yet";
            return Err(AttemptError::Lost(Failure::new("read events", cause)));
        }
        self.events.truncate(EVENTS_PER_READ);
        Ok(self.events)
    }
}

/// The time in a cursor's text.
fn cursor_time(cursor: &str) -> Option<Timestamp> {
    let text = cursor.strip_prefix(crate::model::event::CURSOR_PREFIX)?;
    let at: jiff::Timestamp = text.split('#').next()?.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::ids::NodeId;

    fn place(call: u32) -> Cursor {
        Cursor {
            stamp: Stamp {
                at: Timestamp::from_seconds(1_800_000_000),
                call,
            },
            index: 0,
        }
    }

    /// The names told to a reader who sees these calls, each with the one before it.
    fn told(since: &str, calls: &[u32], alive: bool) -> Option<Vec<String>> {
        let group = GroupKey::parse("g", "d").unwrap();
        let mut reading = Reading::new(since.into());
        for call in calls {
            let event = EventInput {
                name: call.to_string(),
                payload: None,
                fired_at: String::new(),
                order_key: None,
            };
            let stretch = Stretch {
                node: NodeId::parse("nodeId", "n").unwrap(),
                last: place(*call),
                after: call.checked_sub(1).map(place),
                events: vec![event],
            };
            let item = stretch.item(&group, 10);
            reading.take(&item, |_| alive).unwrap();
        }
        let events = reading.told().ok()?;
        Some(events.into_iter().map(|event| event.name).collect())
    }

    #[test]
    fn a_reader_waits_for_a_call_that_is_not_visible_yet() {
        assert_eq!(told("", &[0, 1, 2], true).unwrap(), ["0", "1", "2"]);
        assert_eq!(told("", &[0, 2], true).unwrap(), ["0"]);
        assert_eq!(told(&place(0).to_string(), &[2], true), None);
        assert_eq!(told(&place(1).to_string(), &[2], true).unwrap(), ["2"]);
    }

    #[test]
    fn a_call_before_the_readers_clock_or_past_its_time_is_not_waited_for() {
        let clock = format!("EVENT#{}", Timestamp::from_seconds(1_800_000_001));
        assert_eq!(told(&clock, &[7], true).unwrap(), [""; 0]);
        assert_eq!(told("", &[7], false).unwrap(), [""; 0]);
    }

    #[test]
    fn a_large_call_stands_in_several_records_in_order() {
        let event = |n: usize| EventInput {
            name: n.to_string(),
            payload: Some("x".repeat(100_000)),
            fired_at: String::new(),
            order_key: Some(format!("{n:02}")),
        };
        let call = EventCall {
            group: GroupKey::parse("g", "d").unwrap(),
            node: NodeId::parse("nodeId", "n").unwrap(),
            channel: Channel::Recorded,
            events: Arc::new((0..7).rev().map(event).collect()),
        };
        let records = records(&call, place(3));
        let sizes: Vec<_> = records.iter().map(|record| record.events.len()).collect();
        assert_eq!(sizes, [2, 2, 2, 1]);
        let polled = records.into_iter().flat_map(Stretch::polled);
        let places: Vec<_> = polled.map(|e| (e.name, e.cursor.unwrap().index)).collect();
        let expected = (0..7).map(|n: u32| (n.to_string(), n));
        assert_eq!(places, expected.collect::<Vec<_>>());
    }
}
