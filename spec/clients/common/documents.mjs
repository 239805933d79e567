// The documents of Smalruby's editor: names and selections are its own.

export const CREATE_DOMAIN = `
  mutation CreateDomain {
    createDomain
  }
`;

export const LIST_GROUPS_BY_DOMAIN = `
  query ListGroupsByDomain($domain: String!) {
    listGroupsByDomain(domain: $domain) {
      id
      domain
      fullId
      name
      hostId
      expiresAt
    }
  }
`;

export const SEARCH_GROUPS_BY_NAME_PREFIX = `
  query SearchGroupsByNamePrefix($namePrefix: String!, $limit: Int) {
    searchGroupsByNamePrefix(namePrefix: $namePrefix, limit: $limit) {
      id
      domain
      fullId
      name
      hostId
      expiresAt
    }
  }
`;

export const CREATE_GROUP = `
  mutation CreateGroup($name: String!, $hostId: ID!, $domain: String!, $useWebSocket: Boolean!) {
    createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: $useWebSocket) {
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
  }
`;

export const JOIN_GROUP = `
  mutation JoinGroup($groupId: ID!, $domain: String!, $nodeId: ID!, $useWebSocket: Boolean) {
    joinGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId, useWebSocket: $useWebSocket) {
      id
      name
      groupId
      domain
      expiresAt
      heartbeatIntervalSeconds
      useWebSocket
      pollingIntervalSeconds
    }
  }
`;

export const LEAVE_GROUP = `
  mutation LeaveGroup($groupId: ID!, $domain: String!, $nodeId: ID!) {
    leaveGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId) {
      peerId
      groupId
      domain
      message
    }
  }
`;

export const DISSOLVE_GROUP = `
  mutation DissolveGroup($groupId: ID!, $domain: String!, $hostId: ID!) {
    dissolveGroup(groupId: $groupId, domain: $domain, hostId: $hostId) {
      groupId
      domain
      groupDissolve {
        groupId
        domain
        message
      }
    }
  }
`;

export const RENEW_HEARTBEAT = `
  mutation RenewHeartbeat($groupId: ID!, $domain: String!, $hostId: ID!) {
    renewHeartbeat(groupId: $groupId, domain: $domain, hostId: $hostId) {
      groupId
      domain
      expiresAt
      heartbeatIntervalSeconds
    }
  }
`;

export const SEND_MEMBER_HEARTBEAT = `
  mutation SendMemberHeartbeat($groupId: ID!, $domain: String!, $nodeId: ID!) {
    sendMemberHeartbeat(groupId: $groupId, domain: $domain, nodeId: $nodeId) {
      nodeId
      groupId
      domain
      expiresAt
      heartbeatIntervalSeconds
    }
  }
`;

export const REPORT_DATA_BY_NODE = `
  mutation ReportDataByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) {
    reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) {
      groupId
      domain
      nodeStatus {
        nodeId
        groupId
        domain
        data {
          key
          value
        }
        timestamp
      }
    }
  }
`;

export const FIRE_EVENTS_BY_NODE = `
  mutation FireEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) {
    fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) {
      groupId
      domain
      batchEvent {
        events {
          name
          firedByNodeId
          groupId
          domain
          payload
          timestamp
          orderKey
        }
        firedByNodeId
        groupId
        domain
        timestamp
      }
    }
  }
`;

export const RECORD_EVENTS_BY_NODE = `
  mutation RecordEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) {
    recordEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) {
      groupId
      domain
      recordedCount
      nextSince
    }
  }
`;

export const POLL_GROUP_DATA = `
  query PollGroupData($groupId: ID!, $domain: String!, $since: String!) {
    pollGroupData(groupId: $groupId, domain: $domain, since: $since) {
      events {
        name
        firedByNodeId
        groupId
        domain
        payload
        timestamp
        cursor
        orderKey
      }
      nodeStatuses {
        nodeId
        groupId
        domain
        data {
          key
          value
        }
        timestamp
      }
    }
  }
`;

export const LIST_GROUP_STATUSES = `
  query ListGroupStatuses($groupId: ID!, $domain: String!) {
    listGroupStatuses(groupId: $groupId, domain: $domain) {
      nodeId
      groupId
      domain
      data {
        key
        value
      }
      timestamp
    }
  }
`;

export const ON_MESSAGE_IN_GROUP = `
  subscription OnMessageInGroup($groupId: ID!, $domain: String!) {
    onMessageInGroup(groupId: $groupId, domain: $domain) {
      groupId
      domain
      nodeStatus {
        nodeId
        groupId
        domain
        data {
          key
          value
        }
        timestamp
      }
      batchEvent {
        events {
          name
          firedByNodeId
          groupId
          domain
          payload
          timestamp
          orderKey
        }
        firedByNodeId
        groupId
        domain
        timestamp
      }
      groupDissolve {
        groupId
        domain
        message
      }
    }
  }
`;
