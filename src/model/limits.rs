//! Limits of what is stored and returned. Each is a setting (`mesh-v2 serve --help`).

use crate::model::quota::Quota;

/// Limits of what is stored and returned. A request that would exceed one is refused; data is
/// never truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Groups on the server.
    pub groups: usize,
    /// Groups in one domain.
    pub groups_per_domain: usize,
    /// Groups from one address: an IPv4 address or an IPv6 site.
    pub groups_per_address: usize,
    /// Members of one group.
    pub nodes_per_group: usize,
    /// Nodes of one group that report and did not join. Its host always may.
    pub reporters_per_group: usize,
    /// Nodes that a group's host removed: their ids are kept until the group ends.
    pub removed_per_group: usize,
    /// Variables of one node, and items of one report.
    pub keys_per_node: usize,
    /// Bytes of one node's variables, keys and values together.
    pub status_bytes: usize,
    /// Bytes that the variables of all nodes of a group take in a response: as JSON with
    /// escapes, ids, the schema's field names and `__typename` around each row, key and
    /// value, as `model::json_size` counts. It lies below the limit of a response by more than
    /// a page of events, so that no listGroupStatuses or pollGroupData without aliases is
    /// refused, whatever the nodes report (decision D24).
    pub status_bytes_per_group: usize,
    /// Events in one call.
    pub events_per_call: usize,
    /// Calls in a group's log within the event TTL.
    pub calls_per_group: usize,
    /// Bytes of the events in a group's log within the event TTL.
    pub event_bytes_per_group: usize,
    /// Tombstones of ended groups (decision D30). On DynamoDB, where a domain's listing reads
    /// them, `groups_per_domain` limits them too.
    pub ended_groups: usize,
    /// Bytes of one response (decision D24).
    pub response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups: 20_000,
            groups_per_domain: 1_000,
            groups_per_address: 500,
            nodes_per_group: 1_000,
            reporters_per_group: 100,
            removed_per_group: 200,
            keys_per_node: 1_000,
            status_bytes: 64 * 1024,
            status_bytes_per_group: 4 * 1024 * 1024,
            events_per_call: 1_000,
            calls_per_group: 20_000,
            event_bytes_per_group: 8 * 1024 * 1024,
            ended_groups: 20_000,
            response_bytes: 5 * 1024 * 1024,
        }
    }
}

/// Members from one network that are few.
const FEW_MEMBERS: usize = 8;

impl Limits {
    /// Members from other networks than the group's.
    pub fn foreign_members(&self) -> Quota {
        let limit = self.nodes_per_group.div_ceil(2);
        Quota {
            limit,
            share: limit,
            reserve: limit / 5,
            small: FEW_MEMBERS,
        }
    }

    /// Calls in a group's log.
    pub fn log_calls(&self) -> Quota {
        log(self.calls_per_group)
    }

    /// Bytes in a group's log.
    pub fn log_bytes(&self) -> Quota {
        log(self.event_bytes_per_group)
    }

    /// Bytes of variables. The variables of nodes outside, reporters and foreign members, may
    /// take half of them together.
    pub fn variables(&self) -> Quota {
        let limit = self.status_bytes_per_group;
        Quota {
            limit,
            share: limit / 2,
            reserve: limit / 10,
            small: limit / self.nodes_per_group.max(1),
        }
    }
}

/// A group's log: a quarter for each node, and a fifth for 40 nodes at the editor's fastest.
fn log(limit: usize) -> Quota {
    Quota {
        limit,
        share: limit.div_ceil(4),
        reserve: limit / 5,
        small: (limit / 200).max(1),
    }
}
