//! The records' keys. No id contains `#` (decision D3), so parts joined by it are unambiguous.
//!
//! | record | pk | sk |
//! | --- | --- | --- |
//! | group | `DOMAIN#{domain}` | `GROUP#{group}#METADATA` |
//! | head: counts, pollers | `DOMAIN#{domain}#GROUP#{group}` | `ROOM` |
//! | node: membership, status, recent calls | the same | `NODE#{node}` |
//! | log: numbers of kept calls, what they use | the same | `LOG` |
//! | events of a call | the same | `LOG#{number}#{part}` |
//! | reverse | `NODE#{node}` | `METADATA` |
//! | host lock (decision D4) | `HOST#{host}#DOMAIN#{domain}` | `LOCK` |
//! | join code (decision D33): which group has it | `CODE#{code}` | `CODE` |
//! | watch: when to check whether the group ended | `ENDS` | `{second}#{domain}#{group}` |
//! | expiry of a tombstone (decision D30) | `ENDED` | the same |
//!
//! A domain's partition holds group records only, so a listing reads nothing else (decision D8).

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use crate::model::group::GroupKey;
use crate::model::ids::{Domain, NodeId};
use crate::model::join_code::JoinCode;

/// A record's attributes.
pub type Item = HashMap<String, AttributeValue>;

/// The longest id in bytes that is part of a key unchanged. Of longer ones the key has a digest,
/// so that every key fits in DynamoDB's 1,024 bytes; an attribute has the text.
const LONGEST_PART: usize = 200;

/// The partition of all watches.
pub const WATCHES: &str = "ENDS";
/// The partition of the tombstones' expiries.
pub const TOMBSTONES: &str = "ENDED";
/// The prefix of every node's sort key.
pub const NODES: &str = "NODE#";
/// The sort key of every log.
const LOG: &str = "LOG";
/// The prefix of every call's sort key.
const CALLS: &str = "LOG#";
/// The prefix of every group's sort key.
pub const GROUPS: &str = "GROUP#";

/// A record's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        let (pk, sk) = (pk.into(), sk.into());
        Self { pk, sk }
    }

    /// A group's record.
    pub fn group(group: &GroupKey) -> Self {
        let sk = format!("{GROUPS}{}#METADATA", part(group.id.as_str()));
        Self::new(domain(&group.domain), sk)
    }

    /// A group's head.
    pub fn head(group: &GroupKey) -> Self {
        Self::new(inside(group), "ROOM")
    }

    /// A node in a group.
    pub fn node(group: &GroupKey, node: &NodeId) -> Self {
        Self::node_part(group, &part(node.as_str()))
    }

    /// A node in a group, by its [`part`].
    pub fn node_part(group: &GroupKey, node: &str) -> Self {
        Self::new(inside(group), format!("{NODES}{node}"))
    }

    /// A group's log.
    pub fn log(group: &GroupKey) -> Self {
        Self::new(inside(group), LOG)
    }

    /// Events of the call with this number; those of a large call are in several parts.
    pub fn call(group: &GroupKey, number: u64, part: u32) -> Self {
        Self::new(inside(group), format!("{CALLS}{number:012}#{part:03}"))
    }

    /// The reverse record: which group a node is in.
    pub fn reverse(node: &NodeId) -> Self {
        Self::new(format!("NODE#{}", part(node.as_str())), "METADATA")
    }

    /// The host lock: which group a host has in a domain.
    pub fn lock(host: &NodeId, domain: &Domain) -> Self {
        let (host, domain) = (part(host.as_str()), part(domain.as_str()));
        Self::new(format!("HOST#{host}#DOMAIN#{domain}"), "LOCK")
    }

    /// A join code: which group has it.
    pub fn code(code: JoinCode) -> Self {
        Self::new(format!("CODE#{code}"), "CODE")
    }

    /// The watch: when to check whether a group ended.
    pub fn watch(group: &GroupKey, second: i64) -> Self {
        let (domain, id) = (part(group.domain.as_str()), part(group.id.as_str()));
        Self::new(WATCHES, format!("{}#{domain}#{id}", watch_time(second)))
    }

    /// The expiry of a tombstone.
    pub fn tombstone_expiry(group: &GroupKey, second: i64) -> Self {
        let Self { sk, .. } = Self::watch(group, second);
        Self::new(TOMBSTONES, sk)
    }

    /// A key without a record, for the readiness check.
    pub fn readiness_probe() -> Self {
        Self::new("READY", "READY")
    }

    /// The key as attributes.
    pub fn attributes(&self) -> Item {
        HashMap::from([
            ("pk".into(), AttributeValue::S(self.pk.clone())),
            ("sk".into(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of a record.
    pub fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name)?.as_s().ok();
        Some(Self::new(text("pk")?, text("sk")?))
    }
}

/// The node's id in the sort key of its record; none if that has the id's digest, or is of another
/// record.
pub fn node_of(sk: &str) -> Option<&str> {
    let id = sk.strip_prefix(NODES)?;
    (!id.starts_with('#')).then_some(id)
}

/// The partition of a domain's groups.
pub fn domain(domain: &Domain) -> String {
    format!("DOMAIN#{}", part(domain.as_str()))
}

/// The partition of a group's other records.
pub fn inside(group: &GroupKey) -> String {
    let (domain, id) = (part(group.domain.as_str()), part(group.id.as_str()));
    format!("DOMAIN#{domain}#GROUP#{id}")
}

/// The group's partition in `GroupIdIndex`.
pub fn by_id(id: &str) -> String {
    format!("GROUP#{}", part(id))
}

/// The partition of a name, or of the names with this prefix, in `GroupNameIndex`:
/// one per first character (decision D8).
pub fn by_name(name: &str) -> Option<String> {
    name.chars().next().map(|first| format!("NAME#{first}"))
}

/// A second as text that sorts like the number.
pub fn watch_time(second: i64) -> String {
    format!("{second:012}")
}

/// The range of sort keys of calls from a number on, both ends included.
pub fn calls_from(number: u64) -> (String, String) {
    (format!("{CALLS}{number:012}"), format!("{CALLS}~"))
}

/// The number and the part in a call's sort key.
pub fn call_number(sk: &str) -> Option<(u64, u32)> {
    let (number, part) = sk.strip_prefix(CALLS)?.split_once('#')?;
    Some((number.parse().ok()?, part.parse().ok()?))
}

/// The part of keys for an id.
pub fn part(id: &str) -> String {
    if id.len() <= LONGEST_PART {
        return id.into();
    }
    // No id begins with `#`, so a digest is never another id's text.
    let mut part = String::from("#");
    for byte in Sha256::digest(id.as_bytes()) {
        let _ = write!(part, "{byte:02x}");
    }
    part
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
pub mod tests;
