//! A group's head record.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::cursor::{Cursor, Stamp};
use crate::model::group::Group;
use crate::model::log_quota::Usage;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, list, map, number};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{count, ttl};

/// A group's head record: the log head and counts, by which joins and appends are serialized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupHead {
    /// The number of members.
    pub nodes: usize,
    /// How many of them joined from another network than the group's.
    pub foreign: usize,
    /// The number of nodes that report and did not join.
    pub reporters: usize,
    /// The number of nodes that the host removed.
    pub removed: usize,
    /// Bytes of a response that are reserved for the nodes' variables (decision D24).
    pub status_bytes: usize,
    /// Those of reporters and of foreign members.
    pub outside_bytes: usize,
    /// Whether the group's delivery is polling.
    pub polling: bool,
    /// Until when the group counts as polled (decision D13).
    pub polled_until: Option<Timestamp>,
    /// The key parts of nodes that joined without WebSockets.
    pub pollers: Vec<String>,
    /// The cursor of the last kept call's last event.
    pub last: Option<Cursor>,
    /// What is used of the log by second, within the event TTL.
    pub window: Vec<Slot>,
}

/// What calls of one second use of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The second.
    pub second: i64,
    /// By all.
    pub all: Usage,
    /// By outsiders and foreign members.
    pub outside: Usage,
    /// By outsiders.
    pub outsiders: Usage,
}

impl GroupHead {
    /// The record of a new group.
    pub fn item(&self, group: &Group) -> Item {
        let mut item = Key::head(&group.key).attributes();
        item.insert("nodes".into(), number(count(self.nodes)));
        item.insert("polling".into(), Value::Bool(self.polling));
        item.insert("ttl".into(), number(ttl(group)));
        item
    }

    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        // Of groups that an earlier version made, counts may begin below zero.
        let counted = |name| {
            let count: Option<i64> = item.maybe_number(name)?;
            Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(0))
        };
        let last = match item.maybe_number::<i64>("lastAt")? {
            None => None,
            Some(at) => Some(Cursor {
                stamp: Stamp {
                    at: Timestamp::from_millis(at),
                    call: item.number("lastCall")?,
                },
                index: item.number("lastIndex")?,
            }),
        };
        Ok(Self {
            nodes: counted("nodes")?,
            foreign: counted("foreign")?,
            reporters: counted("reporters")?,
            removed: counted("removed")?,
            status_bytes: counted("statusBytes")?,
            outside_bytes: counted("outsideBytes")?,
            polling: item.flag("polling")?,
            polled_until: item
                .maybe_number("polledUntil")?
                .map(Timestamp::from_millis),
            pollers: item.texts("pollers")?,
            last,
            window: item
                .items("window")?
                .map(read_slot)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The window as an attribute.
    pub fn window_value(&self) -> Value {
        list(self.window.iter().map(slot))
    }
}

fn slot(slot: &Slot) -> Value {
    let usages = [
        ("calls", "bytes", slot.all),
        ("outsideCalls", "outsideBytes", slot.outside),
        ("outsidersCalls", "outsidersBytes", slot.outsiders),
    ];
    let usages = usages.into_iter().filter(|(.., usage)| usage.calls > 0);
    let usages = usages.flat_map(|(calls, bytes, usage)| {
        [
            (calls, number(count(usage.calls))),
            (bytes, number(count(usage.bytes))),
        ]
    });
    map(usages.chain([("second", number(slot.second))]))
}

fn read_slot(slot: Reader<'_>) -> Result<Slot, Unreadable> {
    let usage = |calls, bytes| {
        Ok(Usage {
            calls: slot.maybe_number(calls)?.unwrap_or(0),
            bytes: slot.maybe_number(bytes)?.unwrap_or(0),
        })
    };
    Ok(Slot {
        second: slot.number("second")?,
        all: usage("calls", "bytes")?,
        outside: usage("outsideCalls", "outsideBytes")?,
        outsiders: usage("outsidersCalls", "outsidersBytes")?,
    })
}
