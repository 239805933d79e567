//! One group with its nodes and its log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::heartbeat::rules::Rules;
use crate::model::event::{Channel, Cursor, Since, Stamp};
use crate::model::group::{Delivery, Group, GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::refusal::Refusal;
use crate::model::status::{self, Layer, NodeStatus, Readings, SensorData, SharedData};
use crate::model::time::Timestamp;
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
    /// The moment of the call.
    pub now: Timestamp,
    /// Where changes are told.
    pub changes: &'a mut Changes,
    /// The group that each member is in; a node that loses its seat loses its entry.
    pub by_node: &'a mut HashMap<NodeId, GroupKey>,
}

/// A member's variables as they stand, to be put together after the lock.
#[derive(Debug)]
pub struct OwnStatus {
    node: NodeId,
    group: GroupKey,
    layers: Vec<Layer>,
}

impl OwnStatus {
    /// All variables under the newest time.
    pub fn told(self) -> Option<NodeStatus> {
        let all = status::merged(&self.layers)?;
        Some(NodeStatus {
            node: self.node,
            group: self.group,
            data: all.data,
            timestamp: all.timestamp,
        })
    }
}

/// A group and all that is in it.
#[derive(Debug)]
pub struct Room {
    /// The group.
    pub group: Group,
    /// Its nodes. Members past their time stay until the group ends, so that a
    /// late heartbeat can bring them back (contract 1.3, sendMemberHeartbeat).
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Its events.
    pub log: Log,
    polled_at: Option<Timestamp>,
    newest_report: Timestamp,
}

impl Room {
    /// A group with nobody in it.
    pub fn new(group: Group) -> Self {
        let newest_report = group.created_at;
        Self {
            group,
            nodes: BTreeMap::new(),
            log: Log::default(),
            polled_at: None,
            newest_report,
        }
    }

    /// Makes the node a member.
    pub fn join(
        &mut self,
        node: &NodeId,
        use_websocket: Option<bool>,
        act: &mut Act<'_>,
    ) -> Result<(), Refusal> {
        let record = seat(&mut self.nodes, &self.group.key, node, act)?;
        // Readings of a node past its time are no longer told, so they must not come back.
        if !Rules::node_alive(record.alive_until, act.now) {
            record.readings = Readings::default();
        }
        record.membership = Some(Membership {
            joined_at: act.now,
            use_websocket,
        });
        record.alive_until = act.rules.member_until(act.now);
        act.changes.node(&self.group.key, node, record);
        Ok(())
    }

    /// Writes the node's variables and answers their time.
    pub fn report(
        &mut self,
        node: &NodeId,
        data: &SharedData,
        act: &mut Act<'_>,
    ) -> Result<Timestamp, Refusal> {
        // A report never carries an earlier time than one before it, even if the clock steps back.
        let timestamp = act.now.max(self.newest_report);
        // Looked at before a seat is taken: a refusal must not cost anybody theirs.
        check_size(&Readings::default(), data, timestamp, act.limits)?;
        let record = seat(&mut self.nodes, &self.group.key, node, act)?;
        // Readings of a node past its time are no longer told, so they must not come back.
        if !Rules::node_alive(record.alive_until, act.now) {
            record.readings = Readings::default();
        }
        check_size(&record.readings, data, timestamp, act.limits)?;
        record.readings.write(data, timestamp);
        record.alive_until = act.rules.member_until(act.now);
        act.changes.node(&self.group.key, node, record);
        self.newest_report = timestamp;
        Ok(timestamp)
    }

    /// Puts back a persisted node.
    pub fn restore(&mut self, node: NodeId, record: NodeRecord) {
        let newest = record.readings.layers().last().map(|layer| layer.timestamp);
        self.newest_report = self.newest_report.max(newest.unwrap_or(self.newest_report));
        self.nodes.insert(node, record);
    }

    /// A sign of life of any node that is known here.
    pub fn touch(&mut self, node: &NodeId, act: &mut Act<'_>) {
        if let Some(record) = self.nodes.get_mut(node) {
            let until = act.rules.member_until(act.now);
            if record.alive_until != until {
                if !Rules::node_alive(record.alive_until, act.now) {
                    record.readings = Readings::default();
                }
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
        if self.nodes.remove(node).is_some() {
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

    /// Every living node's variables.
    pub fn statuses(&self, now: Timestamp) -> Vec<NodeStatus> {
        let living = self
            .nodes
            .iter()
            .filter(|(_, record)| Rules::node_alive(record.alive_until, now));
        living
            .flat_map(|(node, record)| {
                record.readings.layers().iter().map(|layer| NodeStatus {
                    node: node.clone(),
                    group: self.group.key.clone(),
                    data: Arc::clone(&layer.data),
                    timestamp: layer.timestamp,
                })
            })
            .collect()
    }

    /// All variables of a living member, still shared with the store.
    pub fn status_of(&self, node: &NodeId, now: Timestamp) -> Option<OwnStatus> {
        let record = self.nodes.get(node)?;
        record
            .membership
            .filter(|_| Rules::node_alive(record.alive_until, now))?;
        Some(OwnStatus {
            node: node.clone(),
            group: self.group.key.clone(),
            layers: record.readings.layers().to_vec(),
        })
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
    pub fn append(&mut self, new: &NewCall, act: &mut Act<'_>) -> Result<Taken, Refusal> {
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

/// Refuses what would make the readings too many or too large.
fn check_size(
    readings: &Readings,
    data: &[SensorData],
    timestamp: Timestamp,
    limits: &Limits,
) -> Result<(), Refusal> {
    let size = readings.size_with(data, timestamp);
    if size.keys > limits.keys_per_node {
        Err(Refusal::TooMany {
            argument: "data",
            items: limits.keys_per_node,
        })
    } else if size.bytes > limits.status_bytes {
        Err(Refusal::TooLarge {
            argument: "data",
            bytes: limits.status_bytes,
        })
    } else {
        Ok(())
    }
}

/// The node's record, made if the group has room for it. A full group first forgets a
/// node past its time.
fn seat<'a>(
    nodes: &'a mut BTreeMap<NodeId, NodeRecord>,
    group: &GroupKey,
    node: &NodeId,
    act: &mut Act<'_>,
) -> Result<&'a mut NodeRecord, Refusal> {
    let limit = act.limits.nodes_per_group;
    if !nodes.contains_key(node) && nodes.len() >= limit {
        let dead = nodes
            .iter()
            .filter(|(_, record)| !Rules::node_alive(record.alive_until, act.now));
        let oldest = dead
            .min_by_key(|(_, record)| record.alive_until)
            .map(|(node, _)| node.clone());
        let oldest = oldest.ok_or(Refusal::Full {
            what: "the group",
            limit,
        })?;
        nodes.remove(&oldest);
        act.changes.no_node(group, &oldest);
        if act.by_node.get(&oldest) == Some(group) {
            act.by_node.remove(&oldest);
        }
    }
    let fresh = || NodeRecord {
        membership: None,
        alive_until: act.now,
        readings: Readings::default(),
    };
    Ok(nodes.entry(node.clone()).or_insert_with(fresh))
}
