//! Polls of a group's event log (decisions D12 to D14).

use crate::model::cursor::{CURSOR_PREFIX, Since};
use crate::model::event::Event;
use crate::model::group::{Group, GroupKey};
use crate::model::json_size;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::{AttemptError, Cause};
use crate::store::dynamodb::items::attributes::{number, text};
use crate::store::dynamodb::items::events::EventRecord;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{self, Item, Key};
use crate::store::dynamodb::requests::{Query, Step};
use crate::store::dynamodb::retry::retry;
use crate::store::{EVENTS_PER_READ, Failure, Result};

/// Records in one page of the log.
const PAGE: i32 = 100;

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
        const DOING: &str = "read events";
        let Group { key, .. } = group;
        let mut newest = None;
        if Rules::is_ahead(since, now) {
            // Reads how far the log goes.
            let head = self.table.read(DOING, &[Key::head(key)]).await?.remove(0);
            let head = head.as_ref().map(GroupHead::read).transpose()?;
            newest = head.and_then(|head| head.last).map(|last| last.to_string());
        }
        let newest = newest.as_deref();
        let from = self.rules.since(since, group.created_at, newest, now);
        let (low, high) = keys::events_from(self.skip_expired(&from, now).as_str());
        let search = Query {
            keys: "#pk = :inside AND #sk BETWEEN :low AND :high",
            values: vec![
                (":inside", text(keys::inside(key))),
                (":low", text(low)),
                (":high", text(high)),
            ],
            page: Some(PAGE),
            ..Query::default()
        };
        let mut reader = LogReader::new(from);
        let mut next = None;
        loop {
            let (items, after) = self.table.page(DOING, &search, next).await?;
            for item in &items {
                let alive = |at| self.rules.event_alive(at, now);
                reader.push(item, alive)?;
            }
            next = after;
            if next.is_none() || reader.events.len() >= EVENTS_PER_READ || reader.gap {
                break;
            }
        }
        reader.finish()
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
    events: Vec<Event>,
    /// The cursor of the last record.
    last: Option<String>,
    /// Whether a record is not visible yet but a later one is. The later one must wait, because
    /// pollers never go back (decision D12).
    gap: bool,
}

impl LogReader {
    fn new(since: String) -> Self {
        Self {
            since,
            events: Vec::new(),
            last: None,
            gap: false,
        }
    }

    fn push(&mut self, item: &Item, alive: impl Fn(Timestamp) -> bool) -> Result<(), AttemptError> {
        let (record, after) = EventRecord::read(item)?;
        if self.gap {
            return Ok(());
        }
        if let Some(after) = after {
            let seen = self.last.as_ref() == Some(&after) || after <= self.since;
            if !seen && cursor_time(&after).is_none_or(&alive) {
                self.gap = true;
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

    fn finish(mut self) -> Result<Vec<Event>, AttemptError> {
        if self.gap && self.events.is_empty() {
            let cause = "a call before the last is not visible yet";
            return Err(AttemptError::conflict(Failure::new("read events", cause)));
        }
        self.events.truncate(EVENTS_PER_READ);
        Ok(self.events)
    }
}

/// The time in a cursor's text.
fn cursor_time(cursor: &str) -> Option<Timestamp> {
    let text = cursor.strip_prefix(CURSOR_PREFIX)?;
    let at: jiff::Timestamp = text.split('#').next()?.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests;
