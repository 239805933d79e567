// The GraphQL documents: one for each field, so that the server parses each once.
import type { Field } from "./types.js";

const GROUP = `id domain name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds joinCode locked
  pausedUntil chatMuted`;
const STATUS = "nodeId data { key value } timestamp";
const EVENTS = "name payload firedByNodeId timestamp cursor orderKey";
const IN_GROUP = "groupId: ID!, domain: String!";
const AS_NODE = `${IN_GROUP}, nodeId: ID!, nodeToken: String`;
const AS_HOST = `${IN_GROUP}, hostId: ID!, hostToken: String`;
const AS_LEADER = `${AS_HOST}!`;
const WITH_EVENTS = `${AS_NODE}, events: [EventInput!]!`;
const SINCE = `${IN_GROUP}, since: String!`;

/** The arguments of each field, and what is selected of its answer. */
const QUERIES: Partial<Record<Field, [string, string?]>> = {
  groupByJoinCode: ["code: String!", GROUP],
  groupOfHost: ["hostId: ID!, domain: String!, hostToken: String!", GROUP],
  listGroupsByDomain: ["domain: String!", GROUP],
  searchGroupsByNamePrefix: ["namePrefix: String!, limit: Int", GROUP],
  listNodesInGroup: [IN_GROUP, "id nickname lastSeenAt transport"],
  listGroupStatuses: [IN_GROUP, STATUS],
  getNodeStatus: ["nodeId: ID!", STATUS],
  getEventsSince: [SINCE, EVENTS],
  pollGroupData: [SINCE, `events { ${EVENTS} } nodeStatuses { ${STATUS} }`],
};
// What is not selected of reports, events and ends is not sent to subscribers behind AppSync, so all is.
const MUTATIONS: Partial<Record<Field, [string, string?]>> = {
  createDomain: [""],
  createGroup: [
    `name: String!, hostId: ID!, domain: String!, maxConnectionTimeSeconds: Int, useWebSocket: Boolean!, hostToken: String,
    nameIsJoinCode: Boolean, hostTtlSeconds: Int`,
    GROUP,
  ],
  joinGroup: [`${AS_NODE}, useWebSocket: Boolean, nickname: String`, "id heartbeatIntervalSeconds"],
  leaveGroup: [AS_NODE, "message"],
  sendMemberHeartbeat: [AS_NODE, "expiresAt"],
  reportDataByNode: [`${AS_NODE}, data: [SensorDataInput!]!`, `groupId domain nodeStatus { groupId domain ${STATUS} }`],
  fireEventsByNode: [
    WITH_EVENTS,
    `groupId domain batchEvent { firedByNodeId groupId domain timestamp
      events { name firedByNodeId groupId domain payload timestamp orderKey } }`,
  ],
  recordEventsByNode: [WITH_EVENTS, "recordedCount nextSince"],
  renewHeartbeat: [AS_HOST, "expiresAt"],
  dissolveGroup: [AS_HOST, "groupId domain groupDissolve { groupId domain message }"],
  lockGroup: [`${AS_LEADER}, locked: Boolean!`, GROUP],
  pauseGroup: [`${AS_LEADER}, seconds: Int!`, GROUP],
  muteChat: [`${AS_LEADER}, muted: Boolean!`, GROUP],
  removeNode: [`${AS_LEADER}, nodeId: ID!`],
  clearGroupData: [AS_LEADER],
};

export const MESSAGES = document("subscription", "onMessageInGroup", [
  IN_GROUP,
  `nodeStatus { ${STATUS} }
  batchEvent { firedByNodeId timestamp events { name payload orderKey } } groupDissolve { message }`,
]);

export function documentOf(field: Field): string {
  return QUERIES[field] ? document("query", field, QUERIES[field]) : document("mutation", field, MUTATIONS[field]!);
}

function document(kind: string, field: string, [args, selection]: [string, string?]): string {
  const declared = args.replace(/\w+:/g, "$$$&");
  const given = args.replace(/(\w+): [^,]+/g, "$1: $$$1");
  const body = `${field}${args && `(${given})`}${selection ? ` { ${selection} }` : ""}`;
  return `${kind} ${args && `(${declared}) `}{ ${body} }`;
}
