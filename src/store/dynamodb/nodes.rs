//! Members: joining, leaving, beating. A node's record changes only from the version
//! that was read, and enters a group only together with the group's room.

use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::status::Readings;
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::attempt_error::{AttemptError, until_settled};
use crate::store::dynamodb::ending::{POINTS_HERE, here};
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::Room;
use crate::store::dynamodb::items::keys::{self, Key, NODES};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::{pointer, points_at, tidy_at};
use crate::store::dynamodb::requests::{Search, Step};
use crate::store::dynamodb::room_change::RoomChange;
use crate::store::dynamodb::{DynamoDb, Wanted};

/// The step that writes a node's record over the one that was read.
pub(super) fn put_node(group: &GroupKey, before: Option<&Node>, after: &Node) -> Step {
    let after = Node {
        version: uuid::Uuid::new_v4().simple().to_string(),
        ..after.clone()
    };
    unchanged(Step::put(after.item(group)), before)
}

/// Only if the node's record is still as it was read.
fn unchanged(step: Step, before: Option<&Node>) -> Step {
    match before {
        None => step.when("attribute_not_exists(#pk)"),
        Some(node) => step
            .when("#version = :read")
            .with(":read", text(&*node.version)),
    }
}

/// The step that forgets a node, but for its calls that a repetition may still meet.
fn forget_node(group: &GroupKey, node: &Node) -> (Step, RoomChange) {
    let rest = Node {
        membership: None,
        alive_until: None,
        readings: Readings::default(),
        reserved: 0,
        ..node.clone()
    };
    let change = RoomChange::between(Some(node), &rest);
    let step = if rest.calls.is_empty() {
        unchanged(Step::delete(Key::node(group, &node.id)), Some(node))
    } else {
        put_node(group, Some(node), &rest)
    };
    (step, change)
}

impl DynamoDb {
    /// The steps that write a node's record. One that was not known yet takes a seat
    /// in the group's room; a full group first forgets a node past its time.
    pub(super) async fn seat(
        &self,
        group: &GroupKey,
        before: Option<&Node>,
        after: &Node,
        room: Option<&Room>,
        now: Timestamp,
    ) -> Result<Vec<Step>, AttemptError> {
        let limit = self.limits.nodes_per_group;
        let mut steps = vec![put_node(group, before, after)];
        let mut change = RoomChange::between(before, after);
        if change.seats() && room.is_some_and(|room| room.nodes >= limit) {
            let oldest = self.oldest_dead(group, now).await?;
            let what = "the group";
            let oldest = oldest.ok_or(ClientError::Full { what, limit })?;
            let (step, left) = forget_node(group, &oldest);
            steps.push(step);
            change = change.and(left);
            if oldest.membership.is_some() {
                self.remove_reverse(group, &oldest.id).await?;
            }
        }
        if change.changes() {
            steps.push(change.step(group, &self.limits));
        } else if before.is_none() {
            steps.push(Step::check(Key::room(group)).when("attribute_exists(#pk)"));
        }
        Ok(steps)
    }

    async fn oldest_dead(
        &self,
        group: &GroupKey,
        now: Timestamp,
    ) -> Result<Option<Node>, AttemptError> {
        let nodes = self.nodes_of(group).await?;
        let dead = nodes
            .into_iter()
            .filter(|node| node.known() && !node.alive(now));
        Ok(dead.min_by(|a, b| (a.alive_until, &a.id).cmp(&(b.alive_until, &b.id))))
    }

