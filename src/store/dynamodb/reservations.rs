//! The limit of a group's variables in a response (decision D24), enforced without an additional
//! request per report. The group's head counts bytes reserved for each node, somewhat more than
//! its variables take. Only a report that needs more updates the head, in its one transaction.
//!
//! So the limit is never exceeded, but a group may be full while up to a sixteenth and a
//! kilobyte of each node's reservation are unused.

use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::json_size;
use crate::model::readings::Readings;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::Failure;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::head_change::HeadChange;
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::node_writes::put_node;

/// Bytes reserved beyond those used; fewer if a full group's would exceed a quarter of the limit.
const SPARE: usize = 1024;
/// The part of the bytes used that is reserved beyond them, if that is more.
const SPARE_PART: usize = 16;
/// Nodes whose variables are evicted in one transaction, which has at most a hundred steps.
const EVICTED_AT_ONCE: usize = 50;

impl DynamoDb {
    /// The reservation for a node that uses `used` bytes, if there are enough.
    fn with_spare(&self, used: usize) -> usize {
        let quarter = self.limits.status_bytes_per_group / 4;
        let spare = SPARE.min(quarter / self.limits.nodes_per_group);
        used + spare.max(used / SPARE_PART)
    }

    /// The bytes that a node may reserve: the most if it is small, and otherwise.
    fn free(&self, node: &Node, is_host: bool, head: &GroupHead) -> (usize, usize) {
        let quota = self.limits.variables();
        let rest = |most: usize, all: usize| (most + node.reserved).saturating_sub(all);
        let outside = if node.is_outside() && !is_host {
            rest(quota.share, head.outside_bytes)
        } else {
            usize::MAX
        };
        let small = rest(quota.limit, head.status_bytes).min(outside);
        let large = rest(quota.most(is_host), head.status_bytes).min(outside);
        (small, large)
    }

    /// The reservation for a node that joins, so that its first report needs no update of the
    /// head.
    pub(super) fn reservation_on_join(&self, node: &Node, head: &GroupHead) -> usize {
        let (free, _) = self.free(node, false, head);
        node.reserved.max(self.with_spare(0).min(free))
    }

    /// The reservation for a node after a report. Without the head it is what the node wants, and
    /// the write fails if there is not enough.
    pub(super) async fn reservation_on_report(
        &self,
        group: &Group,
        after: &Node,
        head: Option<&GroupHead>,
        now: Timestamp,
    ) -> Result<usize, AttemptError> {
        let row = json_size::row(&group.key, &after.id);
        let used = after.readings.json_bytes(row);
        let wanted = self.with_spare(used);
        // Only a large surplus is released, because that needs a second step.
        if used <= after.reserved && after.reserved <= wanted.saturating_mul(4) {
            return Ok(after.reserved);
        }
        let Some(head) = head else {
            return Ok(wanted);
        };
        let is_host = after.id == group.host;
        let (small, large) = self.free(after, is_host, head);
        let few = self.limits.variables().small;
        if wanted <= large || used <= large {
            return Ok(wanted.min(large));
        }
        if used <= few.min(small) {
            return Ok(wanted.min(few).min(small));
        }
        let free = if used <= few { small } else { large };
        self.evict_expired(group, after, used - free, now).await?;
        Ok(wanted)
    }

    /// Evicts the variables of expired nodes, the first expired first; for a node outside only
    /// those of others outside. Always returns an error: on success a conflict, so that the
    /// report is retried.
    async fn evict_expired(
        &self,
        group: &Group,
        node: &Node,
        missing: usize,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        const DOING: &str = "evict variables";
        let any = !node.is_outside() || node.id == group.host;
        let group = &group.key;
        let mut expired = self.nodes_of(group).await?;
        expired.retain(|other| {
            let is_expired = |until| !Rules::node_alive(until, now);
            other.id != node.id
                && other.reserved > 0
                && other.alive_until.is_some_and(is_expired)
                && (any || other.is_outside())
        });
        if expired.iter().map(|node| node.reserved).sum::<usize>() < missing {
            return Err(ClientError::VariablesFull(self.limits.status_bytes_per_group).into());
        }
        expired.sort_by(|a, b| (a.alive_until, &a.id).cmp(&(b.alive_until, &b.id)));
        let (mut steps, mut freed, mut change) = (Vec::new(), 0, HeadChange::default());
        for before in expired.iter().take(EVICTED_AT_ONCE) {
            if freed >= missing {
                break;
            }
            freed += before.reserved;
            let after = Node {
                readings: Readings::default(),
                reserved: 0,
                ..before.clone()
            };
            steps.push(put_node(group, Some(before), &after));
            change = change.and(HeadChange::between(Some(before), &after, &self.limits));
        }
        steps.push(change.step(group, &self.limits));
        self.table.write(DOING, steps).await?;
        let evicted = "variables of expired nodes were evicted";
        Err(AttemptError::conflict(Failure::new(DOING, evicted)))
    }
}
