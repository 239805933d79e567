//! How much of anything a stage holds. Every bound is a setting (`mesh-v2 serve --help`).

/// Bounds on what is stored and answered. Going past one is refused, never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Groups on the stage.
    pub groups: usize,
    /// Groups in one domain.
    pub groups_per_domain: usize,
    /// Nodes known to one group: members and others that reported.
    pub nodes_per_group: usize,
    /// Variables of one node, and items of one report.
    pub keys_per_node: usize,
    /// Bytes of one node's variables, keys and values together.
    pub status_bytes: usize,
    /// Bytes that the variables of all of a group's nodes take in an answer: as JSON with
    /// escapes, ids, the schema's field names and `__typename` around each row, key and
    /// value, as `model::rendered` counts. It lies below the bound on an answer, with room
    /// for a page of events beside it, so that nobody's listGroupStatuses or pollGroupData
    /// without aliases is refused, whatever the nodes report (decision D24).
    pub status_bytes_per_group: usize,
    /// Events in one call.
    pub events_per_call: usize,
    /// Calls that a group remembers within the event TTL.
    pub calls_per_group: usize,
    /// Bytes of the events that a group holds within the event TTL.
    pub event_bytes_per_group: usize,
    /// Groups that ended by themselves and are remembered for a while (decision D30).
    /// On DynamoDB, where a domain's listing reads them, also bounded by `groups_per_domain`.
    pub ended_groups: usize,
    /// Bytes of one answer (decision D24).
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups: 20_000,
            groups_per_domain: 1_000,
            nodes_per_group: 1_000,
            keys_per_node: 1_000,
            status_bytes: 64 * 1024,
            status_bytes_per_group: 4 * 1024 * 1024,
            events_per_call: 1_000,
            calls_per_group: 20_000,
            event_bytes_per_group: 8 * 1024 * 1024,
            ended_groups: 20_000,
            answer_bytes: 5 * 1024 * 1024,
        }
    }
}
