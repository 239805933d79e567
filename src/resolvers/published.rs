//! Refuses what would be too large a message before it is stored (decision D25): AppSync
//! delivers no message of more than 240 KB, and says nothing.
//!
//! The measure is a `MeshMessage` of which everything is selected, `__typename` included,
//! once and without aliases.

use crate::model::error::ClientError;
use crate::model::event::EventCall;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::message::MESSAGE_BYTES;
use crate::model::status::SensorData;

/// The most bytes that one byte of text takes in JSON: `\u0001`.
const WIDEST_BYTE: usize = 6;
/// Every message's own members, without the texts in them.
const MESSAGE: usize = r#"{"data":{"onMessageInGroup":{"__typename":"MeshMessage","groupId":,"domain":,"nodeStatus":null,"batchEvent":null,"groupDissolve":}}}"#.len();
const STATUS: usize = r#"{"__typename":"NodeStatus","nodeId":,"groupId":,"domain":,"data":[],"timestamp":"2026-11-21T04:40:35.740Z"}"#.len();
const SENSOR: usize = r#"{"__typename":"SensorData","key":,"value":},"#.len();
const BATCH: usize = r#"{"__typename":"BatchEvent","events":[],"firedByNodeId":,"groupId":,"domain":,"timestamp":"2026-11-21T04:40:35.740Z"}"#.len();
const EVENT: usize = r#"{"__typename":"Event","name":,"firedByNodeId":,"groupId":,"domain":,"payload":,"timestamp":,"cursor":null,"orderKey":},"#.len();

/// How many bytes a text takes.
type Measure = fn(&str) -> usize;

/// Refuses a report whose message would be too large.
pub fn check_report(
    group: &GroupKey,
    node: &NodeId,
    data: &[SensorData],
) -> Result<(), ClientError> {
    check("data", |text| report_bytes(group, node, data, text))
}

/// Refuses a call whose message would be too large.
pub fn check_events(call: &EventCall) -> Result<(), ClientError> {
    check("events", |text| event_bytes(call, text))
}

/// Lengths first: what cannot be too large, as nearly all, needs no look at its texts.
fn check(argument: &'static str, bytes: impl Fn(Measure) -> usize) -> Result<(), ClientError> {
    if bytes(widest) <= MESSAGE_BYTES || bytes(json_size::text) <= MESSAGE_BYTES {
        return Ok(());
    }
    Err(ClientError::TooLargeToPublish {
        argument,
        bytes: MESSAGE_BYTES,
    })
}

fn report_bytes(group: &GroupKey, node: &NodeId, data: &[SensorData], text: Measure) -> usize {
    let names = 2 * group_size(group, text) + text(node.as_str());
    let data = data.iter();
    let data = data.map(|d| SENSOR + text(&d.key) + text(&d.value));
    MESSAGE + STATUS + names + data.sum::<usize>()
}

fn event_bytes(call: &EventCall, text: Measure) -> usize {
    // An empty payload or order key is told as null.
    let optional = |value: &Option<String>| match value.as_deref() {
        None | Some("") => "null".len(),
        Some(value) => text(value),
    };
    let (group, node) = (group_size(&call.group, text), text(call.node.as_str()));
    let events = call.events.iter().map(|event| {
        let own = text(&event.name) + text(&event.fired_at);
        EVENT + group + node + own + optional(&event.payload) + optional(&event.order_key)
    });
    MESSAGE + BATCH + 2 * group + node + events.sum::<usize>()
}

fn group_size(group: &GroupKey, text: Measure) -> usize {
    text(group.id.as_str()) + text(group.domain.as_str())
}

fn widest(text: &str) -> usize {
    2 + text.len() * WIDEST_BYTE
}

#[cfg(test)]
mod tests;