    /// Every node's record, by node id.
    pub(super) async fn nodes_of(&self, group: &GroupKey) -> Result<Vec<Node>, AttemptError> {
        let nodes = Search {
            keys: "#pk = :inside AND begins_with(#sk, :nodes)",
            values: vec![
                (":inside", text(keys::inside(group))),
                (":nodes", text(NODES)),
            ],
            ..Search::default()
        };
        let found = self.table.all("read a group's nodes", &nodes).await?;
        let mut nodes: Vec<Node> = found.iter().map(Node::read).collect::<Result<_, _>>()?;
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    /// One try of [`Store::join`](crate::store::Store::join).
    pub(super) async fn try_join(
        &self,
        key: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        const DOING: &str = "join a group";
        let wanted = Wanted {
            node: Some(node),
            reverse: Some(node),
            room: true,
        };
        let seen = self.look(key, wanted, now).await?;
        let room = self.entered(key, seen.room)?;
        let mut after = seen
            .node
            .clone()
            .unwrap_or_else(|| Node::unknown(node, &seen.group));
        after.touch(self.rules.member_until(now));
        after.reserved = self.reserved_by_a_member(&after, &room);
        after.membership = Some((now, use_websocket));
        let mut steps = self
            .seat(key, seen.node.as_ref(), &after, Some(&room), now)
            .await?;
        if seen.reverse.as_ref() != Some(key) {
            let reverse = Key::reverse(node);
            let mut points = pointer(&reverse, key, tidy_at(&seen.group));
            points.insert("nodeId".into(), text(node.as_str()));
            let points = Step::put(points);
            steps.push(match &seen.reverse {
                None => points.when("attribute_not_exists(#pk)"),
                Some(former) => here(points.when(POINTS_HERE), former),
            });
        }
        if let Some(former) = seen.reverse.filter(|former| former != key) {
            steps.extend(self.leaving(&former, node).await?);
        }
        self.table.write(DOING, steps).await?;
        Ok(seen.group)
    }

    /// The room of a living group. Without one the group is ending: whoever looks again
    /// will see that.
    pub(super) fn entered(&self, key: &GroupKey, room: Option<Room>) -> Result<Room, AttemptError> {
        room.ok_or_else(|| {
            self.memory.forget(key);
            let cause = "the group's record and its room disagree";
            AttemptError::Lost(crate::store::Failure::new("enter a group", cause))
        })
    }

    /// The steps that take a node out of a group, if that group is not itself being
    /// removed.
    async fn leaving(&self, group: &GroupKey, node: &NodeId) -> Result<Vec<Step>, AttemptError> {
        let place = [Key::node(group, node), Key::room(group)];
        let mut found = self.table.read("leave a group", &place).await?;
        let (room, record) = (found.pop().flatten(), found.pop().flatten());
        if room.is_none() {
            return Ok(Vec::new());
        }
        let Some(record) = record.as_ref().map(Node::read).transpose()? else {
            let [place, _] = place;
            return Ok(vec![Step::check(place).when("attribute_not_exists(#pk)")]);
        };
        let (step, change) = forget_node(group, &record);
        let mut steps = vec![step];
        if change.changes() {
            steps.push(change.step(group, &self.limits));
        }
        Ok(steps)
    }

    /// One try of [`Store::leave`](crate::store::Store::leave).
    pub(super) async fn try_leave(
        &self,
        group: &GroupKey,
        node: &NodeId,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "leave a group";
        let reverse = Key::reverse(node);
        let found = self
            .table
            .read(DOING, std::slice::from_ref(&reverse))
            .await?
            .remove(0);
        let points = found.as_ref().map(points_at).transpose()?;
        let mut steps = self.leaving(group, node).await?;
        if points.as_ref() == Some(group) {
            steps.push(here(Step::delete(reverse).when(POINTS_HERE), group));
        }
        // Nothing to remove is nothing to do.
        steps.retain(|step| !step.checks_only());
        self.table.write(DOING, steps).await
    }

    /// One try of [`Store::beat`](crate::store::Store::beat).
    pub(super) async fn try_beat(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Timestamp, AttemptError> {
        let record = self.touched(key, node, now, |node| node.membership.is_some());
        if record.await? {
            Ok(self.rules.member_until(now))
        } else {
            Err(ClientError::NodeNotFound.into())
        }
    }

    /// One try of a sign of life of any node that is known in a living group.
    pub(super) async fn try_touch(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        match self.touched(key, node, now, Node::known).await {
            // The group ended in the same moment: the renewal came first.
            Ok(_) | Err(AttemptError::Refused(_)) => Ok(()),
            Err(attempt_error) => Err(attempt_error),
        }
    }

    async fn touched(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
        counts: impl Fn(&Node) -> bool + Send,
    ) -> Result<bool, AttemptError> {
        let wanted = Wanted {
            node: Some(node),
            ..Wanted::default()
        };
        let seen = self.look(key, wanted, now).await;
        let node = seen?.node.filter(|node| counts(node));
        let Some(before) = node else {
            // A dissolve may have taken the node away: only a fresh look knows.
            if self.memory.group(key).is_some() {
                self.memory.forget(key);
                self.look(key, Wanted::default(), now).await?;
            }
            return Ok(false);
        };
        let mut after = before.clone();
        if after.touch(self.rules.member_until(now)) {
            let step = put_node(key, Some(&before), &after);
            let written = self.table.write("renew a node", vec![step]).await;
            if written.is_err() {
                self.memory.forget(key);
            }
            written?;
        }
        Ok(true)
    }

    /// See [`Store::members`](crate::store::Store::members).
    pub(super) async fn all_members(&self, key: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        if self.living(key, now).await?.is_none() {
            return Ok(Vec::new());
        }
        let nodes: Vec<Node> = until_settled!(self, self.nodes_of(key))?;
        let members = nodes
            .into_iter()
            .filter(|node| node.membership.is_some() && node.alive(now));
        Ok(members
            .map(|node| Member {
                node: node.id,
                group: key.clone(),
            })
            .collect())
    }
}
