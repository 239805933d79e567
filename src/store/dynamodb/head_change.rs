//! Changes of a group's head by joins, leaves and reports.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::group::GroupKey;
use crate::model::limits::Limits;
use crate::store::dynamodb::items::attributes::number;
use crate::store::dynamodb::items::count;
use crate::store::dynamodb::items::keys::{self, Key};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::requests::Step;

/// A change of the head's counts and of its set of pollers.
#[derive(Clone, Debug, Default)]
pub struct HeadChange {
    nodes: i64,
    bytes: i64,
    polls: Option<(bool, String)>,
}

impl HeadChange {
    /// From the node's record before to the one after.
    pub fn between(before: Option<&Node>, after: &Node) -> Self {
        let known = |node: &Node| i64::from(node.is_counted());
        let polled = before.is_some_and(Node::polls);
        Self {
            nodes: known(after) - before.map_or(0, known),
            bytes: count(after.reserved) - before.map_or(0, |node| count(node.reserved)),
            polls: (polled != after.polls())
                .then(|| (after.polls(), keys::part(after.id.as_str()))),
        }
    }

    /// Releases reserved bytes of variables.
    pub fn freed(bytes: usize) -> Self {
        Self {
            bytes: -count(bytes),
            ..Self::default()
        }
    }

    /// Both changes in one. One update can either add or remove a poller: it adds one. An entry
    /// that is left over has no effect, because its node's record is removed.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (mine, others) = (self.polls, other.polls);
        let adds = |polls: &Option<(bool, String)>| matches!(polls, Some((true, _)));
        Self {
            nodes: self.nodes + other.nodes,
            bytes: self.bytes + other.bytes,
            polls: if adds(&others) {
                others
            } else {
                mine.or(others)
            },
        }
    }

    /// Whether it adds a node.
    pub fn adds_node(&self) -> bool {
        self.nodes > 0
    }

    /// Whether there is anything to write.
    pub fn is_needed(&self) -> bool {
        self.nodes != 0 || self.bytes != 0 || self.polls.is_some()
    }

    /// The step. Its condition fails when the head does not exist or a limit would be exceeded.
    pub fn step(&self, group: &GroupKey, limits: &Limits) -> Step {
        let (mut add, mut delete) = (Vec::new(), Vec::new());
        if self.nodes != 0 {
            add.push("#nodes :nodes");
        }
        if self.bytes != 0 {
            add.push("#statusBytes :bytes");
        }
        match &self.polls {
            Some((true, _)) => add.push("#pollers :poller"),
            Some((false, _)) => delete.push("#pollers :poller"),
            None => {}
        }
        let clause = |word: &str, parts: Vec<&str>| {
            let parts = parts.join(", ");
            if parts.is_empty() {
                parts
            } else {
                format!("{word} {parts} ")
            }
        };
        let change = clause("ADD", add) + &clause("DELETE", delete);
        let mut step = Step::update(Key::head(group), change).when("attribute_exists(#pk)");
        if self.nodes != 0 {
            step = step.with(":nodes", number(self.nodes));
        }
        if self.nodes > 0 {
            step = step
                .when("#nodes < :most")
                .with(":most", number(count(limits.nodes_per_group)));
        }
        if self.bytes != 0 {
            step = step.with(":bytes", number(self.bytes));
        }
        if self.bytes > 0 {
            let left = count(limits.status_bytes_per_group) - self.bytes;
            step = step
                .when("attribute_not_exists(#statusBytes) OR #statusBytes <= :left")
                .with(":left", number(left));
        }
        if let Some((_, node)) = &self.polls {
            let node = AttributeValue::Ss(vec![node.clone()]);
            step = step.with(":poller", node);
        }
        step
    }
}
