//! Members: join, leave, heartbeat.

use crate::model::authority::{self, Actor};
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::lesson;
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::group_view::Include;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::{group_reference, referenced_group, ttl};
use crate::store::dynamodb::node_writes::{put_node, remove_node};
use crate::store::dynamodb::removal::{REFERS_TO_GROUP, with_group};
use crate::store::dynamodb::requests::Step;
use crate::store::dynamodb::retry::retry;

impl DynamoDb {
    /// One attempt of [`Store::join`](crate::store::Store::join).
    pub(super) async fn try_join(
        &self,
        key: &GroupKey,
        actor: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        const DOING: &str = "join a group";
        let node = &actor.id;
        let include = Include {
            node: Some(node),
            reverse: Some(node),
            head: true,
        };
        let view = self.read_group(key, include, now).await?;
        let head = self.require_head(key, view.head)?;
        let mut after = view
            .node
            .clone()
            .unwrap_or_else(|| Node::new(node, &view.group));
        after.check_removed()?;
        let known = view.node.as_ref().filter(|node| node.is_counted());
        let known = known.map(|node| node.token);
        after.token = authority::token_after_join(&view.group, known, actor)?;
        lesson::admit_join(&view.group, actor, after.membership.is_some())?;
        after.nickname = actor.nickname.clone().or(after.nickname);
        after.refresh(self.rules.member_until(now));
        if after.membership.is_none() {
            after.foreign = view.group.foreign_site(actor.origin);
        }
        after.membership = Some((now, use_websocket));
        after.reserved = self.reservation_on_join(&after, &head);
        let mut steps = self
            .write_steps(&view.group, view.node.as_ref(), &after, Some(&head), now)
            .await?;
        let former = view.reverse.as_ref().filter(|former| *former != key);
        let leaves = match former {
            None => Some(Vec::new()),
            // A node that has a token is moved only with it: it stays where it is.
            Some(former) => match self.leave_steps(former, actor).await {
                Err(AttemptError::Refused(_)) => None,
                steps => Some(steps?),
            },
        };
        if view.reverse.as_ref() != Some(key) && leaves.is_some() {
            let reverse = Key::reverse(node);
            let mut points = group_reference(&reverse, key, ttl(&view.group));
            points.insert("nodeId".into(), text(node.as_str()));
            let points = Step::put(points);
            steps.push(match &view.reverse {
                None => points.when("attribute_not_exists(#pk)"),
                Some(former) => with_group(points.when(REFERS_TO_GROUP), former),
            });
        }
        steps.extend(leaves.unwrap_or_default());
        self.table.write(DOING, steps).await?;
        Ok(view.group)
    }

    /// The head of a live group. Without one the group is ending, which a retry will read.
    pub(super) fn require_head(
        &self,
        key: &GroupKey,
        head: Option<GroupHead>,
    ) -> Result<GroupHead, AttemptError> {
        head.ok_or_else(|| {
            self.cache.invalidate(key);
            let cause = "the group's record and its head disagree";
            AttemptError::conflict(crate::store::Failure::new("read a group's head", cause))
        })
    }

    /// The steps that remove a node from a group, unless the group is being removed.
    async fn leave_steps(&self, group: &GroupKey, node: &Actor) -> Result<Vec<Step>, AttemptError> {
        let keys = [Key::node(group, &node.id), Key::head(group)];
        let mut found = self.table.read("leave a group", &keys).await?;
        let (head, record) = (found.pop().flatten(), found.pop().flatten());
        if head.is_none() {
            return Ok(Vec::new());
        }
        let Some(record) = record.as_ref().map(Node::read).transpose()? else {
            let [node, _] = keys;
            return Ok(vec![Step::check(node).when("attribute_not_exists(#pk)")]);
        };
        authority::check_record(record.token, node.token)?;
        let (step, change) = remove_node(group, &record, &self.limits);
        let mut steps = vec![step];
        if change.is_needed() {
            steps.push(change.step(group, &self.limits));
        }
        Ok(steps)
    }

