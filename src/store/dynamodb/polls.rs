//! Polls of a group's event log (decisions D12 to D14).

use std::time::Duration;

use crate::model::cursor::{CURSOR_PREFIX, Since};
use crate::model::event::Event;
use crate::model::group::{Group, GroupKey};
use crate::model::json_size;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::{AttemptError, Cause};
use crate::store::dynamodb::items::attributes::{number, text};
use crate::store::dynamodb::items::events::LogEntry;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{self, Key};
use crate::store::dynamodb::requests::{Query, Step};
use crate::store::dynamodb::retry::retry;
use crate::store::{EVENTS_PER_READ, Failure, Result};

/// Records in one page of the log.
const PAGE: i32 = 100;
/// How long the log's record is known that says where a poll begins. An older one would only let
/// it read more.
const KNOWN_FOR: Duration = Duration::from_secs(2);
/// Missing calls that one poll voids.
const MISSING_AT_ONCE: usize = 50;

impl DynamoDb {
    /// See [`Store::events_since`](crate::store::Store::events_since).
    pub(super) async fn poll(
        &self,
        key: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        let Some(group) = self.live_group(key, now).await? else {
            return Ok(Vec::new());
        };
        retry!(self, self.mark_polled(&group, now))?;
        let events: Vec<Event> = retry!(self, self.try_poll(&group, since, now))?;
        Ok(json_size::page(key, events.into_iter(), max_bytes))
    }

    async fn try_poll(
        &self,
        group: &Group,
        since: Since<'_>,
        now: Timestamp,
    ) -> Result<Vec<Event>, AttemptError> {
        let Group { key, .. } = group;
        let log = self.logs.of(key);
        let mut newest = None;
        if Rules::is_ahead(since, now) {
            // Reads how far the log goes.
            let state = self.read_log(key).await?;
            newest = state
                .and_then(|state| state.last())
                .map(|last| last.to_string());
        }
        let from = self
            .rules
            .since(since, group.created_at, newest.as_deref(), now);
        let from = self.skip_expired(&from, now);
        let first = match (log.page_end(&from), log.known(KNOWN_FOR)) {
            (Some(number), _) => number,
            (None, Some(known)) => known.first_after(&from),
            (None, None) => match self.read_log(key).await? {
                Some(state) => state.first_after(&from),
                // No call was kept yet.
                None => return Ok(Vec::new()),
            },
        };
        let read = self.read_calls(key, first, &from, now).await?;
        let read = if read.is_blocked() {
            self.pass_gaps(key, (first, &from), &read.missing, now)
                .await?
        } else {
            read
        };
        let (events, number) = read.finish()?;
        if let (Some(number), Some(end)) = (number, events.last().and_then(|event| event.cursor)) {
            log.add_page(end.to_string(), number);
        }
        Ok(events)
    }

    /// Reads the calls again, after those that were missing had time to be written. A call that
    /// is still missing loses its number: no later call may be read before.
    async fn pass_gaps(
        &self,
        group: &GroupKey,
        (first, from): (u64, &str),
        missing: &[u64],
        now: Timestamp,
    ) -> Result<LogReader, AttemptError> {
        tokio::time::sleep(self.settings.gap_wait).await;
        let read = self.read_calls(group, first, from, now).await?;
        if !read.is_blocked() {
            return Ok(read);
        }
        let late: Vec<u64> = missing
            .iter()
            .copied()
            .filter(|number| read.missing.contains(number))
            .collect();
        self.void(group, &late, now).await?;
        self.read_calls(group, first, from, now).await
    }

    /// Reads a page of calls from a number on.
    async fn read_calls(
        &self,
        group: &GroupKey,
        first: u64,
        since: &str,
        now: Timestamp,
    ) -> Result<LogReader, AttemptError> {
        let (low, high) = keys::calls_from(first);
        let search = Query {
            keys: "#pk = :inside AND #sk BETWEEN :low AND :high",
            values: vec![
                (":inside", text(keys::inside(group))),
                (":low", text(low)),
                (":high", text(high)),
            ],
            page: Some(PAGE),
            ..Query::default()
        };
        let mut reader = LogReader::new(since.to_owned(), first);
        let mut next = None;
        loop {
            let (items, after) = self.table.page("read events", &search, next).await?;
            for item in &items {
                let alive = |at| self.rules.event_alive(at, now);
                reader.push(LogEntry::read(item)?, alive);
            }
            next = after;
            if next.is_none() || reader.events.len() >= EVENTS_PER_READ || reader.is_cut() {
                return Ok(reader);
            }
        }
    }

