//! Groups and their members.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::authority::TokenHash;
use crate::model::error::ClientError;
use crate::model::ids::{Domain, GroupId, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::LessonState;
use crate::model::nickname::Nickname;
use crate::model::origin::Origin;
use crate::model::time::Timestamp;

/// A group's full name, `id@domain`: the key of everything in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey {
    /// The domain it is found in.
    pub domain: Domain,
    /// Its id.
    pub id: GroupId,
}

impl GroupKey {
    /// Takes the arguments `groupId` and `domain`.
    pub fn parse(group_id: &str, domain: &str) -> Result<Self, ClientError> {
        Ok(Self {
            id: GroupId::parse("groupId", group_id)?,
            domain: Domain::parse("domain", domain)?,
        })
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.domain)
    }
}

/// How messages reach a group's members: the schema's `useWebSocket` and
/// `pollingIntervalSeconds` as one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Through the subscription.
    WebSocket,
    /// By polling.
    Polling {
        /// Seconds between two polls.
        every_seconds: u32,
    },
}

impl Delivery {
    /// Whether members subscribe.
    pub fn uses_websocket(self) -> bool {
        self == Self::WebSocket
    }

    /// Seconds between two polls of a polling group.
    pub fn polling_interval(self) -> Option<u32> {
        match self {
            Self::WebSocket => None,
            Self::Polling { every_seconds } => Some(every_seconds),
        }
    }
}

/// A group as it is stored. `model::rules` decides whether it is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its full name.
    pub key: GroupKey,
    /// The name its host gave it.
    pub name: GroupName,
    /// The node that created it.
    pub host: NodeId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; fixed at creation.
    pub expires_at: Timestamp,
    /// The host's last heartbeat.
    pub heartbeat_at: Timestamp,
    /// How messages reach its members.
    pub delivery: Delivery,
    /// Where it was created from; none if that is unknown, as of groups of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The digest of its host's token, if it was made with one (decision D34).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenHash>,
    /// Its join code (decision D33); only groups of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_code: Option<JoinCode>,
    /// What its host decided during the lesson.
    #[serde(default, skip_serializing_if = "LessonState::is_default")]
    pub lesson: LessonState,
}

/// A node's membership, as the queries return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// The group it is in.
    pub group: GroupKey,
    /// The nickname that it gave.
    pub nickname: Option<Nickname>,
    /// Until when it is alive without another sign of life.
    pub alive_until: Timestamp,
    /// Whether it requested WebSockets, if it said so.
    pub use_websocket: Option<bool>,
}

/// What is kept of a group that ended without being dissolved: no name, no node and no value
/// (decision D30). A dissolved group has none: requests to it get the same error as requests
/// to a group that never existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Why the group ended.
    #[serde(rename = "end")]
    pub reason: EndReason,
    /// When the group would have expired at the latest.
    pub expires_at: Timestamp,
    /// Until when the tombstone is kept.
    pub until: Timestamp,
}

/// Why a group ended without being dissolved by its host (decision D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The host sent no heartbeat within its TTL.
    HostSilent,
    /// `expiresAt` has passed.
    TimeUp,
    /// The host created a new group in the domain before this one was removed.
    Replaced,
}
