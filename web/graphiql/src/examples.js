// The tabs a newcomer finds on the first visit: one group's life, in order.
// The comments keep to short lines, as the editor does not wrap them.

// What a message can hold: the subscription selects it, and so do the mutations, so
// that their answers look alike.
const MESSAGE = `{
    groupId
    domain
    nodeStatus {
      nodeId
      groupId
      domain
      data { key value }
      timestamp
    }
    batchEvent {
      events { name firedByNodeId groupId domain payload timestamp }
      firedByNodeId
      groupId
      domain
      timestamp
    }
    groupDissolve { groupId domain message }
  }`;

/** Stands for the group's id until a group was created on this page. */
export const GROUP_PLACEHOLDER = "the id that createGroup answers";
const group = { groupId: GROUP_PLACEHOLDER, domain: "example" };

const tab = (query, variables) => ({
  query: query.trim() + "\n",
  variables: JSON.stringify(variables, null, 2),
});

export const exampleTabs = () => [
  tab(
    `
# Welcome! From left to right, the tabs walk
# through the life of a mesh group. Enter an API
# key at the top, then run each tab: press the
# pink button, or Ctrl-Enter.
#
# 1. CREATE A GROUP
# The members of a group share values and
# events. The program that creates it is its
# host. Only programs of the same domain find it.
#
# The values are in "Variables" below. The other
# tabs get the id of the group that you create.
mutation createGroup(
  $name: String!
  $hostId: ID!
  $domain: String!
  $maxConnectionTimeSeconds: Int
  $useWebSocket: Boolean!
) {
  createGroup(
    name: $name
    hostId: $hostId
    domain: $domain
    maxConnectionTimeSeconds: $maxConnectionTimeSeconds
    useWebSocket: $useWebSocket
  ) {
    id
    domain
    fullId
    name
    hostId
    expiresAt
    heartbeatIntervalSeconds
    useWebSocket
    pollingIntervalSeconds
  }
}`,
    { name: "My group", hostId: "host-1", domain: "example", useWebSocket: true },
  ),
  tab(
    `
# 2. JOIN THE GROUP
# Other programs join as nodes, under an id of
# their own choice.
mutation joinGroup(
  $groupId: ID!
  $domain: String!
  $nodeId: ID!
  $useWebSocket: Boolean
) {
  joinGroup(
    groupId: $groupId
    domain: $domain
    nodeId: $nodeId
    useWebSocket: $useWebSocket
  ) {
    id
    name
    groupId
    domain
    expiresAt
    heartbeatIntervalSeconds
  }
}`,
    { ...group, nodeId: "node-1", useWebSocket: true },
  ),
  tab(
    `
# 3. SUBSCRIBE
# A subscription stays open and shows the
# group's messages as they come. Run it, then go
# on to the next tab: it stays open, and all
# messages are listed at the bottom of the page.
#
# A message holds one of three things:
#   nodeStatus     the values of a node
#   batchEvent     events
#   groupDissolve  the group is gone
subscription onMessageInGroup($groupId: ID!, $domain: String!) {
  onMessageInGroup(groupId: $groupId, domain: $domain) ${MESSAGE}
}`,
    group,
  ),
  tab(
    `
# 4. SHARE VALUES
# A node reports its values under names.
# Subscribers get them as "nodeStatus", with the
# fields that their subscription selects.
mutation reportDataByNode(
  $groupId: ID!
  $domain: String!
  $nodeId: ID!
  $data: [SensorDataInput!]!
) {
  reportDataByNode(
    groupId: $groupId
    domain: $domain
    nodeId: $nodeId
    data: $data
  ) ${MESSAGE}
}`,
    { ...group, nodeId: "node-1", data: [{ key: "temperature", value: "25.5" }] },
  ),
  tab(
    `
# 5. FIRE EVENTS
# Events happen once, such as "start". Several
# can go in one batch. Subscribers get them as
# "batchEvent".
mutation fireEventsByNode(
  $groupId: ID!
  $domain: String!
  $nodeId: ID!
  $events: [EventInput!]!
) {
  fireEventsByNode(
    groupId: $groupId
    domain: $domain
    nodeId: $nodeId
    events: $events
  ) ${MESSAGE}
}`,
    {
      ...group,
      nodeId: "node-1",
      events: [{ eventName: "start", payload: "hello", firedAt: new Date().toISOString() }],
    },
  ),
  tab(
    `
# 6. KEEP THE GROUP ALIVE
# A host sends a heartbeat every
# "heartbeatIntervalSeconds". Without it the
# group ends soon. It ends at "expiresAt" in any
# case.
mutation renewHeartbeat($groupId: ID!, $domain: String!, $hostId: ID!) {
  renewHeartbeat(
    groupId: $groupId
    domain: $domain
    hostId: $hostId
  ) {
    groupId
    domain
    expiresAt
    heartbeatIntervalSeconds
  }
}`,
    { ...group, hostId: "host-1" },
  ),
  tab(
    `
# 7. END THE GROUP
# Only its host can do that. Subscribers get a
# last message, "groupDissolve".
mutation dissolveGroup($groupId: ID!, $domain: String!, $hostId: ID!) {
  dissolveGroup(
    groupId: $groupId
    domain: $domain
    hostId: $hostId
  ) ${MESSAGE}
}`,
    { ...group, hostId: "host-1" },
  ),
];
