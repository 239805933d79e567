//! The bound on what a group's variables take in an answer (decision D24), kept without a
//! request on the way of a report: the room keeps bytes for each node, some more than its
//! variables take, and a report that needs more of them meets the room in its one write.
//!
//! So the bound is never passed, and a group may be called full while up to a sixteenth and
//! a kilobyte of each node's share are still unused.

use crate::heartbeat::rules::Rules;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::rendered;
use crate::model::status::Readings;
use crate::model::time::Timestamp;
use crate::store::Failure;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::group::Room;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::nodes::put_node;
use crate::store::dynamodb::room_change::RoomChange;

/// Bytes that are kept beyond those that are taken, unless nodes are to be so many that it
/// would cost a quarter of the bound.
const SPARE: usize = 1024;
/// What part of the bytes taken is kept beyond them, if that is more.
const SPARE_PART: usize = 16;
/// Nodes that make way at once: a transaction holds a hundred steps.
const MAKE_WAY_AT_ONCE: usize = 50;

impl DynamoDb {
    /// What the room keeps for a node that takes so many bytes, if it has them.
    fn with_spare(&self, taken: usize) -> usize {
        let quarter = self.limits.status_bytes_per_group / 4;
        let spare = SPARE.min(quarter / self.limits.nodes_per_group);
        taken + spare.max(taken / SPARE_PART)
    }

    /// What the room keeps for a node that joins: its first report then needs no more.
    pub(super) fn reserved_by_a_member(&self, node: &Node, room: &Room) -> usize {
        let limit = self.limits.status_bytes_per_group;
        let free = limit.saturating_sub(room.status_bytes) + node.reserved;
        node.reserved.max(self.with_spare(0).min(free))
    }

    /// What the room keeps for a node after a report. Without the room at hand it takes
    /// what it would like, and the write fails if that is not there.
    pub(super) async fn reserved_by_a_report(
        &self,
        group: &GroupKey,
        after: &Node,
        room: Option<&Room>,
        now: Timestamp,
    ) -> Result<usize, AttemptError> {
        let taken = after.readings.rendered(rendered::row(group, &after.id));
        let wanted = self.with_spare(taken);
        // What is kept is given back only when it is much: that costs a second step.
        if taken <= after.reserved && after.reserved <= wanted.saturating_mul(4) {
            return Ok(after.reserved);
        }
        let Some(room) = room else {
            return Ok(wanted);
        };
        let limit = self.limits.status_bytes_per_group;
        let free = limit.saturating_sub(room.status_bytes) + after.reserved;
        if taken > free {
            self.make_way(group, after, taken - free, now).await?;
        }
        Ok(wanted.min(free))
    }

    /// Has the variables of nodes past their time make way, the longest silent first.
    /// Never answers well: whoever needs the bytes looks again.
    async fn make_way(
        &self,
        group: &GroupKey,
        node: &Node,
        lacking: usize,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "make way for variables";
        let mut dead = self.nodes_of(group).await?;
        dead.retain(|other| {
            let gone = |until| !Rules::node_alive(until, now);
            other.id != node.id && other.reserved > 0 && other.alive_until.is_some_and(gone)
        });
        if dead.iter().map(|node| node.reserved).sum::<usize>() < lacking {
            return Err(ClientError::VariablesFull(self.limits.status_bytes_per_group).into());
        }
        dead.sort_by(|a, b| (a.alive_until, &a.id).cmp(&(b.alive_until, &b.id)));
        let (mut steps, mut freed) = (Vec::new(), 0);
        for before in dead.iter().take(MAKE_WAY_AT_ONCE) {
            if freed >= lacking {
                break;
            }
            freed += before.reserved;
            let after = Node {
                readings: Readings::default(),
                reserved: 0,
                ..before.clone()
            };
            steps.push(put_node(group, Some(before), &after));
        }
        steps.push(RoomChange::freed(freed).step(group, &self.limits));
        self.table.write(DOING, steps).await?;
        let again = "the variables of nodes past their time made way";
        Err(AttemptError::Lost(Failure::new(DOING, again)))
    }
}
