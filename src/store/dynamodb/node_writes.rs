//! The steps that write nodes' records. A record is written only if its version is the one that
//! was read; a new record is written in one transaction with the group's head.

use crate::model::group::{Group, GroupKey};
use crate::model::limits::Limits;
use crate::model::places::{self, Occupant, Place};
use crate::model::readings::Readings;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::head_change::HeadChange;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{self, Key, NODES};
use crate::store::dynamodb::items::node::{Node, Version};
use crate::store::dynamodb::requests::{Query, Step};

/// The step that replaces the node's record that was read.
pub(super) fn put_node(group: &GroupKey, before: Option<&Node>, after: &Node) -> Step {
    let after = Node {
        version: Version::random(),
        ..after.clone()
    };
    unchanged(Step::put(after.item(group)), before)
}

/// Adds the condition that the node's record has not changed since it was read.
fn unchanged(step: Step, before: Option<&Node>) -> Step {
    match before {
        None => step.when("attribute_not_exists(#pk)"),
        Some(node) => {
            let (condition, version) = node.version.condition();
            step.when(condition).with(":read", version)
        }
    }
}

/// What is kept of a node that leaves.
pub(super) fn without_place(node: &Node) -> Node {
    Node {
        membership: None,
        foreign: None,
        alive_until: None,
        readings: Readings::default(),
        reserved: 0,
        token: None,
        nickname: None,
        ..node.clone()
    }
}

/// The step that removes a node, except that it was removed for good and its recent calls, by which repetitions are recognized and
/// its share of the log is counted.
pub(super) fn remove_node(group: &GroupKey, node: &Node, limits: &Limits) -> (Step, HeadChange) {
    let rest = without_place(node);
    let change = HeadChange::between(Some(node), &rest, limits);
    let is_empty = rest.calls.is_empty() && rest.logged.is_empty() && !rest.is_removed;
    let step = if is_empty {
        unchanged(Step::delete(Key::node(group, &node.id)), Some(node))
    } else {
        put_node(group, Some(node), &rest)
    };
    (step, change)
}

impl DynamoDb {
    /// The steps that write a node's record. A new node counts in the group's head; a full group
    /// evicts an expired node for it. The host has a place in any case.
    pub(super) async fn write_steps(
        &self,
        group: &Group,
        before: Option<&Node>,
        after: &Node,
        head: Option<&GroupHead>,
        now: Timestamp,
    ) -> Result<Vec<Step>, AttemptError> {
        let is_host = after.id == group.host;
        let key = &group.key;
        let mut steps = vec![put_node(key, before, after)];
        let change = HeadChange::between(before, after, &self.limits);
        let mut change = change.by_host(is_host);
        if let (Some(place), Some(head)) = (after.place(), head)
            && change.adds_place()
            && !is_host
            && self.is_crowded(place, head)
        {
            let nodes = self.nodes_of(key).await?;
            let occupants = nodes.iter().filter_map(|node| {
                Some(Occupant {
                    node: &node.id,
                    place: node.place()?,
                    alive_until: node.alive_until?,
                })
            });
            let evicted = places::admit(place, &occupants, &self.limits, now)?;
            if let Some(evicted) = nodes.iter().find(|node| Some(&node.id) == evicted) {
                let (step, left) = remove_node(key, evicted, &self.limits);
                steps.push(step);
                change = change.and(left);
                if evicted.membership.is_some() {
                    self.remove_reverse(key, &evicted.id).await?;
                }
            }
        }
        if change.is_needed() {
            steps.push(change.step(key, &self.limits));
        } else if before.is_none() {
            steps.push(Step::check(Key::head(key)).when("attribute_exists(#pk)"));
        }
        Ok(steps)
    }

    /// Whether the nodes must be read to see if there is such a place.
    fn is_crowded(&self, place: Place, head: &GroupHead) -> bool {
        let limits = &self.limits;
        match place {
            Place::Reporter => head.reporters >= limits.reporters_per_group,
            Place::Member { foreign } => {
                let open = limits.foreign_members().open();
                head.nodes >= limits.nodes_per_group || foreign.is_some() && head.foreign >= open
            }
        }
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
