//! Every field returns its whole result.

use serde_json::{Map, Value, json};

use crate::lambda::tests::{fixture, members};

const STATUS: [&str; 5] = ["nodeId", "groupId", "domain", "data", "timestamp"];
const GROUP: [&str; 13] = [
    "id",
    "domain",
    "fullId",
    "name",
    "hostId",
    "expiresAt",
    "heartbeatIntervalSeconds",
    "useWebSocket",
    "pollingIntervalSeconds",
    "joinCode",
    "locked",
    "pausedUntil",
    "chatMuted",
];
const MESSAGE: [&str; 5] = [
    "groupId",
    "domain",
    "nodeStatus",
    "batchEvent",
    "groupDissolve",
];
const EVENT: [&str; 8] = [
    "name",
    "firedByNodeId",
    "groupId",
    "domain",
    "payload",
    "timestamp",
    "cursor",
    "orderKey",
];

#[tokio::test]
async fn every_mutation_returns_its_whole_result_under_the_schemas_names() {
    let fixture = fixture();
    let domain = fixture.mutation("createDomain", json!({})).await;
    assert_eq!(domain.as_str().unwrap().len(), 16);

    let arguments = json!({
        "name": "class",
        "hostId": "teacher",
        "domain": "d",
        "useWebSocket": true,
        "maxConnectionTimeSeconds": 60,
    });
    let group = fixture.mutation("createGroup", arguments).await;
    assert_eq!(
        members(&group),
        GROUP,
        "aliases and selection of the client do not matter"
    );
    let id = &group["id"];
    let by = |node: &str| json!({"groupId": id, "domain": "d", "nodeId": node});
    let with = |node: &str, name: &str, list: Value| {
        let mut arguments = by(node);
        arguments[name] = list;
        arguments
    };
    let as_host = json!({"groupId": id, "domain": "d", "hostId": "teacher"});

    let node = fixture.mutation("joinGroup", by("kitten")).await;
    assert_eq!(node["name"], "Node kitten");
    assert_eq!(node["expiresAt"], group["expiresAt"]);
    let renewed = fixture.mutation("renewHeartbeat", as_host.clone()).await;
    assert_eq!(renewed["expiresAt"], group["expiresAt"]);
    let heartbeat = fixture.mutation("sendMemberHeartbeat", by("kitten")).await;
    assert_eq!(
        members(&heartbeat),
        [
            "nodeId",
            "groupId",
            "domain",
            "expiresAt",
            "heartbeatIntervalSeconds"
        ]
    );

    // Twice: first on the engine, then on the fast path.
    for _ in 0..2 {
        let data = json!([{"key": "気温", "value": "21"}]);
        let report = fixture
            .mutation("reportDataByNode", with("kitten", "data", data.clone()))
            .await;
        assert_eq!(members(&report), MESSAGE);
        assert_eq!(members(&report["nodeStatus"]), STATUS);
        assert_eq!(report["nodeStatus"]["data"], data);
        assert_eq!(report["batchEvent"], Value::Null);
        let events =
            json!([{"eventName": "go", "payload": "", "firedAt": "2026-11-21T04:40:35+09:00"}]);
        let fired = fixture
            .mutation("fireEventsByNode", with("kitten", "events", events))
            .await;
        assert_eq!(members(&fired["batchEvent"]["events"][0]), EVENT);
        assert_eq!(fired["batchEvent"]["events"][0]["payload"], Value::Null);
    }
    let events = json!([{"eventName": "go", "firedAt": "2026-11-21T04:40:35Z", "orderKey": "1"}]);
    let recorded = fixture
        .mutation("recordEventsByNode", with("kitten", "events", events))
        .await;
    assert_eq!(recorded["recordedCount"], 1);
    assert_eq!(
        members(&recorded),
        ["groupId", "domain", "recordedCount", "nextSince"]
    );

    let left = fixture.mutation("leaveGroup", by("kitten")).await;
    assert_eq!(left["peerId"], "kitten");
    let dissolved = fixture.mutation("dissolveGroup", as_host).await;
    assert_eq!(
        members(&dissolved["groupDissolve"]),
        ["groupId", "domain", "message"]
    );
}

