//! A node in a group, as its record has it.

mod earlier;
mod packed;
mod record;
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::types::AttributeValue as Value;
use uuid::Uuid;

pub use self::record::{MEMBER_FIELDS, member};
use crate::model::authority::TokenHash;
use crate::model::cursor::Cursor;
use crate::model::error::ClientError;
use crate::model::event::Fingerprint;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::log_quota::Usage;
use crate::model::nickname::Nickname;
use crate::model::origin::Network;
use crate::model::places::Place;
use crate::model::readings::Readings;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{bytes, text};
use crate::store::dynamodb::items::ttl;

/// A node in a group: one record, so that a report or a heartbeat is one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Changes with every write; a write's condition names the version that was read.
    pub version: Version,
    /// When it joined, and whether it requested WebSockets.
    pub membership: Option<(Timestamp, Option<bool>)>,
    /// The site that it joined from, if that is not the group's.
    pub foreign: Option<Network>,
    /// Until when it is alive; none for a node that neither joined nor reported.
    pub alive_until: Option<Timestamp>,
    /// Its variables; hidden while the node is expired (decision D31).
    pub readings: Readings,
    /// Bytes of a response that are reserved for them: at least what they take.
    pub reserved: usize,
    /// Its calls with a fingerprint within the event TTL (decision D15).
    pub calls: Vec<RecentCall>,
    /// What its calls as a member use of the log by second, within the event TTL.
    pub logged: Vec<(i64, Usage)>,
    /// When the table's TTL removes it.
    pub ttl: i64,
    /// The digest of its token, if it was made with one (decision D34).
    pub token: Option<TokenHash>,
    /// The nickname that it gave when it joined.
    pub nickname: Option<Nickname>,
    /// Whether the host removed it, so that it may not come back.
    pub is_removed: bool,
}

/// The version of a record: which write it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// A random number.
    Id([u8; 16]),
    /// The text in a record of the earlier form.
    Earlier(String),
}

impl Version {
    /// That of the next write.
    pub fn random() -> Self {
        Self::Id(Uuid::new_v4().into_bytes())
    }

    /// The condition that a record has this version, and the value `:read` in it.
    pub fn condition(&self) -> (&'static str, Value) {
        match self {
            Self::Id(id) => ("#v = :read", bytes(id)),
            Self::Earlier(version) => ("#version = :read", text(&**version)),
        }
    }
}

/// An appended call, by which a repetition is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentCall {
    /// The call's fingerprint, as much as is kept of it.
    pub fingerprint: ShortFingerprint,
    /// The cursor of its last event.
    pub last: Cursor,
    /// The request that appended it: distinguishes a retry of that request from a repetition.
    pub request_id: Uuid,
}

/// The first half of a fingerprint. By chance, two calls of one node have the same once in 2^128
/// pairs. A node that searches for such a pair finds one after 2^64 calls, and only its own call
/// is then taken for a repetition.
pub type ShortFingerprint = [u8; 16];

impl RecentCall {
    /// The call with this fingerprint.
    pub fn new(fingerprint: &Fingerprint, last: Cursor, request_id: Uuid) -> Self {
        Self {
            fingerprint: shortened(fingerprint.as_bytes()),
            last,
            request_id,
        }
    }
}

fn shortened(fingerprint: &[u8; 32]) -> ShortFingerprint {
    let (first, _) = fingerprint.split_at(16);
    first.try_into().unwrap_or_default()
}

impl Node {
    /// A node without a record.
    pub fn new(id: &NodeId, group: &Group) -> Self {
        Self {
            id: id.clone(),
            version: Version::Id([0; 16]),
            membership: None,
            foreign: None,
            alive_until: None,
            readings: Readings::default(),
            reserved: 0,
            calls: Vec::new(),
            logged: Vec::new(),
            ttl: ttl(group),
            token: None,
            nickname: None,
            is_removed: false,
        }
    }

    /// Whether it counts as a node of the group.
    pub fn is_counted(&self) -> bool {
        self.alive_until.is_some()
    }

    /// As what it is in the group, if it counts.
    pub fn place(&self) -> Option<Place> {
        let foreign = self.foreign;
        self.alive_until?;
        Some(match self.membership {
            Some(_) => Place::Member { foreign },
            None => Place::Reporter,
        })
    }

    /// Whether its variables count with those of nodes outside.
    pub fn is_outside(&self) -> bool {
        self.place().is_some_and(Place::is_outside)
    }

    /// Whether it is alive.
    pub fn alive(&self, now: Timestamp) -> bool {
        self.alive_until
            .is_some_and(|until| Rules::node_alive(until, now))
    }

    /// Whether it joined without WebSockets.
    pub fn polls(&self) -> bool {
        matches!(self.membership, Some((_, Some(false))))
    }

    /// Admits a call of the node, which may have been removed.
    pub fn check_removed(&self) -> Result<(), ClientError> {
        if self.is_removed {
            Err(ClientError::Removed)
        } else {
            Ok(())
        }
    }

    /// Extends its life; returns whether that changed anything.
    pub fn refresh(&mut self, until: Timestamp) -> bool {
        self.alive_until.replace(until) != Some(until)
    }

    /// The earlier call with this fingerprint.
    pub fn find_call(&self, fingerprint: &Fingerprint) -> Option<&RecentCall> {
        let fingerprint = shortened(fingerprint.as_bytes());
        self.calls
            .iter()
            .find(|call| call.fingerprint == fingerprint)
    }
}
