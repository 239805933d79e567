//! The records of the table: their keys, their attributes, and how they are read. Texts are
//! stored unchanged, as attributes may hold any Unicode.

pub mod attributes;
pub mod events;
pub mod group;
pub mod head;
pub mod keys;
pub mod log;
pub mod node;
#[cfg(test)]
mod tests;
pub mod tombstone;

use crate::model::cursor::{Cursor, Stamp};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::{Domain, GroupId};
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number, text};
use crate::store::dynamodb::items::keys::{Item, Key};

/// How long after its expiry DynamoDB removes a record. Reads do not depend on that; the table's
/// TTL only removes what no server removed.
const TTL_DELAY: u32 = 3600;

/// When the table's TTL removes the records of a group.
pub fn ttl(group: &Group) -> i64 {
    ttl_of(group.expires_at)
}

/// The same of a group that expires then.
pub fn ttl_of(expires_at: Timestamp) -> i64 {
    expires_at.plus_seconds(TTL_DELAY).seconds()
}

/// A record that refers to a group: host lock, reverse record or watch.
pub fn group_reference(key: &Key, group: &GroupKey, ttl: i64) -> Item {
    let mut item = key.attributes();
    item.insert("groupId".into(), text(group.id.as_str()));
    item.insert("domain".into(), text(group.domain.as_str()));
    item.insert("ttl".into(), number(ttl));
    item
}

/// A group's watch, with the origin by which groups are counted.
pub fn watch(group: &Group, second: i64) -> Item {
    let key = Key::watch(&group.key, second);
    let mut item = group_reference(&key, &group.key, ttl(group));
    if let Some(origin) = group.origin {
        item.insert("origin".into(), text(origin.to_string()));
    }
    if let Some(seconds) = group.lesson.host_ttl {
        item.insert("hostTtl".into(), number(seconds.into()));
    }
    item
}

/// The group to which a record refers.
pub fn referenced_group(item: &Item) -> Result<GroupKey, Unreadable> {
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

/// A count as DynamoDB's number.
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
