//! The fields that can be selected.

/// A field of `MeshMessage`, of its parts, or of a query's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the schema says what each field means")]
pub enum Field {
    Typename,
    GroupId,
    Domain,
    NodeStatus,
    BatchEvent,
    GroupDissolve,
    NodeId,
    Data,
    Timestamp,
    Key,
    Value,
    Events,
    FiredByNodeId,
    Name,
    Payload,
    Cursor,
    OrderKey,
    Message,
    Id,
    FullId,
    HostId,
    ExpiresAt,
    HeartbeatIntervalSeconds,
    UseWebSocket,
    PollingIntervalSeconds,
    JoinCode,
    NodeStatuses,
}

impl Field {
    /// Its name in the schema.
    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Typename => "__typename",
            Self::GroupId => "groupId",
            Self::Domain => "domain",
            Self::NodeStatus => "nodeStatus",
            Self::BatchEvent => "batchEvent",
            Self::GroupDissolve => "groupDissolve",
            Self::NodeId => "nodeId",
            Self::Data => "data",
            Self::Timestamp => "timestamp",
            Self::Key => "key",
            Self::Value => "value",
            Self::Events => "events",
            Self::FiredByNodeId => "firedByNodeId",
            Self::Name => "name",
            Self::Payload => "payload",
            Self::Cursor => "cursor",
            Self::OrderKey => "orderKey",
            Self::Message => "message",
            Self::Id => "id",
            Self::FullId => "fullId",
            Self::HostId => "hostId",
            Self::ExpiresAt => "expiresAt",
            Self::HeartbeatIntervalSeconds => "heartbeatIntervalSeconds",
            Self::UseWebSocket => "useWebSocket",
            Self::PollingIntervalSeconds => "pollingIntervalSeconds",
            Self::JoinCode => "joinCode",
            Self::NodeStatuses => "nodeStatuses",
        }
    }
}
