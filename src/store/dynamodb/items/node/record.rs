//! A node's record. It is written with every report, so it is compact: up to a kilobyte is one
//! write unit.
//!
//! | attribute | what |
//! | --- | --- |
//! | `v` | the version, 16 bytes |
//! | `i` | the node's id, if the key has its digest |
//! | `j`, `w` | when it joined, in milliseconds; whether it requested WebSockets |
//! | `f` | the site that it joined from, 8 bytes |
//! | `u` | until when it is alive, in seconds |
//! | `d` | its variables ([`packed`]) |
//! | `r` | bytes that are reserved for them |
//! | `t`, `n`, `x` | its token's digest, its nickname, whether it was removed |
//! | `c` | its recent calls ([`packed`]) |
//! | `l` | what it uses of the log by second ([`packed`]) |
//! | `ttl` | the table's TTL |

use aws_sdk_dynamodb::types::AttributeValue as Value;

use super::{Node, Version, earlier, packed};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::nickname::Nickname;
use crate::model::origin::Network;
use crate::model::readings::Readings;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, bytes, number, text};
use crate::store::dynamodb::items::count;
use crate::store::dynamodb::items::keys::{self, Item, Key};

/// The attributes that [`member`] reads.
pub const MEMBER_FIELDS: &str = "#pk, #sk, #i, #j, #nodeId, #joinedAt";

impl Node {
    /// The record to write.
    pub fn item(&self, group: &GroupKey) -> Item {
        let key = Key::node(group, &self.id);
        let mut item = key.attributes();
        let mut put = |name: &str, value| item.insert(name.into(), value);
        if let Version::Id(version) = &self.version {
            put("v", bytes(version));
        }
        if keys::node_of(&key.sk).is_none() {
            put("i", text(self.id.as_str()));
        }
        if let Some((joined_at, use_websocket)) = self.membership {
            put("j", number(joined_at.millis()));
            if let Some(requested) = use_websocket {
                put("w", Value::Bool(requested));
            }
        }
        if let Some(site) = self.foreign {
            put("f", bytes(&site.digest()));
        }
        if let Some(until) = self.alive_until {
            put("u", number(until.seconds()));
        }
        if !self.readings.layers().is_empty() {
            put("d", bytes(&packed::layers(self.readings.layers())));
        }
        if self.reserved > 0 {
            put("r", number(count(self.reserved)));
        }
        if let Some(token) = &self.token {
            put("t", bytes(token.as_bytes()));
        }
        if let Some(nickname) = &self.nickname {
            put("n", text(nickname.as_str()));
        }
        if self.is_removed {
            put("x", Value::Bool(true));
        }
        if !self.calls.is_empty() {
            put("c", bytes(&packed::calls(&self.calls)));
        }
        if !self.logged.is_empty() {
            put("l", bytes(&packed::window(&self.logged)));
        }
        put("ttl", number(self.ttl));
        item
    }

    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        if item.contains_key("version") {
            return earlier::read(Reader(item));
        }
        let id = id(item)?;
        let item = Reader(item);
        let membership = match item.maybe_number("j")? {
            None => None,
            Some(at) => Some((Timestamp::from_millis(at), item.maybe_flag("w")?)),
        };
        Ok(Self {
            id,
            version: Version::Id(unpacked("v", item.bytes("v")?.try_into().ok())?),
            membership,
            foreign: match item.maybe_bytes("f")? {
                None => None,
                Some(site) => Some(Network::new(unpacked("f", site.try_into().ok())?)),
            },
            alive_until: item.maybe_number("u")?.map(Timestamp::from_seconds),
            readings: Readings::from(list(item, "d", packed::read_layers)?),
            reserved: item.maybe_number("r")?.unwrap_or(0),
            calls: list(item, "c", packed::read_calls)?,
            logged: list(item, "l", packed::read_window)?,
            ttl: item.number("ttl")?,
            token: item.token("t")?,
            nickname: match item.maybe_text("n")? {
                None => None,
                Some(nickname) => Some(unpacked("n", Nickname::parse(nickname).ok())?),
            },
            is_removed: item.maybe_flag("x")?.unwrap_or(false),
        })
    }
}

/// The member of which this record is, if it is one of a member.
pub fn member(item: &Item) -> Option<NodeId> {
    if item.contains_key("joinedAt") {
        return earlier::id(Reader(item)).ok();
    }
    item.get("j")?;
    id(item).ok()
}

/// A node's id, from its key unless that has its digest.
fn id(item: &Item) -> Result<NodeId, Unreadable> {
    let reader = Reader(item);
    let text = match keys::node_of(reader.text("sk")?) {
        Some(id) => id,
        None => reader.text("i")?,
    };
    NodeId::parse("nodeId", text).map_err(|_| Unreadable("i"))
}

/// A packed list; a missing one is empty.
fn list<'a, T>(
    item: Reader<'a>,
    name: &'static str,
    read: impl Fn(&'a [u8]) -> Option<Vec<T>>,
) -> Result<Vec<T>, Unreadable> {
    let bytes = item.maybe_bytes(name)?.unwrap_or_default();
    unpacked(name, read(bytes))
}

fn unpacked<T>(name: &'static str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or(Unreadable(name))
}
