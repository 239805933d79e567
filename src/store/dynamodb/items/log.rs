//! A group's log record: it numbers the kept calls of all servers, and counts what they use.
//!
//! One update takes numbers for any number of calls, and it is in no transaction, so updates of
//! many servers do not conflict. Their only condition is that there is a log. Each writes under its own
//! millisecond, unless another did before, which number was next: the latest millisecond there is
//! the time of the call, whatever the servers' clocks. In the same way, each writes under its slot
//! of time how large the counts were before, which gives the use within the event TTL, and the
//! number at which a poll begins. A slot is a tenth of the event TTL, so their number is bounded; it is
//! named by its last second, and so counts until its last call expires. So the limits of a log are never exceeded; a number that a call took and did not use
//! counts as a call until it expires. Nothing here waits.

use std::collections::BTreeMap;

use crate::model::cursor::{CURSOR_PREFIX, Cursor, Stamp};
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::limits::Limits;
use crate::model::log_quota::{LogUsage, Sender, Usage};
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{count, ttl};
use crate::store::dynamodb::requests::Step;

/// The counts, and the first letter of each one's value at the beginning of a slot. The numbers
/// of calls are the first count.
const COUNTS: [(&str, &str); 6] = [
    ("next", "n"),
    ("bytes", "b"),
    ("outsideCalls", "o"),
    ("outsideBytes", "p"),
    ("outsiderCalls", "x"),
    ("outsiderBytes", "y"),
];
/// The first letter of the number that was next in a millisecond.
const MILLI: &str = "m";
/// Attributes that one update removes; the next one removes the others.
const REMOVED_AT_ONCE: usize = 60;
/// Seconds that are kept beyond the event TTL, as the servers' clocks differ.
const SPARE_SECONDS: i64 = 3;

/// Slots of time within the event TTL, of a second at least.
const SLOTS: u32 = 10;

/// The last second of the slot of `at`.
pub fn slot(at: Timestamp, event_ttl: u32) -> i64 {
    let width = i64::from(event_ttl.div_ceil(SLOTS).max(1));
    let second = at.seconds();
    second - second.rem_euclid(width) + width - 1
}

/// A call that needs a number.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    /// How its sender is in the group.
    pub sender: Sender,
    /// What the sender uses of the log as a member.
    pub own: Usage,
    /// What the call uses.
    pub usage: Usage,
    /// The index of its last event.
    pub index: u32,
    /// When it came.
    pub now: Timestamp,
}

/// What is used of a log within the event TTL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    all: Usage,
    outside: Usage,
    outsiders: Usage,
}

impl Used {
    /// Admits calls one after the other; those that are admitted count for the next.
    pub fn admit(mut self, calls: &[Numbering], limits: &Limits) -> Vec<Result<(), ClientError>> {
        let admit = |call: &Numbering| {
            let usage = LogUsage {
                all: self.all,
                outside: self.outside,
                own: match call.sender {
                    Sender::Outsider => self.outsiders,
                    Sender::Member | Sender::Foreign => call.own,
                },
            };
            usage.admit(call.sender, call.usage, limits)?;
            self.add(call);
            Ok(())
        };
        calls.iter().map(admit).collect()
    }

    fn add(&mut self, call: &Numbering) {
        self.all += call.usage;
        if call.sender != Sender::Member {
            self.outside += call.usage;
        }
        if call.sender == Sender::Outsider {
            self.outsiders += call.usage;
        }
    }

    fn counts(self) -> [i64; COUNTS.len()] {
        let usages = [self.all, self.outside, self.outsiders];
        let [all, outside, outsiders] =
            usages.map(|usage| [count(usage.calls), count(usage.bytes)]);
        [
            all[0],
            all[1],
            outside[0],
            outside[1],
            outsiders[0],
            outsiders[1],
        ]
    }

    fn from_counts(counts: [i64; COUNTS.len()]) -> Self {
        let usage = |at: usize| Usage {
            calls: usize::try_from(counts[at]).unwrap_or(0),
            bytes: usize::try_from(counts[at + 1]).unwrap_or(0),
        };
        Self {
            all: usage(0),
            outside: usage(2),
            outsiders: usage(4),
        }
    }
}

/// A group's log record, as an update returned it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    counts: [i64; COUNTS.len()],
    seconds: [BTreeMap<i64, i64>; COUNTS.len()],
    millis: BTreeMap<i64, i64>,
    last_index: u32,
}

