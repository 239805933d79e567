use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue as Value;
use proptest::prelude::*;

use super::*;

const EVENT_TTL: u32 = 10;

fn call(sender: Sender, millis: i64) -> Numbering {
    Numbering {
        sender,
        own: Usage::default(),
        usage: Usage::call(7),
        index: 0,
        now: Timestamp::from_millis(millis),
    }
}

/// The record as DynamoDB has it, with the few kinds of changes that the step has.
#[derive(Default)]
struct Record(HashMap<String, i64>);

impl Record {
    fn new() -> Self {
        let counts = COUNTS.iter().map(|(name, _)| ((*name).to_owned(), 0));
        Self(counts.collect())
    }

    fn state(&self) -> LogState {
        let number = |(name, n): (&String, &i64)| (name.clone(), number(*n));
        LogState::read(&self.0.iter().map(number).collect()).unwrap()
    }

    fn take(&mut self, known: Option<&LogState>, calls: &[Numbering]) -> LogState {
        self.take_within(EVENT_TTL, known, calls)
    }

    fn take_within(
        &mut self,
        event_ttl: u32,
        known: Option<&LogState>,
        calls: &[Numbering],
    ) -> LogState {
        let group = GroupKey::parse("g", "d").unwrap();
        let step = take_numbers(&group, known, calls, event_ttl);
        let value = |name: &str| match &step.values().unwrap()[name] {
            Value::N(n) => n.parse::<i64>().unwrap(),
            other => panic!("{other:?}"),
        };
        let change = step.change().unwrap();
        let (set, rest) = change
            .strip_prefix("SET ")
            .unwrap()
            .split_once(" ADD ")
            .unwrap();
        let (add, remove) = rest.split_once(" REMOVE ").unwrap_or((rest, ""));
        let before = self.0.clone();
        for name in remove.split(", ").filter(|name| !name.is_empty()) {
            self.0.remove(&name[1..]);
        }
        let words = set.split([' ', ',', '(', ')']);
        let mut words = words.filter(|word| !word.is_empty() && *word != "=");
        while let (Some(name), Some(what)) = (words.next(), words.next()) {
            let set = if what == "if_not_exists" {
                let (same, count) = (words.next().unwrap(), words.next().unwrap());
                assert_eq!(same, name);
                before
                    .get(&name[1..])
                    .copied()
                    .unwrap_or(before[&count[1..]])
            } else {
                value(what)
            };
            self.0.insert(name[1..].to_owned(), set);
        }
        for one in add.split(", ") {
            let (name, more) = one.split_once(' ').unwrap();
            *self.0.get_mut(&name[1..]).unwrap() += value(more);
        }
        self.state()
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

proptest! {
    /// Servers with different clocks, which know different states of the record.
    #[test]
    fn stamps_follow_the_numbers_whatever_the_clocks(
        steps in prop::collection::vec((0usize..4, 0i64..60, 1usize..4), 1..80),
        skews in [0i64..3_000, 0i64..3_000, 0i64..3_000, 0i64..3_000],
    ) {
        let (mut record, mut known) = (Record::new(), vec![None; 4]);
        let (mut now, mut stamps): (i64, Vec<Stamp>) = (1_000_000, Vec::new());
        for (server, delay, calls) in steps {
            now += delay;
            let calls = vec![call(Sender::Member, now + skews[server]); calls];
            let state = record.take(known[server].as_ref(), &calls);
            let first = state.next() - calls.len() as u64;
            prop_assert_eq!(size(first), stamps.len());
            for number in first..state.next() {
                let stamp = state.stamp(number).unwrap();
                prop_assert!(stamps.last().is_none_or(|last| *last < stamp), "{stamps:?} {stamp:?}");
                prop_assert!(stamp.at >= calls[0].now);
                stamps.push(stamp);
            }
            prop_assert_eq!(state.last().map(|last| last.stamp), stamps.last().copied());
            known[server] = Some(state);
        }
        // Every poll begins before its first event, and in its second at the latest.
        let state = record.state();
        for since in &stamps {
            let cursor = Cursor { stamp: *since, index: 0 };
            let begin = size(state.first_after(&cursor.to_string()));
            let first = stamps.iter().position(|stamp| stamp > since).unwrap_or(stamps.len());
            prop_assert!(begin <= first, "{begin} {first}");
            prop_assert!(stamps[begin..first].iter().all(|stamp| stamp.at.seconds() == since.at.seconds()));
        }
        let used = state.used(|_| true);
        prop_assert_eq!(used.all, Usage { calls: stamps.len(), bytes: 7 * stamps.len() });
    }
}

#[test]
fn what_is_used_is_counted_by_seconds_and_senders() {
    let mut record = Record::new();
    let second = |n: i64| n * 1_000 + 500;
    let mut state = record.take(None, &[call(Sender::Member, second(1)); 3]);
    state = record.take(Some(&state), &[call(Sender::Foreign, second(2))]);
    state = record.take(Some(&state), &[call(Sender::Outsider, second(3)); 2]);
    let calls = |used: Used| [used.all, used.outside, used.outsiders].map(|usage| usage.calls);
    let since = |from: i64| move |second: Timestamp| second.seconds() >= from;
    assert_eq!(calls(state.used(since(1))), [6, 3, 2]);
    assert_eq!(calls(state.used(since(2))), [3, 3, 2]);
    assert_eq!(calls(state.used(since(3))), [2, 2, 2]);
    assert_eq!(calls(state.used(since(4))), [0, 0, 0]);
    let last = [call(Sender::Outsider, second(3)); 2];
    assert_eq!(calls(state.used_before(&last, since(1))), [4, 1, 0]);
}

/// The largest size of the record, beside its key and its TTL, where sixteen servers write it.
fn largest(event_ttl: u32, senders: &[Sender]) -> usize {
    let (mut record, mut known) = (Record::new(), vec![None; 16]);
    let mut largest = 0;
    // Twice the event TTL and more.
    let pause = i64::from(event_ttl).max(25);
    for n in 0..2_500_i64 {
        let (server, sender) = (size_of(n * 7) % 16, senders[size_of(n) % senders.len()]);
        let calls = [call(sender, 4_000_000_000_000 + n * pause)];
        let state = record.take_within(event_ttl, known[server].as_ref(), &calls);
        known[server] = Some(state);
        let attributes = record.0.iter();
        let bytes = attributes.map(|(name, n)| name.len() + n.to_string().len() / 2 + 2);
        largest = largest.max(bytes.sum::<usize>());
    }
    largest
}

fn size_of(number: i64) -> usize {
    usize::try_from(number).unwrap()
}

/// One write unit for a class, two with all kinds of senders, whatever the event TTL.
#[test]
fn the_record_stays_small() {
    let all = [Sender::Member, Sender::Foreign, Sender::Outsider];
    for event_ttl in [3, 10, 11, 19, 20, 99, 3_600, 1_000_000, u32::MAX] {
        let (class, mixed) = (largest(event_ttl, &all[..1]), largest(event_ttl, &all));
        assert!(class < 900, "{event_ttl}: {class}");
        assert!(mixed < 1_900, "{event_ttl}: {mixed}");
    }
}

#[test]
fn what_is_used_counts_until_its_slot_expires_and_a_poll_begins_in_its_slot() {
    let (mut record, ttl) = (Record::new(), 100);
    let second = |n: i64| n * 1_000;
    for at in [5, 8, 12, 31] {
        record.take_within(ttl, None, &[call(Sender::Member, second(at))]);
    }
    let state = record.state();
    let used = |oldest: i64| state.used(move |at| at.seconds() >= oldest).all.calls;
    assert_eq!([0, 9, 10, 19, 20, 39, 40].map(used), [4, 4, 2, 2, 1, 1, 0]);
    let first = |at: i64| {
        let at = Timestamp::from_millis(second(at));
        state.first_after(&format!("{CURSOR_PREFIX}{at}"))
    };
    assert_eq!([5, 9, 10, 19, 20, 39, 40].map(first), [0, 0, 2, 2, 3, 3, 4]);
}
