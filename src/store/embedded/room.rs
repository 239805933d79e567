//! One group with its nodes and its log.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::heartbeat::rules::Rules;
use crate::memory::{Lease, Memory, Work};
use crate::model::error::ClientError;
use crate::model::event::{Channel, Cursor, Since, Stamp};
use crate::model::group::{Delivery, Group, GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::rendered;
use crate::model::status::Readings;
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::log::{Found, Log, NewCall};
use crate::store::embedded::records::Changes;

/// What is known of a node in a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its membership; a host and others that only report have none.
    pub membership: Option<Membership>,
    /// Until when the node counts: membership and status live and renew together (D10).
    pub alive_until: Timestamp,
    /// What it reported.
    pub readings: Readings,
}

/// That a node joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// When it joined last.
    pub joined_at: Timestamp,
    /// Whether it asked for WebSockets.
    pub use_websocket: Option<bool>,
}

/// How a call was taken into the log.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The call's stamp.
    pub stamp: Stamp,
    /// The cursor of its last event.
    pub last: Cursor,
    /// Whether it was taken before.
    pub repeated: bool,
}

/// What every change needs: the stage's rules and bounds, the moment, and the place
/// where changes are told.
#[derive(Debug)]
pub struct Act<'a> {
    /// The stage's rules.
    pub rules: &'a Rules,
    /// The stage's bounds.
    pub limits: &'a Limits,
    /// The process's budget, which refuses what would grow beyond it (decision D26).
    pub memory: &'a Memory,
    /// The moment of the call.
    pub now: Timestamp,
    /// Where changes are told.
    pub changes: &'a mut Changes,
    /// The group that each member is in; a node that loses its seat loses its entry.
    pub by_node: &'a mut HashMap<NodeId, GroupKey>,
}

/// A group and all that is in it.
#[derive(Debug)]
pub struct Room {
    /// The group.
    pub group: Group,
    /// Its nodes. Those past their time stay until the group ends, so that a late sign of
    /// life brings them back with their variables (decision D31).
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Its events.
    pub log: Log,
    polled_at: Option<Timestamp>,
    /// The time of the last report.
    pub(super) newest_report: Timestamp,
    /// Bytes that all variables take in an answer, those of nodes past their time included.
    pub(super) status_bytes: usize,
    /// What the group and its nodes take in memory; the log counts its own.
    pub(super) held: Lease,
}

impl Room {
    /// A group with nobody in it.
    pub fn new(group: Group, memory: &Memory) -> Self {
        let newest_report = group.created_at;
        Self {
            held: footprint::held_for(&group, memory),
            group,
            nodes: BTreeMap::new(),
            log: Log::new(memory),
            polled_at: None,
            newest_report,
            status_bytes: 0,
        }
    }

    /// Makes the node a member.
    pub fn join(
        &mut self,
        node: &NodeId,
        use_websocket: Option<bool>,
        act: &mut Act<'_>,
    ) -> Result<(), ClientError> {
        let group = self.group.key.clone();
        let record = self.seat(node, 0, act)?;
        record.membership = Some(Membership {
            joined_at: act.now,
            use_websocket,
        });
        record.alive_until = act.rules.member_until(act.now);
        act.changes.node(&group, node, record);
        Ok(())
    }

    /// The node's record, made if the group has room for it. A full group first forgets a
    /// node past its time. A new node brings `bytes` with it.
    pub(super) fn seat(
        &mut self,
        node: &NodeId,
        bytes: usize,
        act: &mut Act<'_>,
    ) -> Result<&mut NodeRecord, ClientError> {
        let limit = act.limits.nodes_per_group;
        let new = !self.nodes.contains_key(node);
        if new {
            act.memory
                .admit(Work::Node, footprint::node(node) + bytes)?;
        }
        if new && self.nodes.len() >= limit {
            let dead = self
                .nodes
                .iter()
                .filter(|(_, record)| !Rules::node_alive(record.alive_until, act.now));
            let oldest = dead
                .min_by_key(|(_, record)| record.alive_until)
                .map(|(node, _)| node.clone());
            let oldest = oldest.ok_or(ClientError::Full {
                what: "the group",
                limit,
            })?;
            self.forget(&oldest, act.changes);
            if act.by_node.get(&oldest) == Some(&self.group.key) {
                act.by_node.remove(&oldest);
            }
        }
        if new {
            self.held.grow(footprint::node(node));
        }
        let fresh = || NodeRecord {
            membership: None,
            alive_until: act.now,
            readings: Readings::default(),
        };
        Ok(self.nodes.entry(node.clone()).or_insert_with(fresh))
    }

