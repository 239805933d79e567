//! The liveness rules: when groups, nodes and events are alive (docs/api.md, Who counts as alive).
//!
//! Nothing here waits or reads the clock: the caller passes `now`. Every store decides by these
//! functions, for reads and for writes.

mod polling;
mod timings;

use std::time::Duration;

use crate::model::error::ClientError;
use crate::model::group::{Delivery, EndReason, Group, GroupKey, Tombstone};
use crate::model::ids::NodeId;
use crate::model::lesson::TEACHERS_LIFETIME;
use crate::model::time::Timestamp;

pub use self::timings::{InvalidTimings, Timings};

/// A group that is alive. Only [`Rules::admit`] creates one.
#[derive(Debug)]
pub struct LiveGroup<'a>(&'a Group);

impl<'a> LiveGroup<'a> {
    /// The group.
    pub fn group(&self) -> &'a Group {
        self.0
    }

    /// The group if `node` is its host; otherwise the actual host.
    pub fn hosted_by(self, node: &NodeId) -> Result<HostedGroup<'a>, &'a NodeId> {
        if self.0.host == *node {
            Ok(HostedGroup(self.0))
        } else {
            Err(&self.0.host)
        }
    }
}

/// A live group, requested by its host.
#[derive(Debug)]
pub struct HostedGroup<'a>(&'a Group);

impl<'a> HostedGroup<'a> {
    /// The group.
    pub fn group(&self) -> &'a Group {
        self.0
    }
}

/// The liveness rules of a server.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    timings: Timings,
}

impl Rules {
    /// The rules for valid timings.
    pub fn new(timings: Timings) -> Result<Self, InvalidTimings> {
        timings.validate()?;
        Ok(Self { timings })
    }

    /// The times.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// How long a group lives after its host's last heartbeat, in seconds.
    pub fn host_ttl(&self, group: &Group) -> u32 {
        group.lesson.host_ttl.unwrap_or(self.timings.host_ttl)
    }

    /// Admits a request to a live group (docs/api.md, The group check). Both for the heartbeat and the expiry, a
    /// group is alive until the end of the second in which it ends.
    pub fn admit<'a>(
        &self,
        group: &'a Group,
        now: Timestamp,
    ) -> Result<LiveGroup<'a>, ClientError> {
        match self.end_of(group, now) {
            None => Ok(LiveGroup(group)),
            Some(EndReason::TimeUp) => Err(ClientError::GroupExpired {
                group: group.key.clone(),
                expires_at: group.expires_at,
            }),
            Some(EndReason::HostSilent | EndReason::Replaced) => {
                Err(ClientError::HeartbeatExpired(group.key.clone()))
            }
        }
    }

    /// Why the group has ended, or `None`.
    pub fn end_of(&self, group: &Group, now: Timestamp) -> Option<EndReason> {
        if now.seconds() > group.expires_at.seconds() {
            Some(EndReason::TimeUp)
        } else if group.heartbeat_at.seconds() < now.seconds() - i64::from(self.host_ttl(group)) {
            Some(EndReason::HostSilent)
        } else {
            None
        }
    }

    /// The tombstone of a group that ended at `now` (decision D30). It is kept for the longer of
    /// the two TTLs, so that every node that sends its heartbeats in time gets the reason.
    pub fn tombstone(&self, group: &Group, reason: EndReason, now: Timestamp) -> Tombstone {
        let (host_ttl, member_ttl) = (self.host_ttl(group), self.timings.member_ttl);
        Tombstone {
            reason,
            expires_at: group.expires_at,
            until: now.plus_seconds(host_ttl.max(member_ttl)),
        }
    }

    /// The error for a request to a group with a tombstone: the same as before the group's
    /// record was removed.
    pub fn refuse_ended(group: &GroupKey, tombstone: &Tombstone, now: Timestamp) -> ClientError {
        let Tombstone {
            reason,
            expires_at,
            until,
        } = *tombstone;
        if until < now {
            ClientError::GroupNotFound(group.clone())
        } else if reason == EndReason::TimeUp || now.seconds() > expires_at.seconds() {
            let group = group.clone();
            ClientError::GroupExpired { group, expires_at }
        } else {
            ClientError::HeartbeatExpired(group.clone())
        }
    }

    /// Whether listing, searching and createGroup include the group: for up to a second less
    /// than [`Rules::admit`] (docs/api.md).
    pub fn lists(&self, group: &Group, now: Timestamp) -> bool {
        group.heartbeat_at.seconds() > now.seconds() - i64::from(self.host_ttl(group))
            && group.expires_at > now
    }

    /// The lifetime of a new group, in seconds.
    pub fn lifetime(&self, requested: Option<i32>) -> Result<u32, ClientError> {
        self.lifetime_within(requested, self.timings.max_connection)
    }

    /// The same for a caller with the role of a teacher or an operator.
    pub fn teachers_lifetime(&self, requested: Option<i32>) -> Result<u32, ClientError> {
        self.lifetime_within(requested, self.longest_lifetime())
    }

    /// The longest lifetime that any caller may ask for, in seconds.
    pub fn longest_lifetime(&self) -> u32 {
        self.timings.max_connection.max(TEACHERS_LIFETIME)
    }

    fn lifetime_within(&self, requested: Option<i32>, max: u32) -> Result<u32, ClientError> {
        let Some(requested) = requested else {
            return Ok(self.timings.default_connection);
        };
        let seconds = u32::try_from(requested).unwrap_or(0);
        if seconds < 1 {
            Err(ClientError::LifetimeTooShort)
        } else if seconds > max {
            Err(ClientError::LifetimeTooLong(max))
        } else {
            Ok(seconds)
        }
    }

    /// How messages reach the members of a new group.
    pub fn delivery(&self, use_websocket: bool) -> Delivery {
        if use_websocket {
            Delivery::WebSocket
        } else {
            Delivery::Polling {
                every_seconds: self.timings.polling_interval,
            }
        }
    }

    /// Until when a node is alive after a heartbeat at `now`: a whole second.
    pub fn member_until(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()).plus_seconds(self.timings.member_ttl)
    }

    /// The last sign of life of a node that is alive until `until`: a whole second.
    pub fn seen_at(&self, until: Timestamp) -> Timestamp {
        until.minus(Duration::from_secs(self.timings.member_ttl.into()))
    }

    /// Whether a node that is alive until `until` is alive at `now`.
    pub fn node_alive(until: Timestamp, now: Timestamp) -> bool {
        until.seconds() > now.seconds()
    }
}

#[cfg(test)]
mod tests;
