//! The size of values in a response, in bytes (decision D24): as JSON with every field of the
//! schema's type selected once under its own name, with `__typename` and the comma after a
//! list's item. No selection without aliases is larger.

use crate::model::event::Event;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::SensorData;

/// A `NodeStatus` without its ids and its data; its time has a fixed width.
const STATUS: &str = r#"{"nodeId":,"groupId":,"domain":,"data":[],"timestamp":"2026-11-21T04:40:35.740Z","__typename":"NodeStatus"},"#;
/// A `SensorData` without its texts.
const VARIABLE: &str = r#"{"key":,"value":,"__typename":"SensorData"},"#;
/// An `Event` without its texts; a cursor has a fixed width.
const EVENT: &str = r#"{"name":,"firedByNodeId":,"groupId":,"domain":,"payload":,"timestamp":,"cursor":"EVENT#2026-11-21T04:40:35.740Z#000000#000000","orderKey":,"__typename":"Event"},"#;

/// A text with quotation marks and escapes.
pub fn text(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    });
    text.len() + 2 + escapes.sum::<usize>()
}

fn optional(value: Option<&str>) -> usize {
    value.map_or("null".len(), text)
}

/// A status of this node without its variables: each distinct write time adds one.
pub fn row(group: &GroupKey, node: &NodeId) -> usize {
    STATUS.len() + text(node.as_str()) + text(group.id.as_str()) + text(group.domain.as_str())
}

/// A variable.
pub fn variable(data: &SensorData) -> usize {
    VARIABLE.len() + text(&data.key) + text(&data.value)
}

/// A polled event.
pub fn event(group: &GroupKey, event: &Event) -> usize {
    let ids = text(event.fired_by.as_str()) + text(group.id.as_str()) + text(group.domain.as_str());
    EVENT.len()
        + ids
        + text(&event.name)
        + text(&event.timestamp)
        + optional(event.payload.as_deref())
        + optional(event.order_key.as_deref())
}

/// The first events that fit in `max_bytes`; at least one, so that a reader always makes
/// progress.
pub fn page(group: &GroupKey, events: impl Iterator<Item = Event>, max_bytes: usize) -> Vec<Event> {
    let mut left = max_bytes;
    let mut page = Vec::new();
    for next in events {
        let bytes = event(group, &next);
        if bytes > left && !page.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        page.push(next);
    }
    page
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_has_the_size_of_its_json(any in ".*", control in "[\u{0}-\u{7f}]{0,40}") {
            for value in [any, control] {
                prop_assert_eq!(text(&value), serde_json::to_string(&value).unwrap().len());
            }
        }
    }
}
