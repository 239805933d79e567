//! Approximate memory of records: their texts, and constants for their overhead (structures,
//! map entries, the allocator's rounding). `spec/memory.rs` fills a server with each kind and
//! compares its process with these figures.

use std::collections::HashMap;
use std::hash::Hash;

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::nickname::Nickname;
use crate::model::readings::Size;
use crate::store::embedded::log::LoggedCall;

/// A group without nodes, and its entries in five maps.
const GROUP: usize = 1632;
/// A node, and its entry in the map of all members.
const NODE: usize = 384;
/// The id of a removed node, in a set.
const REMOVED: usize = 96;
/// A nickname's text.
const NICKNAME: usize = 32;
/// A layer of variables.
const LAYER: usize = 144;
/// A variable: two texts.
const VARIABLE: usize = 112;
/// A call, and its fingerprint.
const CALL: usize = 320;
/// A tombstone, in a map and in a set.
const TOMBSTONE: usize = 320;
/// An event: up to four texts.
const EVENT: usize = 176;

/// A lease for a group without nodes.
pub fn lease_for(of: &Group, memory: &Memory) -> Lease {
    memory.lease(Purpose::Stored, group(of))
}

/// A group without nodes.
pub fn group(group: &Group) -> usize {
    let key = group.key.domain.as_str().len() + group.key.id.as_str().len();
    GROUP + key + group.host.as_str().len() + group.name.as_str().len()
}

/// A node without variables.
pub fn node(node: &NodeId) -> usize {
    NODE + node.as_str().len()
}

/// The id of a removed node.
pub fn removed_node(node: &NodeId) -> usize {
    REMOVED + node.as_str().len()
}

/// A node's nickname, if it has one.
pub fn nickname(nickname: Option<&Nickname>) -> usize {
    nickname.map_or(0, |nickname| NICKNAME + nickname.as_str().len())
}

/// A node's variables.
pub fn readings(size: Size) -> usize {
    size.rows * LAYER + size.keys * VARIABLE + size.bytes
}

/// A tombstone.
pub fn tombstone(group: &GroupKey) -> usize {
    TOMBSTONE + group.domain.as_str().len() + group.id.as_str().len()
}

/// A call in a log.
pub fn call(call: &LoggedCall) -> usize {
    CALL + call.node.as_str().len() + call.events.len() * EVENT + call.bytes
}

/// Shrinks a map that has far more capacity than entries; maps do not shrink by themselves.
pub fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    const MIN_CAPACITY: usize = 64;
    if map.capacity() > MIN_CAPACITY && map.len() < map.capacity() / 8 {
        map.shrink_to(MIN_CAPACITY.max(map.len() * 2));
    }
}

#[cfg(test)]
mod tests;
