//! What a subscriber asked for of a `MeshMessage`, compiled once, and the writing of a
//! message by it. Equal selections share one rendering.
//!
//! Nothing here waits or knows GraphQL's grammar: the resolvers compile documents into
//! selections (aliases, fragments, directives and merging are done there).

use std::io::Write as _;

use serde::Serialize;

use crate::model::event::{Event, EventBatch};
use crate::model::group::GroupKey;
use crate::model::message::{Dissolution, MESSAGE_BYTES, Message};
use crate::model::status::{NodeStatus, SensorData};

/// A field of `MeshMessage`, of what it holds, or of what a query lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the schema says what each field means")]
pub enum Field {
    Typename,
    GroupId,
    Domain,
    NodeStatus,
    BatchEvent,
    GroupDissolve,
    NodeId,
    Data,
    Timestamp,
    Key,
    Value,
    Events,
    FiredByNodeId,
    Name,
    Payload,
    Cursor,
    OrderKey,
    Message,
    Id,
    FullId,
    HostId,
    ExpiresAt,
    HeartbeatIntervalSeconds,
    UseWebSocket,
    PollingIntervalSeconds,
    NodeStatuses,
}

impl Field {
    /// The name in the schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Typename => "__typename",
            Self::GroupId => "groupId",
            Self::Domain => "domain",
            Self::NodeStatus => "nodeStatus",
            Self::BatchEvent => "batchEvent",
            Self::GroupDissolve => "groupDissolve",
            Self::NodeId => "nodeId",
            Self::Data => "data",
            Self::Timestamp => "timestamp",
            Self::Key => "key",
            Self::Value => "value",
            Self::Events => "events",
            Self::FiredByNodeId => "firedByNodeId",
            Self::Name => "name",
            Self::Payload => "payload",
            Self::Cursor => "cursor",
            Self::OrderKey => "orderKey",
            Self::Message => "message",
            Self::Id => "id",
            Self::FullId => "fullId",
            Self::HostId => "hostId",
            Self::ExpiresAt => "expiresAt",
            Self::HeartbeatIntervalSeconds => "heartbeatIntervalSeconds",
            Self::UseWebSocket => "useWebSocket",
            Self::PollingIntervalSeconds => "pollingIntervalSeconds",
            Self::NodeStatuses => "nodeStatuses",
        }
    }
}

/// One field of a selection under its response name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pick {
    /// The response name as JSON, colon included.
    name: Box<str>,
    pub(crate) field: Field,
    pub(crate) inner: Vec<Pick>,
}

impl Pick {
    /// A field without fields of its own.
    pub fn leaf(name: &str, field: Field) -> Self {
        Self::node(name, field, Vec::new())
    }

    /// A field and what is wanted of it.
    pub fn node(name: &str, field: Field, inner: Vec<Self>) -> Self {
        Self {
            name: format!("{}:", serde_json::Value::from(name)).into(),
            field,
            inner,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        let quoted = self.name.strip_suffix(':').unwrap_or_default();
        quoted.strip_prefix('"').and_then(|n| n.strip_suffix('"')) == Some(name)
    }

    fn has_no_aliases(&self) -> bool {
        let plain = |pick: &Self| pick.is_called(pick.field.name()) && pick.has_no_aliases();
        self.inner.iter().all(plain)
    }

    fn bytes(&self) -> usize {
        /// What the allocator adds to a piece of memory, about.
        const PIECE_BYTES: usize = 16;
        let inner: usize = self.inner.iter().map(Self::bytes).sum();
        let list = if inner > 0 { PIECE_BYTES } else { 0 };
        size_of::<Self>() + self.name.len().max(PIECE_BYTES) + PIECE_BYTES + list + inner
    }
}

/// All that one subscription selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection(Pick);

impl Selection {
    /// The fields of `MeshMessage` wanted under the subscription field's response name.
    pub fn new(name: &str, picks: Vec<Pick>) -> Self {
        Self(Pick::node(name, Field::Message, picks))
    }

