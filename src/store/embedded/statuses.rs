//! What a group's nodes report. A node past its time is hidden with its variables, which
//! wait for its next sign of life until the group ends (decision D31).

use std::sync::Arc;

use crate::heartbeat::rules::Rules;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::rendered;
use crate::model::status::{self, Layer, NodeStatus, Readings, SensorData, SharedData, Size};
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::room::{Act, Room};

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

impl Room {
    /// Writes the node's variables and answers their time.
    pub fn report(
        &mut self,
        node: &NodeId,
        data: &SharedData,
        act: &mut Act<'_>,
    ) -> Result<Timestamp, ClientError> {
        // A report never carries an earlier time than one before it, even if the clock steps back.
        let timestamp = act.now.max(self.newest_report);
        // Looked at before a seat is taken: a refusal must not cost anybody theirs.
        let nothing = Readings::default();
        let known = self.nodes.get(node).map(|record| &record.readings);
        let readings = known.unwrap_or(&nothing);
        let row = rendered::row(&self.group.key, node);
        let before = readings.rendered(row);
        let size = size_within(readings, data, timestamp, act.limits)?;
        let after = size.rendered(row);
        let held = footprint::readings(readings.size());
        let will_hold = footprint::readings(size);
        if known.is_some() {
            act.memory.admit_growth(will_hold.saturating_sub(held))?;
        }
        self.make_way(node, before, after, act)?;
        let group = self.group.key.clone();
        let record = self.seat(node, will_hold, act)?;
        record.readings.write(data, timestamp);
        record.alive_until = act.rules.member_until(act.now);
        act.changes.node(&group, node, record);
        self.status_bytes = self.status_bytes - before + after;
        self.held.shrink(held);
        self.held.grow(will_hold);
        self.newest_report = timestamp;
        Ok(timestamp)
    }

    /// Sees to it that the group's variables keep within their bound when a node's take
    /// `after` bytes of an answer instead of `before`. Those of nodes past their time make
    /// way, the longest silent first (decision D24).
    fn make_way(
        &mut self,
        node: &NodeId,
        before: usize,
        after: usize,
        act: &mut Act<'_>,
    ) -> Result<(), ClientError> {
        let limit = act.limits.status_bytes_per_group;
        let lacking = (self.status_bytes - before + after).saturating_sub(limit);
        if lacking == 0 || after <= before {
            return Ok(());
        }
        let group = &self.group.key;
        let dead = self.nodes.iter().filter(|(other, record)| {
            *other != node && !Rules::node_alive(record.alive_until, act.now)
        });
        let mut dead: Vec<_> = dead
            .map(|(node, record)| {
                let bytes = record.readings.rendered(rendered::row(group, node));
                (record.alive_until, node.clone(), bytes)
            })
            .filter(|(.., bytes)| *bytes > 0)
            .collect();
        if dead.iter().map(|(.., bytes)| bytes).sum::<usize>() < lacking {
            return Err(ClientError::VariablesFull(limit));
        }
        dead.sort_unstable();
        let mut freed = 0;
        for (_, node, bytes) in dead {
            if freed >= lacking {
                break;
            }
            freed += bytes;
            if let Some(record) = self.nodes.get_mut(&node) {
                let readings = footprint::readings(record.readings.size());
                self.held.shrink(readings);
                record.readings = Readings::default();
                act.changes.node(group, &node, record);
            }
        }
        self.status_bytes -= freed;
        Ok(())
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
}

/// The size after a report; refuses what would make a node's variables too many or too large.
fn size_within(
    readings: &Readings,
    data: &[SensorData],
    timestamp: Timestamp,
    limits: &Limits,
) -> Result<Size, ClientError> {
    let size = readings.size_with(data, timestamp);
    size.within(limits)?;
    Ok(size)
}
