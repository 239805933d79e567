//! Positions in a group's log of events.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

/// The prefix of every cursor.
pub const CURSOR_PREFIX: &str = "EVENT#";

/// Where a poll of a group's log continues: after a cursor or a time, or at the beginning when
/// the text is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since<'a> {
    /// Exactly there (getEventsSince).
    Exactly(&'a str),
    /// The same, but a plain time counts from one polling interval earlier: an editor's
    /// first poll sends its own clock, two seconds after it joined (decision D14).
    Polled(&'a str),
}

impl<'a> Since<'a> {
    /// The text as it was sent.
    pub fn text(self) -> &'a str {
        match self {
            Self::Exactly(text) | Self::Polled(text) => text,
        }
    }
}

/// The position of a call in its group's log: a timestamp that strictly increases within the
/// group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// The millisecond.
    pub at: Timestamp,
    /// The call's number within the millisecond.
    pub call: u32,
}

impl Stamp {
    /// The largest number of calls in a millisecond; text order needs a fixed width.
    const CALLS_PER_MILLI: u32 = 1_000_000;

    /// The stamp of a call at `now` in a log whose last stamp is `last`.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        match last {
            Some(last) if last.at >= now && last.call + 1 < Self::CALLS_PER_MILLI => Self {
                at: last.at,
                call: last.call + 1,
            },
            Some(last) if last.at >= now => Self {
                at: last.at.next(),
                call: 0,
            },
            _ => Self { at: now, call: 0 },
        }
    }
}

/// An event's position in its group's log (decision D12). Its text sorts like the log, and
/// against `EVENT#` and a client's ISO time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The call's stamp.
    pub stamp: Stamp,
    /// The event's index within the call.
    pub index: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{CURSOR_PREFIX}{}#{:06}#{:06}",
            self.stamp.at, self.stamp.call, self.index
        )
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stamps_increase_whatever_the_clock_does(clock in prop::collection::vec(0i64..1000, 1..50)) {
            let mut last = None;
            for now in clock {
                let stamp = Stamp::after(last, Timestamp::from_millis(now));
                prop_assert!(last.is_none_or(|l| l < stamp) && stamp.at >= Timestamp::from_millis(now));
                last = Some(stamp);
            }
        }

        #[test]
        fn cursors_sort_as_text_like_values(
            a in (0i64..4_000_000_000_000, 0u32..1_000_000, 0u32..10_000),
            b in (0i64..4_000_000_000_000, 0u32..1_000_000, 0u32..10_000),
        ) {
            let cursor = |(at, call, index): (i64, u32, u32)| {
                Cursor { stamp: Stamp { at: Timestamp::from_millis(at), call }, index }
            };
            let (a, b) = (cursor(a), cursor(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn a_cursor_is_later_than_the_clients_clock_of_its_millisecond(at in 0i64..4_000_000_000_000) {
            let cursor = Cursor { stamp: Stamp { at: Timestamp::from_millis(at), call: 0 }, index: 0 };
            let clock = |millis| format!("{CURSOR_PREFIX}{}", Timestamp::from_millis(millis));
            prop_assert!(cursor.to_string() > clock(at));
            prop_assert!(cursor.to_string() < clock(at + 1));
        }
    }
}