#[tokio::test]
async fn every_query_returns_its_whole_result_under_the_schemas_names() {
    let fixture = fixture();
    let id = fixture.create_group("teacher").await;
    let key = json!({"groupId": id, "domain": "d"});
    let since = json!({"groupId": id, "domain": "d", "since": ""});
    let by = |rest: Value| {
        let mut arguments = key.clone();
        arguments
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        arguments
    };
    fixture
        .mutation(
            "joinGroup",
            by(json!({"nodeId": "kitten", "useWebSocket": false})),
        )
        .await;
    let data = json!([{"key": "x", "value": "1"}]);
    fixture
        .mutation(
            "reportDataByNode",
            by(json!({"nodeId": "kitten", "data": data})),
        )
        .await;
    let events = json!([{"eventName": "go", "firedAt": "2026-11-21T04:40:35Z"}]);
    fixture
        .mutation(
            "fireEventsByNode",
            by(json!({"nodeId": "kitten", "events": events})),
        )
        .await;

    let groups = fixture
        .query("listGroupsByDomain", json!({"domain": "d"}))
        .await;
    assert_eq!(members(&groups[0]), GROUP);
    let found = fixture
        .query(
            "searchGroupsByNamePrefix",
            json!({"namePrefix": "cl", "limit": 1}),
        )
        .await;
    assert_eq!(found, groups);
    assert_eq!(groups[0]["joinCode"], Value::Null);
    let group = by(json!({}))["groupId"].clone();
    let made = json!({"name": "class", "hostId": "teacher", "domain": "d", "useWebSocket": true});
    let made = fixture.mutation("createGroup", made).await;
    assert_eq!(made["id"], group);
    let code = json!({"code": made["joinCode"]});
    assert_eq!(fixture.query("groupByJoinCode", code).await, made);
    let status = fixture
        .query("getNodeStatus", json!({"nodeId": "kitten"}))
        .await;
    assert_eq!(members(&status), STATUS);
    assert_eq!(
        fixture
            .query("getNodeStatus", json!({"nodeId": "unknown"}))
            .await,
        Value::Null
    );
    let statuses = fixture.query("listGroupStatuses", key.clone()).await;
    assert_eq!(statuses, json!([status]));
    let nodes = fixture.query("listNodesInGroup", key.clone()).await;
    assert_eq!(nodes[0]["id"], "kitten");
    let kept = fixture.query("getEventsSince", since.clone()).await;
    assert_eq!(
        members(&kept[0]),
        EVENT,
        "fired events are kept for pollers (D13)"
    );
    let polled = fixture.query("pollGroupData", since).await;
    assert_eq!(polled, json!({"events": kept, "nodeStatuses": statuses}));
}

#[tokio::test]
async fn every_field_of_the_schema_is_resolved_and_no_result_has_an_error_member() {
    let fixture = fixture();
    let mut names: Vec<_> = fixture.handler.fields.names().collect();
    names.sort_unstable();
    assert_eq!(names.len(), 25, "{names:?}");
    for (parent, name) in names {
        // Without arguments, most are rejected by the schema's rules, not as unknown fields.
        let result = fixture.handle(parent, name, json!({})).await;
        if name != "createDomain" {
            let kind = &result["error"]["type"];
            assert_eq!(kind, "ValidationError", "{name}: {result}");
        }
        let field = fixture.handler.fields.get(parent, name).unwrap();
        let document = field.document(&Map::new()).unwrap();
        assert!(
            !document.split_whitespace().any(|word| word == "error"),
            "{document}"
        );
    }
}

#[tokio::test]
async fn an_absent_argument_is_not_null() {
    let fixture = fixture();
    let without = fixture
        .query("searchGroupsByNamePrefix", json!({"namePrefix": "cl"}))
        .await;
    assert_eq!(without, json!([]));
    let null = fixture
        .query("searchGroupsByNamePrefix", json!({"namePrefix": null}))
        .await;
    assert_eq!(
        null["error"]["message"],
        "Variable 'namePrefix' has coerced Null value for NonNull type 'String!'"
    );
    let field = fixture
        .handler
        .fields
        .get("Query", "searchGroupsByNamePrefix")
        .unwrap();
    let given = json!({"limit": null, "namePrefix": "cl"});
    assert_eq!(
        field
            .document(given.as_object().unwrap())
            .unwrap()
            .split_once(" {")
            .unwrap()
            .0,
        "query($namePrefix: String!, $limit: Int)"
    );
}
