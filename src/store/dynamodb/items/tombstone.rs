//! What stands in the place of a group's record after the group has ended by itself, so
//! that its members are told why by the same one read (decision D30).

use crate::model::group::{GroupKey, Tombstone};
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, number, text};
use crate::store::dynamodb::items::group::{Standing, Why};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::pointer;

/// How long after its time the table may tidy it, where no server does.
const TIDY_AFTER: u32 = 60;

/// What was found in the place of a group's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The group, alive or being removed.
    Standing(Standing),
    /// What is remembered of it.
    Tombstone(Tombstone),
}

impl Record {
    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let reader = Reader(item);
        let Some(until) = reader.maybe_text("rememberedUntil")? else {
            return Standing::read(item).map(Self::Standing);
        };
        let Why::By(end) = Why::parse(reader.text("ended")?)? else {
            return Err(Unreadable("ended"));
        };
        Ok(Self::Tombstone(Tombstone {
            end,
            expires_at: reader.iso("expiresAt")?,
            until: crate::model::time::Timestamp::parse(until)
                .ok_or(Unreadable("rememberedUntil"))?,
        }))
    }

    /// The group, unless it is only remembered.
    pub fn standing(self) -> Option<Standing> {
        match self {
            Self::Standing(standing) => Some(standing),
            Self::Tombstone(_) => None,
        }
    }
}

/// The record to write in the place of the group's.
pub fn item(group: &GroupKey, tombstone: &Tombstone) -> Item {
    let Tombstone {
        end,
        expires_at,
        until,
    } = tombstone;
    let mut item = Key::group(group).attributes();
    let mut put = |name: &str, value| item.insert(name.into(), value);
    put("id", text(group.id.as_str()));
    put("domain", text(group.domain.as_str()));
    put("ended", text(Why::By(*end).as_str()));
    put("expiresAt", text(expires_at.to_string()));
    put("rememberedUntil", text(until.to_string()));
    put("ttl", number(tidy_at(tombstone)));
    item
}

/// The record by which servers find it when its time is over.
pub fn due(group: &GroupKey, tombstone: &Tombstone) -> Item {
    let key = Key::forget(group, tombstone.until.seconds());
    pointer(&key, group, tidy_at(tombstone))
}

fn tidy_at(tombstone: &Tombstone) -> i64 {
    tombstone.until.plus_seconds(TIDY_AFTER).seconds()
}
