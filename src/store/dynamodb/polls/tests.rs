use super::*;
use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::EventInput;
use crate::model::ids::NodeId;
use crate::store::dynamodb::items::events::EventRecord;

fn cursor(call: u32, index: u32) -> Cursor {
    Cursor {
        stamp: Stamp {
            at: Timestamp::from_seconds(1_800_000_000),
            call,
        },
        index,
    }
}

/// One event, of a call in so many parts.
fn part(call: u32, part: u32, parts: u32) -> LogEntry {
    let event = EventInput {
        name: format!("{call}{}", "+".repeat(part as usize)),
        payload: None,
        fired_at: String::new(),
        order_key: None,
    };
    LogEntry::Events(EventRecord {
        number: call.into(),
        part,
        parts,
        node: NodeId::parse("nodeId", "n").unwrap(),
        last: cursor(call, part),
        events: vec![event],
    })
}

fn call(call: u32) -> LogEntry {
    part(call, 0, 1)
}

/// What a poll reads from number 0 on, and which calls it misses.
fn read(since: &str, entries: Vec<LogEntry>, alive: bool) -> (Option<Vec<String>>, Vec<u64>) {
    let mut reader = LogReader::new(since.into(), 0);
    for entry in entries {
        reader.push(entry, |_| alive);
    }
    let missing = reader.missing.clone();
    let names = |(events, _): (Vec<Event>, _)| events.into_iter().map(|event| event.name);
    (
        reader.finish().ok().map(|read| names(read).collect()),
        missing,
    )
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_poll_never_passes_a_call_that_is_not_visible_yet() {
    let all = vec![call(0), call(1), call(2)];
    assert_eq!(read("", all, true), (Some(names(&["0", "1", "2"])), vec![]));
    assert_eq!(
        read("", vec![call(0), call(2)], true),
        (Some(names(&["0"])), vec![1])
    );
    assert_eq!(
        read("", vec![call(2), call(4)], true),
        (None, vec![0, 1, 3])
    );
    let voided = vec![call(0), LogEntry::Void(1), call(2)];
    assert_eq!(read("", voided, true), (Some(names(&["0", "2"])), vec![]));
}

#[test]
fn a_poll_never_passes_a_part_of_a_call() {
    let missing_end = vec![call(0), part(1, 0, 2), call(2)];
    assert_eq!(read("", missing_end, true).0, Some(names(&["0", "1"])));
    assert_eq!(read("", vec![part(0, 1, 2), call(1)], true), (None, vec![]));
    let all = vec![part(0, 0, 2), part(0, 1, 2), call(1)];
    assert_eq!(read("", all, true).0, Some(names(&["0", "0+", "1"])));
}

#[test]
fn a_poll_does_not_wait_for_a_call_before_since_or_an_expired_one() {
    let clock = format!("EVENT#{}", Timestamp::from_seconds(1_800_000_001));
    assert_eq!(
        read(&clock, vec![call(7)], true),
        (Some(names(&[])), vec![])
    );
    assert_eq!(read("", vec![call(7)], false), (Some(names(&[])), vec![]));
    let since = cursor(1, 0).to_string();
    assert_eq!(
        read(&since, vec![call(1), call(2)], true).0,
        Some(names(&["2"]))
    );
    assert_eq!(read(&since, vec![call(1), call(3)], true), (None, vec![2]));
}
