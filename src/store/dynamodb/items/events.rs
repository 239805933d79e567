//! Records of calls in a group's log: their events, or that a number was not used.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::cursor::Cursor;
use crate::model::event::{Event, EventInput};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, list, map, number, text};
use crate::store::dynamodb::items::keys::{Item, Key, call_number};
use crate::store::dynamodb::items::{cursor, group_reference};

/// How long after its expiry the table's TTL removes an event; shorter, as events are many.
const TTL_DELAY: u32 = 60;

/// Events of one call in one record: all of them, unless they are too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The call's number.
    pub number: u64,
    /// The record's number among those of the call.
    pub part: u32,
    /// How many records the call has.
    pub parts: u32,
    /// Who sent them.
    pub node: NodeId,
    /// The cursor of the last event.
    pub last: Cursor,
    /// The events, in log order.
    pub events: Vec<EventInput>,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// Events.
    Events(EventRecord),
    /// The call with this number is not in the log: its number was not used in time.
    Void(u64),
}

/// The record that says that a number is not used.
pub fn void_item(group: &GroupKey, number: u64, event_ttl: u32, now: Timestamp) -> Item {
    let ttl = now.plus_seconds(event_ttl).plus_seconds(TTL_DELAY);
    let mut item = group_reference(&Key::call(group, number, 0), group, ttl.seconds());
    item.insert("void".into(), Value::Bool(true));
    item
}

impl LogEntry {
    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let reader = Reader(item);
        let (number, part) = call_number(reader.text("sk")?).ok_or(Unreadable("sk"))?;
        if reader.maybe_flag("void")? == Some(true) {
            return Ok(Self::Void(number));
        }
        let node = NodeId::parse("nodeId", reader.text("firedByNodeId")?);
        Ok(Self::Events(EventRecord {
            number,
            part,
            parts: reader.maybe_number("parts")?.unwrap_or(1),
            node: node.map_err(|_| Unreadable("firedByNodeId"))?,
            last: cursor(reader)?,
            events: reader
                .items("events")?
                .map(read_event)
                .collect::<Result<_, _>>()?,
        }))
    }
}

impl EventRecord {
    /// The record to write.
    pub fn item(&self, group: &GroupKey, event_ttl: u32) -> Item {
        let ttl = self.last.stamp.at.plus_seconds(event_ttl);
        let ttl = ttl.plus_seconds(TTL_DELAY).seconds();
        let key = Key::call(group, self.number, self.part);
        let mut item = group_reference(&key, group, ttl);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("firedByNodeId", text(self.node.as_str()));
        put("at", number(self.last.stamp.at.millis()));
        put("call", number(i64::from(self.last.stamp.call)));
        put("index", number(i64::from(self.last.index)));
        if self.parts > 1 {
            put("parts", number(i64::from(self.parts)));
        }
        put("events", list(self.events.iter().map(event)));
        item
    }

    /// The events as they are polled.
    pub fn polled(self) -> impl Iterator<Item = Event> {
        let Self {
            node, last, events, ..
        } = self;
        let first = (last.index + 1).saturating_sub(u32::try_from(events.len()).unwrap_or(0));
        events
            .into_iter()
            .zip(first..)
            .map(move |(event, index)| Event {
                name: event.name,
                fired_by: node.clone(),
                payload: event.payload,
                timestamp: last.stamp.at.to_string(),
                cursor: Some(Cursor {
                    stamp: last.stamp,
                    index,
                }),
                order_key: event.order_key.filter(|key| !key.is_empty()),
            })
    }
}

fn event(event: &EventInput) -> Value {
    let optional = [("payload", &event.payload), ("orderKey", &event.order_key)];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, text(value.as_deref()?))));
    map([
        ("eventName", text(&*event.name)),
        ("firedAt", text(&*event.fired_at)),
    ]
    .into_iter()
    .chain(optional))
}

fn read_event(item: Reader<'_>) -> Result<EventInput, Unreadable> {
    Ok(EventInput {
        name: item.text("eventName")?.into(),
        payload: item.maybe_text("payload")?.map(Into::into),
        fired_at: item.text("firedAt")?.into(),
        order_key: item.maybe_text("orderKey")?.map(Into::into),
    })
}