    /// `since`, or the first position that can be polled if it is later: skips expired events
    /// that are not removed yet.
    fn skip_expired(&self, since: &str, now: Timestamp) -> String {
        let ttl = i64::from(self.rules.timings().event_ttl);
        let first = Timestamp::from_seconds(now.seconds() - ttl);
        let first = format!("{CURSOR_PREFIX}{first}");
        first.max(since.to_owned())
    }

    /// Marks the group as polled (decision D13). The mark is valid for longer than a minute, so
    /// that most polls need no write.
    async fn mark_polled(&self, group: &Group, now: Timestamp) -> Result<(), AttemptError> {
        const DOING: &str = "mark a group as polled";
        let until_needed = now.plus_seconds(60);
        let marked = self.cache.polled_until(&group.key);
        if marked.is_some_and(|marked| marked >= until_needed) {
            return Ok(());
        }
        let spare = u32::try_from(self.settings.poll_mark_interval.as_secs()).unwrap_or(0);
        let until = until_needed.plus_seconds(spare);
        let head = Key::head(&group.key);
        let step = Step::update(head.clone(), "SET #polledUntil = :until")
            .when("attribute_exists(#pk) AND (attribute_not_exists(#polledUntil) OR #polledUntil < :until)")
            .with(":until", number(until.millis()));
        match self.table.write(DOING, vec![step]).await {
            Ok(()) => {}
            // Another poll wrote the mark, or the group is ending. Until a read shows that, fired
            // events are perhaps not kept.
            Err(AttemptError::Retry(Cause::Lost, failure)) => {
                let found = self.table.read(DOING, &[head]).await?.remove(0);
                let head = found.as_ref().map(GroupHead::read).transpose()?;
                let is_marked = |head: GroupHead| head.polled_until >= Some(until);
                if !head.is_none_or(is_marked) {
                    return Err(AttemptError::Retry(Cause::Lost, failure));
                }
            }
            Err(error) => return Err(error),
        }
        self.cache.set_polled_until(&group.key, until);
        Ok(())
    }
}

/// Collects the events of a poll from the records of the log.
#[derive(Debug)]
struct LogReader {
    since: String,
    events: Vec<(u64, Event)>,
    /// The call and the part of it that come next.
    next: (u64, u32),
    /// Calls that are not visible while a later one is. The later ones must wait, because pollers
    /// never go back (decision D12).
    missing: Vec<u64>,
    /// Whether a part of a call is not visible while a later one is.
    torn: bool,
}

impl LogReader {
    fn new(since: String, first: u64) -> Self {
        Self {
            since,
            events: Vec::new(),
            next: (first, 0),
            missing: Vec::new(),
            torn: false,
        }
    }

    fn push(&mut self, entry: LogEntry, alive: impl Fn(Timestamp) -> bool) {
        let record = match entry {
            LogEntry::Void(number) => {
                self.pass((number, 0), true);
                self.next = (number + 1, 0);
                return;
            }
            LogEntry::Events(record) => record,
        };
        let is_wanted = alive(record.last.stamp.at) && record.last.to_string() > self.since;
        // What is missing before an event that is not wanted is not wanted either.
        self.pass((record.number, record.part), is_wanted);
        self.next = if record.part + 1 < record.parts {
            (record.number, record.part + 1)
        } else {
            (record.number + 1, 0)
        };
        if is_wanted && !self.is_cut() {
            let (since, number) = (&self.since, record.number);
            let later = |event: &Event| event.cursor.is_some_and(|at| at.to_string() > *since);
            let events = record.polled().filter(later);
            self.events.extend(events.map(|event| (number, event)));
        }
    }

    /// Notes what is missing before a record.
    fn pass(&mut self, found: (u64, u32), is_wanted: bool) {
        let (number, part) = self.next;
        if !is_wanted {
            return;
        }
        let room = MISSING_AT_ONCE - self.missing.len().min(MISSING_AT_ONCE);
        let first = if part > 0 { number + 1 } else { number };
        self.torn |= found != self.next && (part > 0 || found.1 > 0);
        self.missing.extend((first..found.0).take(room));
    }

    /// Whether nothing more can be read past a gap.
    fn is_cut(&self) -> bool {
        self.torn || !self.missing.is_empty()
    }

    /// Whether a gap is before the first event.
    fn is_blocked(&self) -> bool {
        self.is_cut() && self.events.is_empty()
    }

    /// The events, and the number of the last one's call.
    fn finish(mut self) -> Result<(Vec<Event>, Option<u64>), AttemptError> {
        if self.is_blocked() {
            let cause = "a call before the last is not visible yet";
            return Err(AttemptError::conflict(Failure::new("read events", cause)));
        }
        self.events.truncate(EVENTS_PER_READ);
        let number = self.events.last().map(|(number, _)| *number);
        let events = self.events.into_iter().map(|(_, event)| event);
        Ok((events.collect(), number))
    }
}

#[cfg(test)]
mod tests;
