//! What stands in the table: where (keys), in which form (attributes), and how it is read
//! back. Texts stand as they are: in attributes any Unicode is allowed.

pub mod attributes;
pub mod events;
pub mod group;
pub mod keys;
pub mod node;
#[cfg(test)]
mod tests;
pub mod tombstone;

use crate::model::event::{Cursor, Stamp};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::{Domain, GroupId};
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number, text};
use crate::store::dynamodb::items::keys::{Item, Key};

/// How long a record may lie after its time before DynamoDB tidies it. Reads decide
/// about life; the table's TTL only removes what no server was there to remove.
const TIDY_AFTER: u32 = 3600;
/// When the table may tidy what belongs to a group.
pub fn tidy_at(group: &Group) -> i64 {
    group.expires_at.plus_seconds(TIDY_AFTER).seconds()
}

/// A record that only points at a group: host lock, reverse record and watch.
pub fn pointer(key: &Key, group: &GroupKey, tidy_at: i64) -> Item {
    let mut item = key.attributes();
    item.insert("groupId".into(), text(group.id.as_str()));
    item.insert("domain".into(), text(group.domain.as_str()));
    item.insert("ttl".into(), number(tidy_at));
    item
}

/// The group that a record points at.
pub fn points_at(item: &Item) -> Result<GroupKey, Unreadable> {
    group_key(Reader(item), "groupId")
}

fn group_key(item: Reader<'_>, id: &'static str) -> Result<GroupKey, Unreadable> {
    let domain = Domain::parse("domain", item.text("domain")?);
    let group = GroupId::parse("groupId", item.text(id)?);
    Ok(GroupKey {
        domain: domain.map_err(|_| Unreadable("domain"))?,
        id: group.map_err(|_| Unreadable("groupId"))?,
    })
}

/// A number of things, as DynamoDB counts.
pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn cursor(item: Reader<'_>) -> Result<Cursor, Unreadable> {
    Ok(Cursor {
        stamp: Stamp {
            at: Timestamp::from_millis(item.number("at")?),
            call: item.number("call")?,
        },
        index: item.number("index")?,
    })
}
