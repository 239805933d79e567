//! Shares of a group's event log, so that no few nodes can fill it.
//!
//! Each member and the host have a share of their own. Nodes that did not join count as one, since
//! their ids can be invented. Those and members from other networks may use half of the log
//! together. The last part of it is for nodes that use little. Nothing here waits.

use std::ops::{Add, AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::model::error::ClientError;
use crate::model::limits::Limits;
use crate::model::places::Place;

/// How the sender of a call was in the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// A member from the group's network, or the host.
    #[default]
    Member,
    /// A member from another network.
    Foreign,
    /// It did not join.
    Outsider,
}

impl Sender {
    /// The sender with this place, if it has one.
    pub fn of(place: Option<Place>, is_host: bool) -> Self {
        match place {
            _ if is_host => Self::Member,
            Some(Place::Member { foreign: None }) => Self::Member,
            Some(Place::Member { foreign: Some(_) }) => Self::Foreign,
            Some(Place::Reporter) | None => Self::Outsider,
        }
    }

    /// Whether it is the default, which records leave out.
    pub fn is_member(&self) -> bool {
        *self == Self::Member
    }
}

/// What calls use of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls whose events are kept.
    pub calls: usize,
    /// Bytes of their events.
    pub bytes: usize,
}

impl Usage {
    /// One call.
    pub fn call(bytes: usize) -> Self {
        Self { calls: 1, bytes }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Usage {
    fn sub_assign(&mut self, other: Self) {
        self.calls -= other.calls;
        self.bytes -= other.bytes;
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

/// What is used of a log within the event TTL.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogUsage {
    /// By all.
    pub all: Usage,
    /// By outsiders and foreign members.
    pub outside: Usage,
    /// By the sender, or by all outsiders if it is one.
    pub own: Usage,
}

impl LogUsage {
    /// Admits a call to keep.
    pub fn admit(self, sender: Sender, call: Usage, limits: &Limits) -> Result<(), ClientError> {
        let own_part = match sender {
            Sender::Outsider => "the part of the group's event log for nodes that did not join",
            Sender::Member | Sender::Foreign => "the node's part of the group's event log",
        };
        let (all, outside, own) = (self.all + call, self.outside + call, self.own + call);
        let parts = [
            (limits.log_calls(), all.calls, outside.calls, own.calls),
            (limits.log_bytes(), all.bytes, outside.bytes, own.bytes),
        ];
        for (quota, all, outside, own) in parts {
            let half = quota.limit.div_ceil(2);
            let (what, limit) = if all > quota.limit {
                ("the group's event log", quota.limit)
            } else if own > quota.share {
                (own_part, quota.share)
            } else if sender != Sender::Member && outside > half {
                let what = "the part of the group's event log for nodes from elsewhere";
                (what, half)
            } else if !quota.admits(all, own) {
                ("the group's event log", quota.limit)
            } else {
                continue;
            };
            return Err(ClientError::Full { what, limit });
        }
        Ok(())
    }
}
