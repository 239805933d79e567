//! The documents that the tool sends: those of the editor's client.

/// A host creates its group.
pub const CREATE_GROUP: &str = "mutation CreateGroup($name: String!, $hostId: ID!, $domain: String!) { createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true) { id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds } }";
/// A member joins.
pub const JOIN_GROUP: &str = "mutation JoinGroup($groupId: ID!, $domain: String!, $nodeId: ID!, $useWebSocket: Boolean) { joinGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId, useWebSocket: $useWebSocket) { id groupId domain heartbeatIntervalSeconds } }";
/// A host's heartbeat.
pub const RENEW_HEARTBEAT: &str = "mutation RenewHeartbeat($groupId: ID!, $domain: String!, $hostId: ID!) { renewHeartbeat(groupId: $groupId, domain: $domain, hostId: $hostId) { groupId domain expiresAt heartbeatIntervalSeconds } }";
/// A member's heartbeat.
pub const SEND_MEMBER_HEARTBEAT: &str = "mutation SendMemberHeartbeat($groupId: ID!, $domain: String!, $nodeId: ID!) { sendMemberHeartbeat(groupId: $groupId, domain: $domain, nodeId: $nodeId) { nodeId groupId domain expiresAt heartbeatIntervalSeconds } }";
/// A host dissolves its group.
pub const DISSOLVE_GROUP: &str = "mutation DissolveGroup($groupId: ID!, $domain: String!, $hostId: ID!) { dissolveGroup(groupId: $groupId, domain: $domain, hostId: $hostId) { groupId domain groupDissolve { groupId domain message } } }";
/// A subscriber subscribes.
pub const ON_MESSAGE_IN_GROUP: &str = "subscription OnMessageInGroup($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } groupDissolve { groupId domain message } } }";
/// A poller polls.
pub const POLL_GROUP_DATA: &str = "query PollGroupData($groupId: ID!, $domain: String!, $since: String!) { pollGroupData(groupId: $groupId, domain: $domain, since: $since) { events { name firedByNodeId groupId domain payload timestamp cursor orderKey } nodeStatuses { nodeId groupId domain data { key value } timestamp } } }";
/// A node reports variables.
pub const REPORT_DATA_BY_NODE: &str = "mutation ReportDataByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) { reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } } }";
/// A node fires events.
pub const FIRE_EVENTS_BY_NODE: &str = "mutation FireEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) { fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) { groupId domain batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } } }";
/// A node records events.
pub const RECORD_EVENTS_BY_NODE: &str = "mutation RecordEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) { recordEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) { groupId domain recordedCount nextSince } }";
