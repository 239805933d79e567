//! A group's head record.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::group::Group;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{count, ttl};

/// A group's head record: its pollers and counts, by which joins are serialized.
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
        })
    }
}
