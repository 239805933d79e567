// What calls take and answer, as in schema/schema.graphql.

export interface GroupRef {
  groupId: string;
  domain: string;
}

export interface Group {
  id: string;
  domain: string;
  name: string;
  hostId: string;
  expiresAt: string;
  heartbeatIntervalSeconds: number | null;
  useWebSocket: boolean;
  pollingIntervalSeconds: number | null;
  joinCode: string | null;
  locked: boolean | null;
  pausedUntil: string | null;
  chatMuted: boolean | null;
}

export interface Member {
  id: string;
  nickname: string | null;
  lastSeenAt: string | null;
  /** `WebSocket` or `polling`. */
  transport: string | null;
}

export interface Variable {
  key: string;
  value: string;
}

/** Variables of a node, as they were written at a time. */
export interface Status {
  nodeId: string;
  data: Variable[];
  timestamp: string;
}

export interface PolledEvent {
  name: string;
  payload: string | null;
  firedByNodeId: string;
  timestamp: string;
  cursor: string;
  orderKey: string | null;
}

export interface EventInput {
  eventName: string;
  payload?: string;
  firedAt: string;
  orderKey?: string;
}

interface AsNode extends GroupRef {
  nodeId: string;
  nodeToken?: string;
}

interface AsHost extends GroupRef {
  hostId: string;
  hostToken?: string;
}

type AsLeader = Required<AsHost>;

export interface CreateGroup {
  name: string;
  hostId: string;
  domain: string;
  maxConnectionTimeSeconds?: number;
  useWebSocket: boolean;
  hostToken?: string;
  nameIsJoinCode?: boolean;
  hostTtlSeconds?: number;
}

/** Of each field of Query and Mutation: its arguments and its answer. */
export interface Calls {
  createDomain: [object, string];
  createGroup: [CreateGroup, Group];
  groupByJoinCode: [{ code: string }, Group | null];
  groupOfHost: [{ hostId: string; domain: string; hostToken: string }, Group | null];
  listGroupsByDomain: [{ domain: string }, Group[]];
  searchGroupsByNamePrefix: [{ namePrefix: string; limit?: number }, Group[]];
  joinGroup: [AsNode & { useWebSocket?: boolean; nickname?: string }, { id: string; heartbeatIntervalSeconds: number | null }];
  leaveGroup: [AsNode, { message: string } | null];
  sendMemberHeartbeat: [AsNode, { expiresAt: string }];
  listNodesInGroup: [GroupRef, Member[]];
  reportDataByNode: [AsNode & { data: Variable[] }, { nodeStatus: Status } | null];
  listGroupStatuses: [GroupRef, Status[]];
  getNodeStatus: [{ nodeId: string }, Status | null];
  fireEventsByNode: [AsNode & { events: EventInput[] }, { batchEvent: { timestamp: string } } | null];
  recordEventsByNode: [AsNode & { events: EventInput[] }, { recordedCount: number; nextSince: string }];
  getEventsSince: [GroupRef & { since: string }, PolledEvent[]];
  pollGroupData: [GroupRef & { since: string }, { events: PolledEvent[]; nodeStatuses: Status[] }];
  renewHeartbeat: [AsHost, { expiresAt: string }];
  dissolveGroup: [AsHost, { groupDissolve: { message: string } } | null];
  lockGroup: [AsLeader & { locked: boolean }, Group];
  pauseGroup: [AsLeader & { seconds: number }, Group];
  muteChat: [AsLeader & { muted: boolean }, Group];
  removeNode: [AsLeader & { nodeId: string }, boolean | null];
  clearGroupData: [AsLeader, boolean | null];
}

export type Field = keyof Calls;
/** The arguments of a field, which may be left out where there are none. */
export type Arguments<F extends Field> = object extends Calls[F][0] ? [] : [Calls[F][0]];
export type Answer<F extends Field> = Calls[F][1];