    /// Whether every field stands under its own name. Then no field comes twice, and no
    /// message exceeds [`MESSAGE_BYTES`]: its mutation would have been refused (decision D25).
    pub fn has_no_aliases(&self) -> bool {
        self.0.is_called("onMessageInGroup") && self.0.has_no_aliases()
    }

    /// Bytes that it holds, about.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Writes the value of `data` for a message; `None` when that exceeds [`MESSAGE_BYTES`],
    /// and nothing larger is built to find that out (decision D25).
    pub fn render(&self, message: &Message) -> Option<Vec<u8>> {
        let mut out = Out::up_to(MESSAGE_BYTES);
        self.write(&mut out, message);
        out.finish()
    }

    fn write(&self, out: &mut Out, message: &Message) {
        out.raw("{");
        out.raw(&self.0.name);
        out.message(&self.0.inner, message);
        out.raw("}");
    }
}

/// JSON under construction, up to a limit: what would pass it is left out, and noted.
pub(crate) struct Out {
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

impl std::io::Write for Out {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.over || self.bytes.len() + bytes.len() > self.limit {
            self.over = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Out {
    pub(crate) fn up_to(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(512),
            limit,
            over: false,
        }
    }

    /// What was written, unless there was more than the limit allows.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (!self.over).then_some(self.bytes)
    }

    // Writing fails only past the limit, which `over` notes.
    pub(crate) fn raw(&mut self, text: &str) {
        let _ = self.write_all(text.as_bytes());
    }

    pub(crate) fn json(&mut self, value: &impl Serialize) {
        let _ = serde_json::to_writer(self, value);
    }

    /// Text that needs no escaping.
    pub(crate) fn plain(&mut self, value: &impl std::fmt::Display) {
        let _ = write!(self, "\"{value}\"");
    }