    /// Puts back a persisted node.
    pub fn restore(&mut self, node: NodeId, record: NodeRecord) {
        let newest = record.readings.layers().last().map(|layer| layer.timestamp);
        self.newest_report = self.newest_report.max(newest.unwrap_or(self.newest_report));
        self.status_bytes += record
            .readings
            .rendered(rendered::row(&self.group.key, &node));
        let readings = footprint::readings(record.readings.size());
        self.held.grow(footprint::node(&node) + readings);
        self.nodes.insert(node, record);
    }

    /// A sign of life of any node that is known here.
    pub fn touch(&mut self, node: &NodeId, act: &mut Act<'_>) {
        if let Some(record) = self.nodes.get_mut(node) {
            let until = act.rules.member_until(act.now);
            if record.alive_until != until {
                record.alive_until = until;
                act.changes.node(&self.group.key, node, record);
            }
        }
    }

    /// A sign of life that counts only for members; says whether the node is one.
    pub fn touch_member(&mut self, node: &NodeId, act: &mut Act<'_>) -> bool {
        let member = self
            .nodes
            .get(node)
            .is_some_and(|record| record.membership.is_some());
        if member {
            self.touch(node, act);
        }
        member
    }

    /// Forgets the node.
    pub fn forget(&mut self, node: &NodeId, changes: &mut Changes) {
        if let Some(record) = self.nodes.remove(node) {
            let row = rendered::row(&self.group.key, node);
            self.status_bytes -= record.readings.rendered(row);
            let readings = footprint::readings(record.readings.size());
            self.held.shrink(footprint::node(node) + readings);
            changes.no_node(&self.group.key, node);
        }
    }

    /// Tells that nothing of this group is to be remembered.
    pub fn forget_all(&self, changes: &mut Changes) {
        changes.no_group(&self.group.key);
        for node in self.nodes.keys() {
            changes.no_node(&self.group.key, node);
        }
        self.log.forget_all(&self.group.key, changes);
    }

    /// The living members.
    pub fn members(&self, now: Timestamp) -> Vec<Member> {
        let living = self.nodes.iter().filter(|(_, record)| {
            record.membership.is_some() && Rules::node_alive(record.alive_until, now)
        });
        living
            .map(|(node, _)| Member {
                node: node.clone(),
                group: self.group.key.clone(),
            })
            .collect()
    }

    /// Takes a call's events; keeps them if somebody may poll for them.
    pub fn append(&mut self, new: &NewCall, act: &mut Act<'_>) -> Result<Taken, ClientError> {
        self.touch_member(&new.call.node, act);
        let keep = new.call.channel == Channel::Recorded || self.has_pollers(act.now);
        self.log.append(new, keep, act)
    }

    /// The events after `since`.
    pub fn events_since(&mut self, since: Since<'_>, rules: &Rules, now: Timestamp) -> Found {
        self.polled_at = Some(now);
        self.log.since(&self.group, since, rules, now)
    }

    /// Whether fired events must be kept (decision D13).
    fn has_pollers(&self, now: Timestamp) -> bool {
        self.group.delivery != Delivery::WebSocket
            || self.polled_at.is_some_and(|at| Rules::polls(at, now))
            || self.nodes.values().any(|record| {
                record
                    .membership
                    .is_some_and(|m| m.use_websocket == Some(false))
                    && Rules::node_alive(record.alive_until, now)
            })
    }
}
