//! The tombstone, which replaces the record of a group that ended without being dissolved. The
//! same single read then gives its members the reason (decision D30).

use crate::model::group::{GroupKey, Tombstone};
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number, text};
use crate::store::dynamodb::items::group::{EndCause, GroupRecord};
use crate::store::dynamodb::items::group_reference;
use crate::store::dynamodb::items::keys::{Item, Key};

/// How long after its expiry the table's TTL removes it, if no server does.
const TTL_DELAY: u32 = 60;

/// A record with a group's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The group, alive or being removed.
    Group(GroupRecord),
    /// Its tombstone.
    Tombstone(Tombstone),
}

impl Record {
    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let reader = Reader(item);
        let Some(until) = reader.maybe_text("rememberedUntil")? else {
            return GroupRecord::read(item).map(Self::Group);
        };
        let EndCause::Ended(reason) = EndCause::parse(reader.text("ended")?)? else {
            return Err(Unreadable("ended"));
        };
        Ok(Self::Tombstone(Tombstone {
            reason,
            expires_at: reader.iso("expiresAt")?,
            until: crate::model::time::Timestamp::parse(until)
                .ok_or(Unreadable("rememberedUntil"))?,
        }))
    }

    /// The group's record, unless it is a tombstone.
    pub fn into_group(self) -> Option<GroupRecord> {
        match self {
            Self::Group(record) => Some(record),
            Self::Tombstone(_) => None,
        }
    }
}

/// The record to write instead of the group's.
pub fn item(group: &GroupKey, tombstone: &Tombstone) -> Item {
    let Tombstone {
        reason,
        expires_at,
        until,
    } = tombstone;
    let mut item = Key::group(group).attributes();
    let mut put = |name: &str, value| item.insert(name.into(), value);
    put("id", text(group.id.as_str()));
    put("domain", text(group.domain.as_str()));
    put("ended", text(EndCause::Ended(*reason).as_str()));
    put("expiresAt", text(expires_at.to_string()));
    put("rememberedUntil", text(until.to_string()));
    put("ttl", number(ttl(tombstone)));
    item
}

/// The record by which servers find an expired tombstone.
pub fn expiry_item(group: &GroupKey, tombstone: &Tombstone) -> Item {
    let key = Key::tombstone_expiry(group, tombstone.until.seconds());
    group_reference(&key, group, ttl(tombstone))
}

fn ttl(tombstone: &Tombstone) -> i64 {
    tombstone.until.plus_seconds(TTL_DELAY).seconds()
}
