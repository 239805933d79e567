// The operations of the pages.
import type { GroupRef } from "./feed";

export interface Group extends GroupRef {
  name: string;
  expiresAt: string;
  heartbeatIntervalSeconds: number | null;
  useWebSocket: boolean;
  joinCode: string | null;
  locked: boolean | null;
  pausedUntil: string | null;
  chatMuted: boolean | null;
}

export interface Member {
  id: string;
  nickname: string | null;
  lastSeenAt: string | null;
  transport: string | null;
}

const GROUP = `id domain name expiresAt heartbeatIntervalSeconds useWebSocket joinCode locked pausedUntil chatMuted`;
const IN_GROUP = `$groupId: ID!, $domain: String!`;
const AS_NODE = `${IN_GROUP}, $nodeId: ID!, $nodeToken: String`;
const THIS_NODE = `groupId: $groupId, domain: $domain, nodeId: $nodeId, nodeToken: $nodeToken`;

export const GROUP_BY_CODE = `query ($code: String!) { groupByJoinCode(code: $code) { ${GROUP} } }`;
export const MEMBERS = `query (${IN_GROUP}) {
  listNodesInGroup(groupId: $groupId, domain: $domain) { id nickname lastSeenAt transport }
}`;

const MESSAGE = `nodeStatus { nodeId data { key value } timestamp }
  batchEvent { firedByNodeId events { name payload timestamp } }
  groupDissolve { message }`;
export const SUBSCRIBE = `subscription (${IN_GROUP}) {
  onMessageInGroup(groupId: $groupId, domain: $domain) { ${MESSAGE} }
}`;
export const STATUSES = `query (${IN_GROUP}) {
  listGroupStatuses(groupId: $groupId, domain: $domain) { nodeId data { key value } timestamp }
}`;
export const POLL = `query (${IN_GROUP}, $since: String!) {
  pollGroupData(groupId: $groupId, domain: $domain, since: $since) {
    events { name payload timestamp firedByNodeId cursor }
    nodeStatuses { nodeId data { key value } timestamp }
  }
}`;

export const JOIN = `mutation (${AS_NODE}, $useWebSocket: Boolean, $nickname: String) {
  joinGroup(${THIS_NODE}, useWebSocket: $useWebSocket, nickname: $nickname) { id heartbeatIntervalSeconds }
}`;
export const LEAVE = `mutation (${AS_NODE}) { leaveGroup(${THIS_NODE}) { message } }`;
export const MEMBER_HEARTBEAT = `mutation (${AS_NODE}) { sendMemberHeartbeat(${THIS_NODE}) { expiresAt } }`;
// What is not selected here is not sent to subscribers behind AppSync, so all is.
export const REPORT = `mutation (${AS_NODE}, $data: [SensorDataInput!]!) {
  reportDataByNode(${THIS_NODE}, data: $data) {
    groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp }
  }
}`;
export const FIRE = `mutation (${AS_NODE}, $events: [EventInput!]!) {
  fireEventsByNode(${THIS_NODE}, events: $events) {
    groupId domain batchEvent {
      firedByNodeId groupId domain timestamp
      events { name firedByNodeId groupId domain payload timestamp orderKey }
    }
  }
}`;
export const RECORD = `mutation (${AS_NODE}, $events: [EventInput!]!) {
  recordEventsByNode(${THIS_NODE}, events: $events) { recordedCount }
}`;

const AS_HOST = `${IN_GROUP}, $hostId: ID!, $hostToken: String!`;
const THIS_HOST = `groupId: $groupId, domain: $domain, hostId: $hostId, hostToken: $hostToken`;

export const CREATE_DOMAIN = `mutation { createDomain }`;
export const CREATE_GROUP = `mutation ($domain: String!, $hostId: ID!, $hostToken: String!, $seconds: Int!, $ttl: Int!) {
  createGroup(
    name: "lesson", nameIsJoinCode: true, hostId: $hostId, domain: $domain, hostToken: $hostToken,
    maxConnectionTimeSeconds: $seconds, hostTtlSeconds: $ttl, useWebSocket: true
  ) { ${GROUP} }
}`;
export const GROUP_OF_HOST = `query ($domain: String!, $hostId: ID!, $hostToken: String!) {
  groupOfHost(domain: $domain, hostId: $hostId, hostToken: $hostToken) { ${GROUP} }
}`;
export const RENEW = `mutation (${AS_HOST}) { renewHeartbeat(${THIS_HOST}) { expiresAt } }`;
export const DISSOLVE = `mutation (${AS_HOST}) {
  dissolveGroup(${THIS_HOST}) { groupId domain groupDissolve { groupId domain message } }
}`;
export const LOCK = `mutation (${AS_HOST}, $locked: Boolean!) { lockGroup(${THIS_HOST}, locked: $locked) { ${GROUP} } }`;
export const PAUSE = `mutation (${AS_HOST}, $seconds: Int!) { pauseGroup(${THIS_HOST}, seconds: $seconds) { ${GROUP} } }`;
export const MUTE = `mutation (${AS_HOST}, $muted: Boolean!) { muteChat(${THIS_HOST}, muted: $muted) { ${GROUP} } }`;
export const REMOVE = `mutation (${AS_HOST}, $nodeId: ID!) { removeNode(${THIS_HOST}, nodeId: $nodeId) }`;
export const CLEAR = `mutation (${AS_HOST}) { clearGroupData(${THIS_HOST}) }`;