    pub(crate) fn object(&mut self, picks: &[Pick], mut write: impl FnMut(&mut Self, &Pick)) {
        self.raw("{");
        for (i, pick) in picks.iter().enumerate() {
            if self.over {
                return;
            }
            if i > 0 {
                self.raw(",");
            }
            self.raw(&pick.name);
            write(self, pick);
        }
        self.raw("}");
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.raw("[");
        for (i, item) in items.iter().enumerate() {
            if self.over {
                return;
            }
            if i > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    pub(crate) fn message(&mut self, picks: &[Pick], message: &Message) {
        self.object(picks, |out, pick| match (pick.field, message) {
            (Field::Typename, _) => out.raw("\"MeshMessage\""),
            (Field::GroupId, _) => out.json(&message.group().id),
            (Field::Domain, _) => out.json(&message.group().domain),
            (Field::NodeStatus, Message::Status(status)) => out.status(&pick.inner, status),
            (Field::BatchEvent, Message::Events(batch)) => out.batch(&pick.inner, batch),
            (Field::GroupDissolve, Message::Dissolved(end)) => out.dissolution(&pick.inner, end),
            _ => out.raw("null"),
        });
    }

    pub(crate) fn status(&mut self, picks: &[Pick], status: &NodeStatus) {
        self.object(picks, |out, pick| match pick.field {
            Field::Typename => out.raw("\"NodeStatus\""),
            Field::NodeId => out.json(&status.node),
            Field::GroupId => out.json(&status.group.id),
            Field::Domain => out.json(&status.group.domain),
            Field::Data => out.list(&status.data, |out, data| out.sensor(&pick.inner, data)),
            Field::Timestamp => out.plain(&status.timestamp),
            _ => out.raw("null"),
        });
    }

    fn sensor(&mut self, picks: &[Pick], data: &SensorData) {
        self.object(picks, |out, pick| match pick.field {
            Field::Typename => out.raw("\"SensorData\""),
            Field::Key => out.json(&data.key),
            Field::Value => out.json(&data.value),
            _ => out.raw("null"),
        });
    }

    fn batch(&mut self, picks: &[Pick], batch: &EventBatch) {
        self.object(picks, |out, pick| match pick.field {
            Field::Typename => out.raw("\"BatchEvent\""),
            Field::Events => out.list(&batch.events, |out, event| {
                out.event(&pick.inner, event, &batch.group);
            }),
            Field::FiredByNodeId => out.json(&batch.fired_by),
            Field::GroupId => out.json(&batch.group.id),
            Field::Domain => out.json(&batch.group.domain),
            Field::Timestamp => out.plain(&batch.timestamp),
            _ => out.raw("null"),
        });
    }

    pub(crate) fn event(&mut self, picks: &[Pick], event: &Event, group: &GroupKey) {
        self.object(picks, |out, pick| match (pick.field, &event.cursor) {
            (Field::Typename, _) => out.raw("\"Event\""),
            (Field::Name, _) => out.json(&event.name),
            (Field::FiredByNodeId, _) => out.json(&event.fired_by),
            (Field::GroupId, _) => out.json(&group.id),
            (Field::Domain, _) => out.json(&group.domain),
            (Field::Payload, _) => out.json(&event.payload),
            (Field::Timestamp, _) => out.json(&event.timestamp),
            (Field::Cursor, Some(cursor)) => out.plain(cursor),
            (Field::OrderKey, _) => out.json(&event.order_key),
            _ => out.raw("null"),
        });
    }

    fn dissolution(&mut self, picks: &[Pick], end: &Dissolution) {
        self.object(picks, |out, pick| match pick.field {
            Field::Typename => out.raw("\"GroupDissolvePayload\""),
            Field::GroupId => out.json(&end.group.id),
            Field::Domain => out.json(&end.group.domain),
            Field::Message => out.json(&end.message),
            _ => out.raw("null"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::GroupKey;
    use crate::model::ids::NodeId;
    use crate::model::time::Timestamp;

    pub(crate) fn status(bytes: usize) -> Message {
        Message::Status(NodeStatus {
            node: NodeId::parse("nodeId", "n").unwrap(),
            group: GroupKey::parse("g", "d").unwrap(),
            data: vec![SensorData {
                key: "k".into(),
                value: "v".repeat(bytes),
            }]
            .into(),
            timestamp: Timestamp::from_millis(0),
        })
    }

    fn data(aliases: usize) -> Selection {
        let value = || vec![Pick::leaf("value", Field::Value)];
        let data = (0..aliases).map(|i| Pick::node(&format!("d{i}"), Field::Data, value()));
        let status = Pick::node("nodeStatus", Field::NodeStatus, data.collect());
        Selection::new("onMessageInGroup", vec![status])
    }

    #[test]
    fn a_message_up_to_the_limit_is_rendered_and_one_byte_more_is_not() {
        let around = data(1).render(&status(0)).unwrap().len();
        let whole = data(1).render(&status(MESSAGE_BYTES - around)).unwrap();
        assert_eq!(whole.len(), MESSAGE_BYTES);
        assert_eq!(data(1).render(&status(MESSAGE_BYTES - around + 1)), None);
    }

    #[test]
    fn what_exceeds_the_limit_by_aliases_is_never_built() {
        let mut out = Out::up_to(MESSAGE_BYTES);
        data(49).write(&mut out, &status(60_000));
        assert!(out.over);
        assert!(out.bytes.len() <= MESSAGE_BYTES, "{}", out.bytes.len());
        assert!(out.bytes.capacity() <= 2 * MESSAGE_BYTES);
    }

    #[test]
    fn aliases_are_told_from_fields_under_their_own_names() {
        let plain = Selection::new(
            "onMessageInGroup",
            vec![Pick::leaf("domain", Field::Domain)],
        );
        assert!(plain.has_no_aliases());
        let renamed = Selection::new("m", vec![Pick::leaf("domain", Field::Domain)]);
        assert!(!renamed.has_no_aliases());
        assert!(!data(1).has_no_aliases());
        assert!(data(49).bytes() > 49 * 2 * size_of::<Pick>());
    }
}
