//! Rejects a call whose message would be too large, before it is stored (decision D25):
//! AppSync silently drops messages of more than 240 KB.
//!
//! The size is that of a `MeshMessage` with every field selected once, `__typename`
//! included, without aliases.

use crate::model::error::ClientError;
use crate::model::event::EventCall;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::message::MESSAGE_BYTES;
use crate::model::status::SensorData;

/// The most bytes that one byte of a string needs in JSON: `\u0001`.
const MAX_BYTES_PER_BYTE: usize = 6;
/// The bytes of a message's own members, without their strings.
const MESSAGE: usize = r#"{"data":{"onMessageInGroup":{"__typename":"MeshMessage","groupId":,"domain":,"nodeStatus":null,"batchEvent":null,"groupDissolve":}}}"#.len();
const STATUS: usize = r#"{"__typename":"NodeStatus","nodeId":,"groupId":,"domain":,"data":[],"timestamp":"2026-11-21T04:40:35.740Z"}"#.len();
const SENSOR: usize = r#"{"__typename":"SensorData","key":,"value":},"#.len();
const BATCH: usize = r#"{"__typename":"BatchEvent","events":[],"firedByNodeId":,"groupId":,"domain":,"timestamp":"2026-11-21T04:40:35.740Z"}"#.len();
const EVENT: usize = r#"{"__typename":"Event","name":,"firedByNodeId":,"groupId":,"domain":,"payload":,"timestamp":,"cursor":null,"orderKey":},"#.len();

/// How many bytes a string needs in JSON.
type StringSize = fn(&str) -> usize;

/// Rejects a report whose message would be too large.
pub fn check_report(
    group: &GroupKey,
    node: &NodeId,
    data: &[SensorData],
) -> Result<(), ClientError> {
    check("data", |size| report_bytes(group, node, data, size))
}

/// Rejects a call whose message would be too large.
pub fn check_events(call: &EventCall) -> Result<(), ClientError> {
    check("events", |size| event_bytes(call, size))
}

/// Checks an upper bound from the strings' lengths first: nearly all calls are below it,
/// and their strings need not be read.
fn check(argument: &'static str, bytes: impl Fn(StringSize) -> usize) -> Result<(), ClientError> {
    if bytes(max_size) <= MESSAGE_BYTES || bytes(json_size::text) <= MESSAGE_BYTES {
        return Ok(());
    }
    Err(ClientError::TooLargeToPublish {
        argument,
        bytes: MESSAGE_BYTES,
    })
}

fn report_bytes(group: &GroupKey, node: &NodeId, data: &[SensorData], size: StringSize) -> usize {
    let names = 2 * group_size(group, size) + size(node.as_str());
    let data = data.iter();
    let data = data.map(|d| SENSOR + size(&d.key) + size(&d.value));
    MESSAGE + STATUS + names + data.sum::<usize>()
}

fn event_bytes(call: &EventCall, size: StringSize) -> usize {
    // An empty payload or order key is written as null.
    let optional = |value: &Option<String>| match value.as_deref() {
        None | Some("") => "null".len(),
        Some(value) => size(value),
    };
    let (group, node) = (group_size(&call.group, size), size(call.node.as_str()));
    let events = call.events.iter().map(|event| {
        let own = size(&event.name) + size(&event.fired_at);
        EVENT + group + node + own + optional(&event.payload) + optional(&event.order_key)
    });
    MESSAGE + BATCH + 2 * group + node + events.sum::<usize>()
}

fn group_size(group: &GroupKey, size: StringSize) -> usize {
    size(group.id.as_str()) + size(group.domain.as_str())
}

fn max_size(text: &str) -> usize {
    2 + text.len() * MAX_BYTES_PER_BYTE
}

#[cfg(test)]
mod tests;