    /// One attempt of [`Store::leave`](crate::store::Store::leave).
    pub(super) async fn try_leave(
        &self,
        group: &GroupKey,
        node: &Actor,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "leave a group";
        let reverse = Key::reverse(&node.id);
        let found = self
            .table
            .read(DOING, std::slice::from_ref(&reverse))
            .await?
            .remove(0);
        let points = found.as_ref().map(referenced_group).transpose()?;
        let mut steps = self.leave_steps(group, node).await?;
        if points.as_ref() == Some(group) {
            steps.push(with_group(
                Step::delete(reverse).when(REFERS_TO_GROUP),
                group,
            ));
        }
        // Checks alone need no write.
        steps.retain(|step| !step.checks_only());
        self.table.write(DOING, steps).await
    }

    /// One attempt of [`Store::heartbeat`](crate::store::Store::heartbeat).
    pub(super) async fn try_heartbeat(
        &self,
        key: &GroupKey,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Timestamp, AttemptError> {
        let record = self.refreshed(key, &actor.id, now, |node| {
            node.check_removed()?;
            authority::check_record(node.token, actor.token)?;
            Ok(node.membership.is_some())
        });
        if record.await? {
            Ok(self.rules.member_until(now))
        } else {
            Err(ClientError::NodeNotFound.into())
        }
    }

    /// One attempt to extend the life of a node in a live group.
    pub(super) async fn try_refresh(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        match self
            .refreshed(key, node, now, |node| Ok(node.is_counted()))
            .await
        {
            // The group ended at the same time; the renewal came first.
            Ok(_) | Err(AttemptError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn refreshed(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
        is_eligible: impl Fn(&Node) -> Result<bool, ClientError> + Send,
    ) -> Result<bool, AttemptError> {
        let known = self.group_of_known(key, node, now).await?;
        let known = known.and_then(|view| view.node);
        if let Some(before) = known.filter(|node| matches!(is_eligible(node), Ok(true))) {
            match self.refresh_record(key, &before, now).await {
                Ok(true) => return Ok(true),
                // Without a write nothing says that the record is still the same.
                Ok(false) => {}
                Err(error) if error.may_be_stale() => {}
                Err(error) => return Err(error),
            }
        }
        let include = Include {
            node: Some(node),
            ..Include::default()
        };
        let view = self.read_group(key, include, now).await;
        let eligible = match view?.node {
            Some(node) if is_eligible(&node)? => Some(node),
            _ => None,
        };
        let Some(before) = eligible else {
            // A dissolve may have removed the node; a read of the group's record shows it.
            if self.cache.group(key).is_some() {
                self.cache.invalidate(key);
                self.read_group(key, Include::default(), now).await?;
            }
            return Ok(false);
        };
        let refreshed = self.refresh_record(key, &before, now).await;
        if refreshed.is_err() {
            self.cache.invalidate(key);
        }
        refreshed.map(|_| true)
    }

    /// Extends the life of a node with this record; returns whether that changed anything.
    async fn refresh_record(
        &self,
        key: &GroupKey,
        before: &Node,
        now: Timestamp,
    ) -> Result<bool, AttemptError> {
        let mut after = before.clone();
        let is_needed = after.refresh(self.rules.member_until(now));
        if is_needed {
            let step = put_node(key, Some(before), &after);
            self.table.write("renew a node", vec![step]).await?;
        }
        Ok(is_needed)
    }

    /// See [`Store::members`](crate::store::Store::members).
    pub(super) async fn all_members(&self, key: &GroupKey, now: Timestamp) -> Result<Vec<Member>> {
        if self.live_group(key, now).await?.is_none() {
            return Ok(Vec::new());
        }
        let nodes: Vec<Node> = retry!(self, self.nodes_of(key))?;
        let members = nodes
            .into_iter()
            .filter(|node| node.membership.is_some() && node.alive(now));
        Ok(members
            .map(|node| Member {
                node: node.id,
                group: key.clone(),
                nickname: node.nickname,
                alive_until: node.alive_until.unwrap_or(now),
                use_websocket: node.membership.and_then(|(_, requested)| requested),
            })
            .collect())
    }
}
