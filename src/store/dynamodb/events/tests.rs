use std::sync::Arc;

use super::*;
use crate::model::group::GroupKey;
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

#[test]
fn a_large_call_is_split_into_records_in_order() {
    let event = |n: usize| EventInput {
        name: n.to_string(),
        payload: Some("x".repeat(100_000)),
        fired_at: String::new(),
        order_key: Some(format!("{n:02}")),
    };
    let call = EventCall {
        token: None,
        group: GroupKey::parse("g", "d").unwrap(),
        node: NodeId::parse("nodeId", "n").unwrap(),
        kind: EventKind::Recorded,
        events: Arc::new((0..7).rev().map(event).collect()),
    };
    let records = records(&call, 7, cursor(3));
    let sizes: Vec<_> = records.iter().map(|record| record.events.len()).collect();
    assert_eq!(sizes, [2, 2, 2, 1]);
    let parts: Vec<_> = records
        .iter()
        .map(|r| (r.number, r.part, r.parts))
        .collect();
    assert_eq!(parts, [(7, 0, 4), (7, 1, 4), (7, 2, 4), (7, 3, 4)]);
    let polled = records.into_iter().flat_map(EventRecord::polled);
    let places: Vec<_> = polled.map(|e| (e.name, e.cursor.unwrap().index)).collect();
    let expected = (0..7).map(|n: u32| (n.to_string(), n));
    assert_eq!(places, expected.collect::<Vec<_>>());
}
