//! How a node's coming, going and reporting changes its group's room.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::group::GroupKey;
use crate::model::limits::Limits;
use crate::store::dynamodb::items::attributes::number;
use crate::store::dynamodb::items::count;
use crate::store::dynamodb::items::keys::{self, Key};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::requests::Step;

/// What changes in the room's counts and its list of pollers.
#[derive(Clone, Debug, Default)]
pub struct RoomChange {
    nodes: i64,
    bytes: i64,
    polls: Option<(bool, String)>,
}

impl RoomChange {
    /// From the node's record before to the one after.
    pub fn between(before: Option<&Node>, after: &Node) -> Self {
        let known = |node: &Node| i64::from(node.known());
        let polled = before.is_some_and(Node::polls);
        Self {
            nodes: known(after) - before.map_or(0, known),
            bytes: count(after.reserved) - before.map_or(0, |node| count(node.reserved)),
            polls: (polled != after.polls())
                .then(|| (after.polls(), keys::part(after.id.as_str()))),
        }
    }

    /// So many bytes of variables are given back.
    pub fn freed(bytes: usize) -> Self {
        Self {
            bytes: -count(bytes),
            ..Self::default()
        }
    }

    /// Both at once. One update changes the pollers in one way: a newcomer is listed, and a
    /// name that stays beside it counts for nothing without its node's record.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (mine, others) = (self.polls, other.polls);
        let comes = |polls: &Option<(bool, String)>| matches!(polls, Some((true, _)));
        Self {
            nodes: self.nodes + other.nodes,
            bytes: self.bytes + other.bytes,
            polls: if comes(&others) {
                others
            } else {
                mine.or(others)
            },
        }
    }

    /// Whether a node comes that was not known.
    pub fn seats(&self) -> bool {
        self.nodes > 0
    }

    /// Whether there is anything to write.
    pub fn changes(&self) -> bool {
        self.nodes != 0 || self.bytes != 0 || self.polls.is_some()
    }

    /// The step; it fails when the room is gone, or has no place for what comes.
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
        let mut step = Step::update(Key::room(group), change).when("attribute_exists(#pk)");
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
