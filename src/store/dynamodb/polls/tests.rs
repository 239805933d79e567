use super::*;
use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::EventInput;
use crate::model::ids::NodeId;

fn cursor(call: u32) -> Cursor {
    Cursor {
        stamp: Stamp {
            at: Timestamp::from_seconds(1_800_000_000),
            call,
        },
        index: 0,
    }
}

/// The names that a poll returns when these calls are visible; each names the one before it.
fn polled(since: &str, calls: &[u32], alive: bool) -> Option<Vec<String>> {
    let group = GroupKey::parse("g", "d").unwrap();
    let mut reader = LogReader::new(since.into());
    for call in calls {
        let event = EventInput {
            name: call.to_string(),
            payload: None,
            fired_at: String::new(),
            order_key: None,
        };
        let record = EventRecord {
            node: NodeId::parse("nodeId", "n").unwrap(),
            last: cursor(*call),
            after: call.checked_sub(1).map(cursor),
            events: vec![event],
        };
        let item = record.item(&group, 10);
        reader.push(&item, |_| alive).unwrap();
    }
    let events = reader.finish().ok()?;
    Some(events.into_iter().map(|event| event.name).collect())
}

#[test]
fn a_poll_waits_for_a_call_that_is_not_visible_yet() {
    assert_eq!(polled("", &[0, 1, 2], true).unwrap(), ["0", "1", "2"]);
    assert_eq!(polled("", &[0, 2], true).unwrap(), ["0"]);
    assert_eq!(polled(&cursor(0).to_string(), &[2], true), None);
    assert_eq!(polled(&cursor(1).to_string(), &[2], true).unwrap(), ["2"]);
}

#[test]
fn a_poll_does_not_wait_for_a_call_before_since_or_an_expired_one() {
    let clock = format!("EVENT#{}", Timestamp::from_seconds(1_800_000_001));
    assert_eq!(polled(&clock, &[7], true).unwrap(), [""; 0]);
    assert_eq!(polled("", &[7], false).unwrap(), [""; 0]);
}
