//! Which events a poll returns, and how long fired events are kept for pollers.

use std::time::Duration;

use crate::model::cursor::{CURSOR_PREFIX, Since};
use crate::model::rules::Rules;
use crate::model::time::Timestamp;

impl Rules {
    /// Whether an event accepted at `at` can still be polled (decision D14).
    pub fn event_alive(&self, at: Timestamp, now: Timestamp) -> bool {
        at.seconds() + i64::from(self.timings.event_ttl) > now.seconds()
    }

    /// Whether the group counts as polled after a poll at `polled_at` (decision D13).
    pub fn is_polled(polled_at: Timestamp, now: Timestamp) -> bool {
        polled_at >= now.minus(Duration::from_mins(1))
    }

    /// Whether a poll's position is after `now`.
    pub fn is_ahead(since: Since<'_>, now: Timestamp) -> bool {
        cursor(since) >= format!("{CURSOR_PREFIX}{}", now.next())
    }

    /// Where a poll of a group created at `created_at` continues, as a cursor's text (decision
    /// D14). A position after both `now` and `newest`, the group's last cursor, counts as two
    /// polling intervals before `now`. A plain time counts as one interval earlier, but not
    /// before the group's creation.
    pub fn since(
        &self,
        since: Since<'_>,
        created_at: Timestamp,
        newest: Option<&str>,
        now: Timestamp,
    ) -> String {
        let cursor = cursor(since);
        let interval = Duration::from_secs(u64::from(self.timings.polling_interval));
        if Self::is_ahead(since, now) && newest.is_none_or(|newest| cursor.as_str() > newest) {
            return format!("{CURSOR_PREFIX}{}", now.minus(interval * 2));
        }
        let Since::Polled(text) = since else {
            return cursor;
        };
        match Timestamp::parse(text) {
            Some(time) => {
                let earlier = time.minus(interval).max(created_at).min(time);
                format!("{CURSOR_PREFIX}{earlier}")
            }
            None => cursor,
        }
    }
}

/// The position with the prefix of cursors.
fn cursor(since: Since<'_>) -> String {
    match since.text() {
        text if text.starts_with(CURSOR_PREFIX) => text.to_owned(),
        text => format!("{CURSOR_PREFIX}{text}"),
    }
}
