//! Changes of a group's head by joins, leaves and reports.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::group::GroupKey;
use crate::model::limits::Limits;
use crate::model::places::Place;
use crate::store::dynamodb::items::attributes::number;
use crate::store::dynamodb::items::count;
use crate::store::dynamodb::items::keys::{self, Key};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::requests::Step;

/// A change of the head's counts and of its set of pollers.
#[derive(Clone, Debug, Default)]
pub struct HeadChange {
    nodes: i64,
    foreign: i64,
    reporters: i64,
    removed: i64,
    bytes: i64,
    outside_bytes: i64,
    /// Whether the node has a claim on the reserve of bytes: it reserves few.
    small: bool,
    /// Whether it is the group's host, which has a place in any case.
    host: bool,
    polls: Option<(bool, String)>,
}

impl HeadChange {
    /// From the node's record before to the one after.
    pub fn between(before: Option<&Node>, after: &Node, limits: &Limits) -> Self {
        let difference = |count: fn(&Node) -> i64| count(after) - before.map_or(0, count);
        let polled = before.is_some_and(Node::polls);
        Self {
            nodes: difference(|node| {
                i64::from(node.place().is_some_and(|place| place != Place::Reporter))
            }),
            foreign: difference(|node| i64::from(node.place().is_some_and(Place::is_foreign))),
            reporters: difference(|node| i64::from(node.place() == Some(Place::Reporter))),
            removed: difference(|node| i64::from(node.is_removed)),
            bytes: difference(|node| count(node.reserved)),
            outside_bytes: difference(|node| {
                if node.is_outside() {
                    count(node.reserved)
                } else {
                    0
                }
            }),
            small: after.reserved <= limits.variables().small,
            host: false,
            polls: (polled != after.polls())
                .then(|| (after.polls(), keys::part(after.id.as_str()))),
        }
    }

    /// The same by a node that may be the group's host.
    #[must_use]
    pub fn by_host(self, host: bool) -> Self {
        Self { host, ..self }
    }

    /// Both changes in one. One update can either add or remove a poller: it adds one. An entry
    /// that is left over has no effect, because its node's record is removed.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (mine, others) = (self.polls, other.polls);
        let adds = |polls: &Option<(bool, String)>| matches!(polls, Some((true, _)));
        Self {
            nodes: self.nodes + other.nodes,
            foreign: self.foreign + other.foreign,
            reporters: self.reporters + other.reporters,
            removed: self.removed + other.removed,
            bytes: self.bytes + other.bytes,
            outside_bytes: self.outside_bytes + other.outside_bytes,
            small: self.small,
            host: self.host,
            polls: if adds(&others) {
                others
            } else {
                mine.or(others)
            },
        }
    }

    /// Whether it adds a member or a reporter.
    pub fn adds_place(&self) -> bool {
        self.nodes > 0 || self.reporters > 0
    }

    /// Whether there is anything to write.
    pub fn is_needed(&self) -> bool {
        self.counts().iter().any(|(_, change, _)| *change != 0) || self.polls.is_some()
    }

    /// The counts, their changes, and the names of their values.
    fn counts(&self) -> [(&'static str, i64, &'static str); 6] {
        [
            ("#nodes", self.nodes, ":nodes"),
            ("#foreign", self.foreign, ":foreign"),
            ("#reporters", self.reporters, ":reporters"),
            ("#removed", self.removed, ":removed"),
            ("#statusBytes", self.bytes, ":statusBytes"),
            ("#outsideBytes", self.outside_bytes, ":outsideBytes"),
        ]
    }

    /// The most that each count may be after it grew, and the name of that value.
    fn most(&self, limits: &Limits) -> [(usize, &'static str); 6] {
        let variables = limits.variables();
        let bytes = variables.most(self.small || self.host);
        let most = |most: usize| if self.host { usize::MAX } else { most };
        [
            (most(limits.nodes_per_group), ":mostNodes"),
            (most(limits.foreign_members().limit), ":mostForeign"),
            (most(limits.reporters_per_group), ":mostReporters"),
            (limits.removed_per_group, ":mostRemoved"),
            (bytes, ":mostBytes"),
            (most(variables.share), ":mostOutside"),
        ]
    }

    /// The step. Its condition fails when the head does not exist or a limit would be exceeded.
    pub fn step(&self, group: &GroupKey, limits: &Limits) -> Step {
        let (mut add, mut delete) = (Vec::new(), Vec::new());
        let counts = self
            .counts()
            .into_iter()
            .filter(|(_, change, _)| *change != 0);
        add.extend(
            counts
                .clone()
                .map(|(name, _, value)| format!("{name} {value}")),
        );
        match &self.polls {
            Some((true, _)) => add.push("#pollers :poller".into()),
            Some((false, _)) => delete.push("#pollers :poller".into()),
            None => {}
        }
        let clause = |word: &str, parts: Vec<String>| {
            let parts = parts.join(", ");
            if parts.is_empty() {
                parts
            } else {
                format!("{word} {parts} ")
            }
        };
        let change = clause("ADD", add) + &clause("DELETE", delete);
        let mut step = Step::update(Key::head(group), change).when("attribute_exists(#pk)");
        for (_, change, value) in counts {
            step = step.with(value, number(change));
        }
        for ((name, change, _), (most, value)) in self.counts().into_iter().zip(self.most(limits)) {
            if change > 0 && most < usize::MAX {
                let fits = format!("attribute_not_exists({name}) OR {name} <= {value}");
                step = step.when(&fits).with(value, number(count(most) - change));
            }
        }
        if let Some((_, node)) = &self.polls {
            let node = AttributeValue::Ss(vec![node.clone()]);
            step = step.with(":poller", node);
        }
        step
    }
}
