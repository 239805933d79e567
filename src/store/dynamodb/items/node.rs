//! A node's record.

use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::heartbeat::rules::Rules;
use crate::model::event::{Cursor, Fingerprint};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::status::{Layer, Readings, SensorData};
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, list, map, number, text};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{count, cursor, pointer, tidy_at};

/// What is known of a node in a group: one record, so that a report or a sign of life
/// is one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Changes with every write: whoever writes names the one that it read.
    pub version: String,
    /// When it joined, and whether it asked for WebSockets.
    pub membership: Option<(Timestamp, Option<bool>)>,
    /// Until when it counts; none for one that neither joined nor reported.
    pub alive_until: Option<Timestamp>,
    /// What it reported. It waits hidden while the node is past its time (decision D31).
    pub readings: Readings,
    /// Bytes of an answer that the room keeps for them: at least what they take.
    pub reserved: usize,
    /// Its calls within the event TTL that can be told from a repetition (decision D15).
    pub calls: Vec<Remembered>,
    /// When the table may tidy it.
    pub tidy_at: i64,
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The call's fingerprint.
    pub fingerprint: Vec<u8>,
    /// The cursor of its last event.
    pub last: Cursor,
    /// Who took it: tells a caller's own write from an earlier call.
    pub taken_by: String,
}

impl Node {
    /// A node of which nothing is known.
    pub fn unknown(id: &NodeId, group: &Group) -> Self {
        Self {
            id: id.clone(),
            version: String::new(),
            membership: None,
            alive_until: None,
            readings: Readings::default(),
            reserved: 0,
            calls: Vec::new(),
            tidy_at: tidy_at(group),
        }
    }

    /// Whether it counts as a node of the group.
    pub fn known(&self) -> bool {
        self.alive_until.is_some()
    }

    /// Whether it is known and still counts.
    pub fn alive(&self, now: Timestamp) -> bool {
        self.alive_until
            .is_some_and(|until| Rules::node_alive(until, now))
    }

    /// Whether it joined without WebSockets.
    pub fn polls(&self) -> bool {
        matches!(self.membership, Some((_, Some(false))))
    }

    /// Renews its time and says whether that changed anything.
    pub fn touch(&mut self, until: Timestamp) -> bool {
        self.alive_until.replace(until) != Some(until)
    }

    /// The answer given to this call before, if there was one.
    pub fn remembers(&self, fingerprint: &Fingerprint) -> Option<&Remembered> {
        self.calls
            .iter()
            .find(|call| call.fingerprint == fingerprint.as_bytes())
    }

    /// The record to write.
    pub fn item(&self, group: &GroupKey) -> Item {
        let mut item = pointer(&Key::node(group, &self.id), group, self.tidy_at);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("nodeId", text(self.id.as_str()));
        put("version", text(&*self.version));
        if let Some((joined_at, use_websocket)) = self.membership {
            put("joinedAt", text(joined_at.to_string()));
            if let Some(asked) = use_websocket {
                put("useWebSocket", Value::Bool(asked));
            }
        }
        if let Some(until) = self.alive_until {
            put("aliveUntil", number(until.seconds()));
        }
        if !self.readings.layers().is_empty() {
            put("status", list(self.readings.layers().iter().map(layer)));
        }
        if self.reserved > 0 {
            put("reserved", number(count(self.reserved)));
        }
        if !self.calls.is_empty() {
            put("calls", list(self.calls.iter().map(remembered)));
        }
        item
    }

    /// Reads the record back.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let membership = match item.maybe_text("joinedAt")? {
            None => None,
            Some(_) => Some((item.iso("joinedAt")?, item.maybe_flag("useWebSocket")?)),
        };
        let layers = item
            .items("status")?
            .map(read_layer)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            id: NodeId::parse("nodeId", item.text("nodeId")?).map_err(|_| Unreadable("nodeId"))?,
            version: item.text("version")?.into(),
            membership,
            alive_until: item
                .maybe_number("aliveUntil")?
                .map(Timestamp::from_seconds),
            readings: Readings::from(layers),
            reserved: item.maybe_number("reserved")?.unwrap_or(0),
            calls: item
                .items("calls")?
                .map(read_remembered)
                .collect::<Result<_, _>>()?,
            tidy_at: item.number("ttl")?,
        })
    }
}

fn layer(layer: &Layer) -> Value {
    let data = layer
        .data
        .iter()
        .map(|d| map([("key", text(&*d.key)), ("value", text(&*d.value))]));
    map([
        ("timestamp", text(layer.timestamp.to_string())),
        ("data", list(data)),
    ])
}

fn read_layer(item: Reader<'_>) -> Result<Layer, Unreadable> {
    let data = item.items("data")?.map(|data| {
        Ok(SensorData {
            key: data.text("key")?.into(),
            value: data.text("value")?.into(),
        })
    });
    Ok(Layer {
        timestamp: item.iso("timestamp")?,
        data: Arc::new(data.collect::<Result<_, _>>()?),
    })
}

fn remembered(call: &Remembered) -> Value {
    let Cursor { stamp, index } = call.last;
    map([
        ("what", Value::B(Blob::new(call.fingerprint.clone()))),
        ("at", number(stamp.at.millis())),
        ("call", number(i64::from(stamp.call))),
        ("index", number(i64::from(index))),
        ("by", text(&*call.taken_by)),
    ])
}

fn read_remembered(item: Reader<'_>) -> Result<Remembered, Unreadable> {
    Ok(Remembered {
        fingerprint: item.bytes("what")?.to_vec(),
        last: cursor(item)?,
        taken_by: item.text("by")?.into(),
    })
}
