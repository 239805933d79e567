//! What the host of a group decides during a lesson. The group's record has it, so other servers
//! follow when they read that again, at the latest after the group cache's TTL. That a node was
//! removed stands in its own record, which every call reads: it counts at once.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::authority::Actor;
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::ids::{Domain, NodeId};
use crate::model::lesson::{self, Control, LessonState};
use crate::model::readings::Readings;
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_view::Include;
use crate::store::dynamodb::head_change::HeadChange;
use crate::store::dynamodb::items::group::paused_until;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::referenced_group;
use crate::store::dynamodb::node_writes::{put_node, without_place};
use crate::store::dynamodb::removal::{NOT_ENDED, REFERS_TO_GROUP, with_group};
use crate::store::dynamodb::requests::Step;
use crate::store::dynamodb::retry::retry;

/// Nodes whose variables are emptied in one transaction. A report of any of them conflicts with it.
const CLEARED_AT_ONCE: usize = 10;

impl DynamoDb {
    /// One attempt of [`Store::group_of_host`](crate::store::Store::group_of_host).
    pub(super) async fn try_group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>, AttemptError> {
        const DOING: &str = "find a host's group";
        let lock = Key::lock(&host.id, domain);
        let held = self.table.read(DOING, &[lock]).await?.remove(0);
        let Some(key) = held.as_ref().map(referenced_group).transpose()? else {
            return Ok(None);
        };
        let record = self.group_record(DOING, &key).await?;
        let living = record.filter(|record| {
            let group = &record.group;
            let is_its = group.token.is_some() && group.token == host.token;
            is_its && record.ended.is_none() && self.rules.lists(group, now)
        });
        Ok(living.map(|record| record.group))
    }

    /// See [`Store::control`](crate::store::Store::control).
    pub(super) async fn control_group(
        &self,
        key: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group> {
        match control {
            Control::Lock(_) | Control::Pause(_) | Control::MuteChat(_) => {
                retry!(self, self.try_change_lesson(key, host, control, now))
            }
            Control::RemoveNode(node) => {
                let _permit = self.group_locks.acquire(key).await;
                retry!(self, self.try_remove_node(key, host, node, now))
            }
            Control::ClearData => self.clear_data(key, host, now).await,
        }
    }

    /// The group as its record has it now, if the host may control it.
    async fn controlled(
        &self,
        key: &GroupKey,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        self.cache.invalidate(key);
        let view = self.read_group(key, Include::default(), now).await?;
        lesson::admit_control(self.rules.admit(&view.group, now)?, host)?;
        Ok(view.group)
    }

    async fn try_change_lesson(
        &self,
        key: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        let mut group = self.controlled(key, host, now).await?;
        let lesson = control.changed(&group, now);
        if lesson == group.lesson {
            return Ok(group);
        }
        let step = lesson_step(key, control, lesson);
        let written = self.table.write("control a group", vec![step]).await;
        self.cache.invalidate(key);
        written?;
        group.lesson = lesson;
        Ok(group)
    }

    /// The node's record stays, without its place and its variables, and says that it was removed.
    async fn try_remove_node(
        &self,
        key: &GroupKey,
        host: &Actor,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        self.cache.invalidate(key);
        let include = Include {
            node: Some(node),
            reverse: Some(node),
            head: true,
        };
        let view = self.read_group(key, include, now).await?;
        lesson::admit_control(self.rules.admit(&view.group, now)?, host)?;
        let head = self.require_head(key, view.head)?;
        if *node == view.group.host {
            return Err(ClientError::HostStays.into());
        }
        let (before, group) = (view.node, view.group);
        if before.as_ref().is_some_and(|node| node.is_removed) {
            return Ok(group);
        }
        lesson::admit_removal(head.removed, &self.limits)?;
        let rest = before.as_ref().map(without_place);
        let after = Node {
            is_removed: true,
            ..rest.unwrap_or_else(|| Node::new(node, &group))
        };
        let change = HeadChange::between(before.as_ref(), &after, &self.limits);
        let mut steps = vec![
            put_node(key, before.as_ref(), &after),
            change.step(key, &self.limits),
        ];
        if view.reverse.as_ref() == Some(key) {
            let reverse = Step::delete(Key::reverse(node)).when(REFERS_TO_GROUP);
            steps.push(with_group(reverse, key));
        }
        self.table.write("remove a node", steps).await?;
        Ok(group)
    }

    async fn clear_data(&self, key: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group> {
        let group: Group = retry!(self, self.controlled(key, host, now))?;
        let mut nodes: Vec<Node> = retry!(self, self.nodes_of(key))?;
        nodes.retain(|node| !node.readings.layers().is_empty());
        let nodes: Vec<_> = nodes.into_iter().map(|node| node.id).collect();
        for some in nodes.chunks(CLEARED_AT_ONCE) {
            retry!(self, self.try_clear(key, some))?;
        }
        Ok(group)
    }

    async fn try_clear(&self, key: &GroupKey, nodes: &[NodeId]) -> Result<(), AttemptError> {
        const DOING: &str = "clear variables";
        let keys: Vec<_> = nodes.iter().map(|node| Key::node(key, node)).collect();
        let found = self.table.read(DOING, &keys).await?;
        let (mut steps, mut change) = (Vec::new(), HeadChange::default());
        for item in found.iter().flatten() {
            let before = Node::read(item)?;
            if before.readings.layers().is_empty() {
                continue;
            }
            let after = Node {
                readings: Readings::default(),
                reserved: 0,
                ..before.clone()
            };
            change = change.and(HeadChange::between(Some(&before), &after, &self.limits));
            steps.push(put_node(key, Some(&before), &after));
        }
        if steps.is_empty() {
            return Ok(());
        }
        if change.is_needed() {
            steps.push(change.step(key, &self.limits));
        }
        self.table.write(DOING, steps).await
    }
}

/// The step that changes what the control decides, and nothing that another call may change.
fn lesson_step(key: &GroupKey, control: &Control, lesson: LessonState) -> Step {
    let (change, value) = match control {
        Control::Lock(_) => (
            "SET #locked = :value",
            AttributeValue::Bool(lesson.is_locked),
        ),
        Control::MuteChat(_) => (
            "SET #chatMuted = :value",
            AttributeValue::Bool(lesson.is_chat_muted),
        ),
        _ => ("SET #pausedUntil = :value", paused_until(lesson)),
    };
    let step = Step::update(Key::group(key), change);
    step.when(NOT_ENDED).with(":value", value)
}
