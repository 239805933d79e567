//! Records of events in a group's log.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::cursor::Cursor;
use crate::model::event::{Event, EventInput};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, list, map, number, text};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{cursor, group_reference};

/// How long after its expiry the table's TTL removes an event; shorter, as events are many.
const TTL_DELAY: u32 = 60;

/// Events of one call in one record: all of them, unless they are too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Who sent them.
    pub node: NodeId,
    /// The cursor of the last event.
    pub last: Cursor,
    /// The cursor of the event before them, by which a reader notices a gap.
    pub after: Option<Cursor>,
    /// The events, in log order.
    pub events: Vec<EventInput>,
}

impl EventRecord {
    /// The record to write.
    pub fn item(&self, group: &GroupKey, event_ttl: u32) -> Item {
        let ttl = self.last.stamp.at.plus_seconds(event_ttl);
        let ttl = ttl.plus_seconds(TTL_DELAY).seconds();
        let mut item = group_reference(&Key::events(group, self.last), group, ttl);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("firedByNodeId", text(self.node.as_str()));
        put("timestamp", text(self.last.stamp.at.to_string()));
        put("at", number(self.last.stamp.at.millis()));
        put("call", number(i64::from(self.last.stamp.call)));
        put("index", number(i64::from(self.last.index)));
        if let Some(after) = self.after {
            put("after", text(after.to_string()));
        }
        put("events", list(self.events.iter().map(event)));
        item
    }

    /// Reads the record, and the text of `after`.
    pub fn read(item: &Item) -> Result<(Self, Option<String>), Unreadable> {
        let item = Reader(item);
        let node = NodeId::parse("nodeId", item.text("firedByNodeId")?);
        let events = Self {
            node: node.map_err(|_| Unreadable("firedByNodeId"))?,
            last: cursor(item)?,
            after: None,
            events: item
                .items("events")?
                .map(read_event)
                .collect::<Result<_, _>>()?,
        };
        Ok((events, item.maybe_text("after")?.map(Into::into)))
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
