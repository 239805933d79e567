//! What the host of a group decides during a lesson: who may join, and whether the group rests
//! (docs/api.md, Controls of a lesson). Nothing here waits or reads the clock.

use serde::{Deserialize, Serialize};

use crate::model::authority::{self, Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::rules::LiveGroup;
use crate::model::time::Timestamp;

/// The shortest host TTL that a teacher may ask for, in seconds.
pub const MIN_HOST_TTL: u32 = 10;
/// The longest host TTL that a teacher may ask for, in seconds.
pub const MAX_HOST_TTL: u32 = 600;
/// The lifetime in seconds that a teacher may ask for, whatever the server's maximum is.
pub const TEACHERS_LIFETIME: u32 = 6000;

/// What the host of a group decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LessonState {
    /// The group's own host TTL in seconds, if it has one.
    pub host_ttl: Option<u32>,
    /// Whether no new node may join.
    pub is_locked: bool,
    /// Until when only the host reports and sends events. May lie in the past.
    pub paused_until: Option<Timestamp>,
    /// Whether pages must not show chat.
    pub is_chat_muted: bool,
}

impl LessonState {
    /// A lesson as it begins.
    pub fn with_host_ttl(host_ttl: Option<u32>) -> Self {
        Self {
            host_ttl,
            ..Self::default()
        }
    }

    /// Whether nothing was decided.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// When the pause ends, if there is one.
    pub fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused_until.filter(|until| *until > now)
    }
}

/// A host's control of its lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Whether no new node may join.
    Lock(bool),
    /// The group rests for some seconds; 0 ends a pause.
    Pause(u32),
    /// Whether pages must not show chat.
    MuteChat(bool),
    /// The node leaves, and may not come back while the group lives.
    RemoveNode(NodeId),
    /// The variables of all nodes are emptied.
    ClearData,
}

impl Control {
    /// What the host decided after it. A pause ends with the group.
    pub fn changed(&self, group: &Group, now: Timestamp) -> LessonState {
        let mut lesson = group.lesson;
        match *self {
            Self::Lock(locked) => lesson.is_locked = locked,
            Self::Pause(0) => lesson.paused_until = None,
            Self::Pause(seconds) => {
                lesson.paused_until = Some(group.expires_at.min(now.plus_seconds(seconds)));
            }
            Self::MuteChat(muted) => lesson.is_chat_muted = muted,
            Self::RemoveNode(_) | Self::ClearData => {}
        }
        lesson
    }
}

/// Takes the argument `seconds` of a pause.
pub fn pause_seconds(seconds: i32) -> Result<u32, ClientError> {
    u32::try_from(seconds).map_err(|_| ClientError::NegativePause)
}

/// Takes the argument `hostTtlSeconds` of a caller that may choose it.
pub fn host_ttl(asked: Option<i32>, is_teacher: bool) -> Result<Option<u32>, ClientError> {
    let Some(asked) = asked else { return Ok(None) };
    if !is_teacher {
        return Err(ClientError::HostTtlNeedsTeacher);
    }
    let seconds = u32::try_from(asked).unwrap_or(0);
    if (MIN_HOST_TTL..=MAX_HOST_TTL).contains(&seconds) {
        Ok(Some(seconds))
    } else {
        Err(ClientError::InvalidHostTtl)
    }
}

/// Admits a control by the group's host. A group without a token has none: anybody may call as
/// its host.
pub fn admit_control<'a>(group: LiveGroup<'a>, host: &Actor) -> Result<&'a Group, ClientError> {
    let hosted = group
        .hosted_by(&host.id)
        .map_err(|_| ClientError::OnlyHostCanControl)?;
    let group = hosted.group();
    if group.token.is_none() {
        return Err(ClientError::ControlNeedsToken);
    }
    authority::check_host(group, host.token)?;
    Ok(group)
}

/// Admits the removal of another node.
pub fn admit_removal(removed: usize, limits: &Limits) -> Result<(), ClientError> {
    let limit = limits.removed_per_group;
    if removed < limit {
        return Ok(());
    }
    let what = "the group's list of removed nodes";
    Err(ClientError::Full { what, limit })
}

/// Admits a node that joins.
pub fn admit_join(group: &Group, actor: &Actor, is_member: bool) -> Result<(), ClientError> {
    if group.lesson.is_locked && !is_member && !is_host(group, &actor.id, actor.token) {
        return Err(ClientError::Locked);
    }
    Ok(())
}

/// Admits a report or events of a node. A lock keeps nodes out that the group does not know:
/// a node that was removed could go on under another id.
pub fn admit_data(
    group: &Group,
    node: &NodeId,
    token: Option<TokenHash>,
    is_known: bool,
    now: Timestamp,
) -> Result<(), ClientError> {
    if is_host(group, node, token) {
        return Ok(());
    }
    if let Some(until) = group.lesson.paused_until(now) {
        let rest = until.millis() - now.millis();
        return Err(ClientError::Paused {
            retry_after_ms: u32::try_from(rest).unwrap_or(u32::MAX),
        });
    }
    if group.lesson.is_locked && !is_known {
        return Err(ClientError::Locked);
    }
    Ok(())
}

/// Whether a node is the host of a group with a token, which it sent: others may know its id.
fn is_host(group: &Group, node: &NodeId, token: Option<TokenHash>) -> bool {
    group.host == *node && group.token.is_some() && group.token == token
}

#[cfg(test)]
mod tests;
