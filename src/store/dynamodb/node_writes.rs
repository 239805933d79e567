//! The steps that write nodes' records. A record is written only if its version is the one that
//! was read; a new record is written in one transaction with the group's head.

use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::readings::Readings;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::head_change::HeadChange;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{self, Key, NODES};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::requests::{Query, Step};

/// The step that replaces the node's record that was read.
pub(super) fn put_node(group: &GroupKey, before: Option<&Node>, after: &Node) -> Step {
    let after = Node {
        version: uuid::Uuid::new_v4().simple().to_string(),
        ..after.clone()
    };
    unchanged(Step::put(after.item(group)), before)
}

/// Adds the condition that the node's record has not changed since it was read.
fn unchanged(step: Step, before: Option<&Node>) -> Step {
    match before {
        None => step.when("attribute_not_exists(#pk)"),
        Some(node) => step
            .when("#version = :read")
            .with(":read", text(&*node.version)),
    }
}

/// The step that removes a node, except its recent calls, by which repetitions are recognized.
pub(super) fn remove_node(group: &GroupKey, node: &Node) -> (Step, HeadChange) {
    let rest = Node {
        membership: None,
        alive_until: None,
        readings: Readings::default(),
        reserved: 0,
        ..node.clone()
    };
    let change = HeadChange::between(Some(node), &rest);
    let step = if rest.calls.is_empty() {
        unchanged(Step::delete(Key::node(group, &node.id)), Some(node))
    } else {
        put_node(group, Some(node), &rest)
    };
    (step, change)
}

impl DynamoDb {
    /// The steps that write a node's record. A new node counts in the group's head; a full group
    /// evicts an expired node for it.
    pub(super) async fn write_steps(
        &self,
        group: &GroupKey,
        before: Option<&Node>,
        after: &Node,
        head: Option<&GroupHead>,
        now: Timestamp,
    ) -> Result<Vec<Step>, AttemptError> {
        let limit = self.limits.nodes_per_group;
        let mut steps = vec![put_node(group, before, after)];
        let mut change = HeadChange::between(before, after);
        if change.adds_node() && head.is_some_and(|head| head.nodes >= limit) {
            let oldest = self.oldest_expired(group, now).await?;
            let what = "the group";
            let oldest = oldest.ok_or(ClientError::Full { what, limit })?;
            let (step, left) = remove_node(group, &oldest);
            steps.push(step);
            change = change.and(left);
            if oldest.membership.is_some() {
                self.remove_reverse(group, &oldest.id).await?;
            }
        }
        if change.is_needed() {
            steps.push(change.step(group, &self.limits));
        } else if before.is_none() {
            steps.push(Step::check(Key::head(group)).when("attribute_exists(#pk)"));
        }
        Ok(steps)
    }

    async fn oldest_expired(
        &self,
        group: &GroupKey,
        now: Timestamp,
    ) -> Result<Option<Node>, AttemptError> {
        let nodes = self.nodes_of(group).await?;
        let expired = nodes
            .into_iter()
            .filter(|node| node.is_counted() && !node.alive(now));
        Ok(expired.min_by(|a, b| (a.alive_until, &a.id).cmp(&(b.alive_until, &b.id))))
    }

    /// Every node's record, by node id.
    pub(super) async fn nodes_of(&self, group: &GroupKey) -> Result<Vec<Node>, AttemptError> {
        let nodes = Query {
            keys: "#pk = :inside AND begins_with(#sk, :nodes)",
            values: vec![
                (":inside", text(keys::inside(group))),
                (":nodes", text(NODES)),
            ],
            ..Query::default()
        };
        let found = self.table.all("read a group's nodes", &nodes).await?;
        let mut nodes: Vec<Node> = found.iter().map(Node::read).collect::<Result<_, _>>()?;
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }
}
