//! What a subscriber asked for of a `MeshMessage`, compiled once, and the writing of a
//! message by it. Equal selections share one rendering.
//!
//! Nothing here waits or knows GraphQL's grammar: the resolvers compile documents into
//! selections (aliases, fragments, directives and merging are done there).

use std::io::Write as _;

use bytes::Bytes;
use serde::Serialize;

use crate::model::event::{Event, EventBatch};
use crate::model::message::{Dissolution, Message};
use crate::model::status::{NodeStatus, SensorData};

/// A field of `MeshMessage` or of what it holds.
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
}

/// One field of a selection under its response name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pick {
    /// The response name as JSON, colon included.
    name: Box<str>,
    field: Field,
    inner: Vec<Pick>,
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
}

/// All that one subscription selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection(Pick);

impl Selection {
    /// The fields of `MeshMessage` wanted under the subscription field's response name.
    pub fn new(name: &str, picks: Vec<Pick>) -> Self {
        Self(Pick::node(name, Field::Message, picks))
    }

    /// Writes the value of `data` for a message.
    pub fn render(&self, message: &Message) -> Bytes {
        let mut out = Out(Vec::with_capacity(512));
        self.write(&mut out, message);
        out.0.into()
    }

    /// Writes a whole answer whose one field is the message.
    pub fn answer(&self, message: &Message) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(512));
        out.raw("{\"data\":");
        self.write(&mut out, message);
        out.0.push(b'}');
        out.0
    }

    fn write(&self, out: &mut Out, message: &Message) {
        out.0.push(b'{');
        out.raw(&self.0.name);
        out.message(&self.0.inner, message);
        out.0.push(b'}');
    }
}

/// JSON under construction.
struct Out(Vec<u8>);

impl Out {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn json(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.0, value).expect("text serialises");
    }

    /// Text that needs no escaping.
    fn plain(&mut self, value: &impl std::fmt::Display) {
        write!(self.0, "\"{value}\"").expect("a Vec takes all");
    }

    fn object(&mut self, picks: &[Pick], mut write: impl FnMut(&mut Self, &Pick)) {
        self.0.push(b'{');
        for (i, pick) in picks.iter().enumerate() {
            if i > 0 {
                self.0.push(b',');
            }
            self.raw(&pick.name);
            write(self, pick);
        }
        self.0.push(b'}');
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.0.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.0.push(b',');
            }
            write(self, item);
        }
        self.0.push(b']');
    }

    fn message(&mut self, picks: &[Pick], message: &Message) {
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

    fn status(&mut self, picks: &[Pick], status: &NodeStatus) {
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
                out.event(&pick.inner, event, batch);
            }),
            Field::FiredByNodeId => out.json(&batch.fired_by),
            Field::GroupId => out.json(&batch.group.id),
            Field::Domain => out.json(&batch.group.domain),
            Field::Timestamp => out.plain(&batch.timestamp),
            _ => out.raw("null"),
        });
    }

    fn event(&mut self, picks: &[Pick], event: &Event, batch: &EventBatch) {
        self.object(picks, |out, pick| match (pick.field, &event.cursor) {
            (Field::Typename, _) => out.raw("\"Event\""),
            (Field::Name, _) => out.json(&event.name),
            (Field::FiredByNodeId, _) => out.json(&event.fired_by),
            (Field::GroupId, _) => out.json(&batch.group.id),
            (Field::Domain, _) => out.json(&batch.group.domain),
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
