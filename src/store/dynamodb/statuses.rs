//! What nodes report. A report is one read (the node's record, and the group's unless
//! it is remembered) and one write.

use std::sync::Arc;

use crate::heartbeat::rules::Rules;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::{NodeStatus, SharedData};
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::attempt_error::{AttemptError, until_settled};
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::points_at;
use crate::store::dynamodb::{DynamoDb, Wanted};

impl DynamoDb {
    /// One try of [`Store::report`](crate::store::Store::report); a later try looks at
    /// everything afresh.
    pub(super) async fn try_report(
        &self,
        key: &GroupKey,
        node: &NodeId,
        data: &SharedData,
        again: bool,
        now: Timestamp,
    ) -> Result<NodeStatus, AttemptError> {
        if again {
            self.memory.forget(key);
        }
        let wanted = Wanted {
            node: Some(node),
            room: again,
            ..Wanted::default()
        };
        let seen = self.look(key, wanted, now).await?;
        let mut after = seen
            .node
            .clone()
            .unwrap_or_else(|| Node::unknown(node, &seen.group));
        after.touch(self.rules.member_until(now));
        let mut timestamp = self.memory.report_time(key, now);
        if let Some(layer) = after.readings.layers().last() {
            timestamp = timestamp.max(layer.timestamp);
        }
        let size = after.readings.size_with(data, timestamp);
        size.within(&self.limits)?;
        after.readings.write(data, timestamp);
        after.reserved = self
            .reserved_by_a_report(key, &after, seen.room.as_ref(), now)
            .await?;
        let steps = self
            .seat(key, seen.node.as_ref(), &after, seen.room.as_ref(), now)
            .await?;
        self.table.write("report", steps).await?;
        self.memory.reported(key, timestamp);
        Ok(NodeStatus {
            node: node.clone(),
            group: key.clone(),
            data: Arc::clone(data),
            timestamp,
        })
    }

    /// See [`Store::statuses`](crate::store::Store::statuses).
    pub(super) async fn all_statuses(
        &self,
        key: &GroupKey,
        now: Timestamp,
    ) -> Result<Vec<NodeStatus>> {
        if self.living(key, now).await?.is_none() {
            return Ok(Vec::new());
        }
        let nodes: Vec<Node> = until_settled!(self, self.nodes_of(key))?;
        let living = nodes.iter().filter(|node| node.alive(now));
        let statuses = living.flat_map(|node| {
            node.readings.layers().iter().map(|layer| NodeStatus {
                node: node.id.clone(),
                group: key.clone(),
                data: Arc::clone(&layer.data),
                timestamp: layer.timestamp,
            })
        });
        Ok(statuses.collect())
    }

    /// See [`Store::status_of`](crate::store::Store::status_of).
    pub(super) async fn member_status(
        &self,
        id: &NodeId,
        now: Timestamp,
    ) -> Result<Option<NodeStatus>> {
        let found = self.table.read("read a status", &[Key::reverse(id)]).await;
        let points = found?.remove(0);
        let points = points.as_ref().map(points_at).transpose();
        let Some(group) = points.map_err(crate::store::Failure::from)? else {
            return Ok(None);
        };
        let wanted = Wanted {
            node: Some(id),
            ..Wanted::default()
        };
        let seen = match self.look(&group, wanted, now).await {
            Ok(seen) => seen,
            Err(AttemptError::Refused(_)) => return Ok(None),
            Err(attempt_error) => return Err(attempt_error.into()),
        };
        let alive = |until| Rules::node_alive(until, now);
        let member = seen
            .node
            .filter(|node| node.membership.is_some() && node.alive_until.is_some_and(alive));
        let all = member.and_then(|node| node.readings.merged());
        Ok(all.map(|all| NodeStatus {
            node: id.clone(),
            group,
            data: all.data,
            timestamp: all.timestamp,
        }))
    }
}