impl LogState {
    /// The record of a new log.
    pub fn item(group: &Group) -> Item {
        let mut item = Key::log(&group.key).attributes();
        for (name, _) in COUNTS {
            item.insert(name.into(), number(0));
        }
        item.insert("ttl".into(), number(ttl(group)));
        item
    }

    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let reader = Reader(item);
        let mut state = Self {
            last_index: reader.maybe_number("lastIndex")?.unwrap_or(0),
            ..Self::default()
        };
        for (count, (name, _)) in state.counts.iter_mut().zip(COUNTS) {
            *count = reader.number(name)?;
        }
        for (name, value) in item {
            let Some((letter, Ok(time))) = name
                .split_at_checked(1)
                .map(|(letter, time)| (letter, time.parse()))
            else {
                continue;
            };
            let value = value.as_n().ok().and_then(|value| value.parse().ok());
            let value: i64 = value.ok_or(Unreadable("log"))?;
            if letter == MILLI {
                state.millis.insert(time, value);
            } else if let Some(at) = COUNTS.iter().position(|(_, first)| *first == letter) {
                state.seconds[at].insert(time, value);
            }
        }
        Ok(state)
    }

    /// The number of the next call.
    pub fn next(&self) -> u64 {
        u64::try_from(self.counts[0]).unwrap_or(0)
    }

    /// The cursor of the last event.
    pub fn last(&self) -> Option<Cursor> {
        let index = self.last_index;
        let stamp = self.stamp(self.next().checked_sub(1)?)?;
        Some(Cursor { stamp, index })
    }

    /// The stamp of a call whose number the update took that returned this.
    pub fn stamp(&self, number: u64) -> Option<Stamp> {
        let (at, first) = self.millis.last_key_value()?;
        let call = i64::try_from(number).ok()? - first;
        Some(Stamp {
            at: Timestamp::from_millis(*at),
            call: u32::try_from(call).ok()?,
        })
    }

    /// What is used within the event TTL, by the seconds that are `alive`.
    pub fn used(&self, alive: impl Fn(Timestamp) -> bool) -> Used {
        let used = |at: usize| {
            let seconds = self.seconds[at].iter();
            let alive = seconds.filter(|(second, _)| alive(Timestamp::from_seconds(**second)));
            let before = alive.map(|(_, before)| *before).min();
            (self.counts[at] - before.unwrap_or(self.counts[at])).max(0)
        };
        Used::from_counts(std::array::from_fn(used))
    }

    /// The same before these calls, whose numbers the update took that returned this.
    pub fn used_before(&self, calls: &[Numbering], alive: impl Fn(Timestamp) -> bool) -> Used {
        let (after, taken) = (self.used(alive).counts(), sum(calls).counts());
        Used::from_counts(std::array::from_fn(|at| after[at] - taken[at]))
    }

    /// The first number that may have an event after `since`: the first one in the slot of
    /// `since`, or in the next that has any.
    pub fn first_after(&self, since: &str) -> u64 {
        let ends_after = |second: i64| {
            let end = Timestamp::from_seconds(second + 1);
            format!("{CURSOR_PREFIX}{end}").as_str() > since
        };
        let seconds = self.seconds[0].iter();
        let after = seconds.filter(|(second, _)| ends_after(**second));
        // A server whose clock is behind may write an earlier second late.
        let first = after.map(|(_, first)| *first).min();
        first.map_or(self.next(), |first| u64::try_from(first).unwrap_or(0))
    }

    /// The names of attributes that are no longer needed when a call comes at `at`.
    fn unneeded(&self, at: Timestamp, event_ttl: u32) -> Vec<String> {
        let oldest = at.seconds() - i64::from(event_ttl) - SPARE_SECONDS;
        let latest = self.millis.last_key_value().map(|(at, _)| *at);
        let millis = self.millis.keys().filter(|milli| Some(**milli) != latest);
        let millis = millis.map(|milli| format!("#{MILLI}{milli}"));
        let seconds = self
            .seconds
            .iter()
            .zip(COUNTS)
            .flat_map(|(seconds, (_, letter))| {
                let old = seconds.range(..oldest);
                old.map(move |(second, _)| format!("#{letter}{second}"))
            });
        millis.chain(seconds).take(REMOVED_AT_ONCE).collect()
    }
}

fn sum(calls: &[Numbering]) -> Used {
    let mut sum = Used::default();
    for call in calls {
        sum.add(call);
    }
    sum
}

/// The step that takes numbers for calls, by what is known of the record.
pub fn take_numbers(
    group: &GroupKey,
    known: Option<&LogState>,
    calls: &[Numbering],
    event_ttl: u32,
) -> Step {
    let now = calls.iter().map(|call| call.now).max();
    let now = now.unwrap_or(Timestamp::from_millis(0));
    let last = known.and_then(LogState::last);
    let at = Stamp::after(last.map(|last| last.stamp), now).at;
    let (milli, second) = (at.millis(), slot(at, event_ttl));
    let mut set = vec![
        format!("#{MILLI}{milli} = if_not_exists(#{MILLI}{milli}, #next)"),
        "#lastIndex = :lastIndex".to_owned(),
    ];
    let (mut add, mut values) = (Vec::new(), Vec::new());
    for ((name, letter), more) in COUNTS.into_iter().zip(sum(calls).counts()) {
        if more > 0 {
            set.push(format!(
                "#{letter}{second} = if_not_exists(#{letter}{second}, #{name})"
            ));
            add.push(format!("#{name} :{name}"));
            values.push((format!(":{name}"), number(more)));
        }
    }
    let mut clauses = vec![("SET", set), ("ADD", add)];
    let unneeded = known.map(|known| known.unneeded(at, event_ttl));
    if let Some(remove) = unneeded.filter(|names| !names.is_empty()) {
        clauses.push(("REMOVE", remove));
    }
    let clause = |(word, parts): (&str, Vec<String>)| format!("{word} {}", parts.join(", "));
    let change = clauses.into_iter().map(clause);
    let change = change.collect::<Vec<_>>().join(" ");
    let index = calls.last().map_or(0, |call| call.index);
    let step = Step::update(Key::log(group), change)
        .when("attribute_exists(#pk)")
        .with(":lastIndex", number(index.into()));
    let with = |step: Step, (name, value): (String, _)| step.with(&name, value);
    values.into_iter().fold(step, with)
}

#[cfg(test)]
mod tests;
