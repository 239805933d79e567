//! The documents of a thorough client: every field selected, `__typename` in each set.

const GROUP: &str = "id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds __typename";
/// What the host of a group decided.
const LESSON: &str = "locked pausedUntil chatMuted joinCode";
const NODE: &str = "id name groupId domain expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds __typename";
const STATUS: &str = "nodeId groupId domain data { key value __typename } timestamp __typename";
const EVENT: &str =
    "name firedByNodeId groupId domain payload timestamp cursor orderKey __typename";
const HEARTBEAT: &str = "groupId domain expiresAt heartbeatIntervalSeconds __typename";
const IN_GROUP: &str = "groupId: ID!, domain: String!";

/// Every field of `MeshMessage`.
pub fn message() -> String {
    format!(
        "groupId domain nodeStatus {{ {STATUS} }} \
         batchEvent {{ events {{ {EVENT} }} firedByNodeId groupId domain timestamp __typename }} \
         groupDissolve {{ groupId domain message __typename }} __typename"
    )
}

/// The document that calls the root field `name`.
pub fn of(name: &str) -> String {
    with_token(name, None)
}

/// The same with the variable `token`, which is `hostToken` or `nodeToken`.
pub fn with_token(name: &str, token: Option<&str>) -> String {
    let by_node = format!("{IN_GROUP}, nodeId: ID!");
    let by_host = format!("{IN_GROUP}, hostId: ID!");
    let of_lesson = format!("{GROUP} {LESSON}");
    let as_host = format!("{by_host}, hostToken: String!");
    let since = format!("{IN_GROUP}, since: String!");
    let with_events = format!("{by_node}, events: [EventInput!]!");
    let (kind, variables, selection) = match name {
        "listGroupsByDomain" => ("query", "domain: String!".into(), GROUP.into()),
        "searchGroupsByNamePrefix" => (
            "query",
            "namePrefix: String!, limit: Int".into(),
            GROUP.into(),
        ),
        "groupByJoinCode" => ("query", "code: String!".into(), format!("{GROUP} joinCode")),
        "getNodeStatus" => ("query", "nodeId: ID!".into(), STATUS.into()),
        "listGroupStatuses" => ("query", IN_GROUP.into(), STATUS.into()),
        "listNodesInGroup" => ("query", IN_GROUP.into(), NODE.into()),
        "getEventsSince" => ("query", since, EVENT.into()),
        "pollGroupData" => {
            let both = format!("events {{ {EVENT} }} nodeStatuses {{ {STATUS} }} __typename");
            ("query", since, both)
        }
        "createDomain" => ("mutation", String::new(), String::new()),
        "createGroup" => {
            let arguments = "name: String!, hostId: ID!, domain: String!, \
                        maxConnectionTimeSeconds: Int, useWebSocket: Boolean!, hostTtlSeconds: Int";
            ("mutation", arguments.into(), GROUP.into())
        }
        "joinGroup" => (
            "mutation",
            format!("{by_node}, useWebSocket: Boolean, nickname: String"),
            NODE.into(),
        ),
        "groupOfHost" => (
            "query",
            "hostId: ID!, domain: String!, hostToken: String!".into(),
            of_lesson,
        ),
        "lockGroup" => (
            "mutation",
            format!("{as_host}, locked: Boolean!"),
            of_lesson,
        ),
        "pauseGroup" => ("mutation", format!("{as_host}, seconds: Int!"), of_lesson),
        "muteChat" => ("mutation", format!("{as_host}, muted: Boolean!"), of_lesson),
        "removeNode" => ("mutation", format!("{as_host}, nodeId: ID!"), String::new()),
        "clearGroupData" => ("mutation", as_host, String::new()),
        "leaveGroup" => (
            "mutation",
            by_node,
            "peerId groupId domain message __typename".into(),
        ),
        "dissolveGroup" => ("mutation", by_host, message()),
        "renewHeartbeat" => ("mutation", by_host, HEARTBEAT.into()),
        "sendMemberHeartbeat" => ("mutation", by_node, format!("nodeId {HEARTBEAT}")),
        "reportDataByNode" => (
            "mutation",
            format!("{by_node}, data: [SensorDataInput!]!"),
            message(),
        ),
        "fireEventsByNode" => ("mutation", with_events, message()),
        "recordEventsByNode" => (
            "mutation",
            with_events,
            "groupId domain recordedCount nextSince __typename".into(),
        ),
        "onMessageInGroup" => ("subscription", IN_GROUP.into(), message()),
        other => panic!("there is no root field {other}"),
    };
    let variables = match token {
        Some(token) if !variables.contains(token) => format!("{variables}, {token}: String"),
        _ => variables,
    };
    document(kind, name, &variables, &selection)
}

fn document(kind: &str, name: &str, variables: &str, selection: &str) -> String {
    if variables.is_empty() {
        return format!("{kind} {{ {name} }}");
    }
    let declared: Vec<_> = variables.split(", ").map(|v| format!("${v}")).collect();
    let passed: Vec<_> = variables
        .split(", ")
        .map(|v| v.split(':').next().unwrap_or_default())
        .map(|v| format!("{v}: ${v}"))
        .collect();
    let selection = match selection {
        "" => String::new(),
        fields => format!(" {{ {fields} }}"),
    };
    format!(
        "{kind} ({}) {{ {name}({}){selection} }}",
        declared.join(", "),
        passed.join(", ")
    )
}
