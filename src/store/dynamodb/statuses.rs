//! Statuses. A report is one write of the node's record, on the condition that it has not changed
//! since this server wrote or read it: a node whose last write was here needs no read, unless the
//! group's record is not cached either.

use std::sync::Arc;

use crate::model::authority::{self, Actor};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::lesson;
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SharedData};
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_view::{GroupView, Include};
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::referenced_group;
use crate::store::dynamodb::retry::retry;

impl DynamoDb {
    /// One attempt of [`Store::report`](crate::store::Store::report). A retry uses no cache.
    pub(super) async fn try_report(
        &self,
        key: &GroupKey,
        actor: &Actor,
        data: &SharedData,
        retry: bool,
        now: Timestamp,
    ) -> Result<NodeStatus, AttemptError> {
        if retry {
            self.cache.invalidate(key);
        } else if let Some(view) = self.group_of_known(key, &actor.id, now).await? {
            match self.report_in(&view, actor, data, now).await {
                Err(error) if error.may_be_stale() => {}
                reported => return reported,
            }
        }
        let include = Include {
            node: Some(&actor.id),
            head: retry,
            ..Include::default()
        };
        let view = self.read_group(key, include, now).await?;
        self.report_in(&view, actor, data, now).await
    }

    /// Reports in a group that was read.
    async fn report_in(
        &self,
        view: &GroupView,
        actor: &Actor,
        data: &SharedData,
        now: Timestamp,
    ) -> Result<NodeStatus, AttemptError> {
        let (key, node) = (&view.group.key, &actor.id);
        let mut after = view
            .node
            .clone()
            .unwrap_or_else(|| Node::new(node, &view.group));
        after.check_removed()?;
        let known = view.node.as_ref().filter(|node| node.is_counted());
        let known = known.map(|node| node.token);
        after.token = authority::token_after_report(&view.group, known, actor)?;
        let is_known = known.is_some();
        lesson::admit_data(&view.group, node, actor.token, is_known, now)?;
        after.refresh(self.rules.member_until(now));
        let mut timestamp = self.cache.report_time(key, now);
        if let Some(layer) = after.readings.layers().last() {
            timestamp = timestamp.max(layer.timestamp);
        }
        let size = after.readings.size_with(data, timestamp);
        size.within(&self.limits)?;
        after.readings.write(data, timestamp);
        after.reserved = self
            .reservation_on_report(&view.group, &after, view.head.as_ref(), now)
            .await?;
        let steps = self
            .write_steps(
                &view.group,
                view.node.as_ref(),
                &after,
                view.head.as_ref(),
                now,
            )
            .await?;
        self.table.write("report", steps).await?;
        self.cache.set_report_time(key, timestamp);
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
        if self.live_group(key, now).await?.is_none() {
            return Ok(Vec::new());
        }
        let nodes: Vec<Node> = retry!(self, self.nodes_of(key))?;
        let live = nodes.iter().filter(|node| node.alive(now));
        let statuses = live.flat_map(|node| {
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
        let reverse = found?.remove(0);
        let group = reverse.as_ref().map(referenced_group).transpose();
        let Some(group) = group.map_err(crate::store::Failure::from)? else {
            return Ok(None);
        };
        let include = Include {
            node: Some(id),
            ..Include::default()
        };
        let view = match self.read_group(&group, include, now).await {
            Ok(view) => view,
            Err(AttemptError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let alive = |until| Rules::node_alive(until, now);
        let member = view
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
