//! Statuses of a group's nodes. An expired node is hidden with its variables, which are kept
//! until the group ends, in case the node is revived (decision D31).

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::authority::{self, Actor};
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::lesson;
use crate::model::limits::Limits;
use crate::model::places::Place;
use crate::model::readings::{self, Layer, Readings, Size};
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SensorData, SharedData};
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::group_state::{GroupState, NodeRecord, Operation};
use crate::store::embedded::record::Record;

/// A member's variables, shared with the state, to be merged after the lock is released.
#[derive(Debug)]
pub struct SharedStatus {
    node: NodeId,
    group: GroupKey,
    layers: Vec<Layer>,
}

impl SharedStatus {
    /// All variables with the newest time.
    pub fn merge(self) -> Option<NodeStatus> {
        let all = readings::merged(&self.layers)?;
        Some(NodeStatus {
            node: self.node,
            group: self.group,
            data: all.data,
            timestamp: all.timestamp,
        })
    }
}

impl GroupState {
    /// Writes the node's variables and returns their time.
    pub fn report(
        &mut self,
        actor: &Actor,
        data: &SharedData,
        op: &mut Operation<'_>,
    ) -> Result<Timestamp, ClientError> {
        let node = &actor.id;
        self.check_removed(node)?;
        let known = self.nodes.get(node).map(|record| record.token);
        let token = authority::token_after_report(&self.group, known, actor)?;
        lesson::admit_data(&self.group, node, actor.token, known.is_some(), op.now)?;
        let new_token = token.filter(|_| known.flatten() != token);
        let timestamp = op.now.max(self.newest_message);
        // Checked before a slot is taken: a refused report must not evict a node.
        let empty = Readings::default();
        let known = self.nodes.get(node).map(|record| &record.readings);
        let readings = known.unwrap_or(&empty);
        let row = json_size::row(&self.group.key, node);
        let before = readings.json_bytes(row);
        let size = size_within(readings, data, timestamp, op.limits)?;
        let after = size.json_bytes(row);
        let memory_before = footprint::readings(readings.size());
        let memory_after = footprint::readings(size);
        if known.is_some() {
            op.memory
                .admit_growth(memory_after.saturating_sub(memory_before))?;
        }
        self.evict_for(node, before, after, op)?;
        let group = self.group.key.clone();
        let record = self.slot(node, Place::Reporter, memory_after, op)?;
        record.readings.write(data, timestamp);
        record.alive_until = op.rules.member_until(op.now);
        record.token = token;
        op.changes.record(&Record::Reported {
            group: Cow::Borrowed(&group),
            node: Cow::Borrowed(node),
            data: Cow::Borrowed(data),
            at: timestamp,
            until: record.alive_until,
            token: new_token,
        });
        self.status_bytes = self.status_bytes - before + after;
        self.lease.shrink(memory_before);
        self.lease.grow(memory_after);
        self.newest_message = timestamp;
        Ok(timestamp)
    }

    /// Keeps the group's variables within their limit when a node's variables take `after`
    /// bytes of a response instead of `before`: removes those of expired nodes, the first
    /// expired first (decision D24). Nodes outside share half of the limit, and evict none but
    /// each other's.
    fn evict_for(
        &mut self,
        node: &NodeId,
        before: usize,
        after: usize,
        op: &mut Operation<'_>,
    ) -> Result<(), ClientError> {
        if after <= before {
            return Ok(());
        }
        let quota = op.limits.variables();
        let is_host = *node == self.group.host;
        let all = self.status_bytes - before + after;
        let most = quota.most(is_host || after <= quota.small);
        let place = self
            .nodes
            .get(node)
            .map_or(Place::Reporter, NodeRecord::place);
        let is_outside = place.is_outside() && !is_host;
        let mut excess = all.saturating_sub(most);
        if is_outside && all > quota.share {
            let outside = self.outside_bytes() - before + after;
            excess = excess.max(outside.saturating_sub(quota.share));
        }
        if excess == 0 {
            return Ok(());
        }
        let group = &self.group.key;
        let expired = self.nodes.iter().filter(|(other, record)| {
            *other != node
                && !Rules::node_alive(record.alive_until, op.now)
                && (record.place().is_outside() || !is_outside)
        });
        let mut expired: Vec<_> = expired
            .map(|(node, record)| {
                let bytes = record.readings.json_bytes(json_size::row(group, node));
                (record.alive_until, node.clone(), bytes)
            })
            .filter(|(.., bytes)| *bytes > 0)
            .collect();
        if expired.iter().map(|(.., bytes)| bytes).sum::<usize>() < excess {
            return Err(ClientError::VariablesFull(quota.limit));
        }
        expired.sort_unstable();
        let mut freed = 0;
        for (_, node, bytes) in expired {
            if freed >= excess {
                break;
            }
            freed += bytes;
            if let Some(record) = self.nodes.get_mut(&node) {
                let readings = footprint::readings(record.readings.size());
                self.lease.shrink(readings);
                record.readings = Readings::default();
                op.changes.record(&Record::Evicted {
                    group: Cow::Borrowed(group),
                    node: Cow::Borrowed(&node),
                });
            }
        }
        self.status_bytes -= freed;
        Ok(())
    }

    /// Bytes of the variables of nodes outside.
    fn outside_bytes(&self) -> usize {
        let outside = self
            .nodes
            .iter()
            .filter(|(_, record)| record.place().is_outside());
        let bytes = outside.map(|(node, record)| {
            let row = json_size::row(&self.group.key, node);
            record.readings.json_bytes(row)
        });
        bytes.sum()
    }

    /// The variables of all live nodes.
    pub fn statuses(&self, now: Timestamp) -> Vec<NodeStatus> {
        let live = self
            .nodes
            .iter()
            .filter(|(_, record)| Rules::node_alive(record.alive_until, now));
        live.flat_map(|(node, record)| {
            record.readings.layers().iter().map(|layer| NodeStatus {
                node: node.clone(),
                group: self.group.key.clone(),
                data: Arc::clone(&layer.data),
                timestamp: layer.timestamp,
            })
        })
        .collect()
    }

    /// All variables of a live member, shared with the state.
    pub fn status_of(&self, node: &NodeId, now: Timestamp) -> Option<SharedStatus> {
        let record = self.nodes.get(node)?;
        record
            .membership
            .filter(|_| Rules::node_alive(record.alive_until, now))?;
        Some(SharedStatus {
            node: node.clone(),
            group: self.group.key.clone(),
            layers: record.readings.layers().to_vec(),
        })
    }
}

/// The size after a report; refuses a report that would exceed a node's limits.
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
