//! Batches of events (`BatchInvoke`).

use serde_json::{Value, json};

use crate::lambda::tests::{event, fixture, members};
use crate::lambda::{MAX_BATCH_EVENTS, MalformedEvent};

#[tokio::test]
async fn a_batch_is_handled_in_order() {
    let fixture = fixture();
    let id = fixture.create_group("teacher").await;
    let report = |value: &str| {
        let data = json!([{"key": "x", "value": value}]);
        event(
            "Mutation",
            "reportDataByNode",
            &json!({"groupId": id, "domain": "d", "nodeId": "kitten", "data": data}),
        )
    };
    let batch = json!([
        report("1"),
        event("Mutation", "renewHeartbeat", &json!({"groupId": "nowhere", "domain": "d", "hostId": "h"})),
        {"info": {}},
        report("2"),
        event("Query", "getNodeStatus", &json!({"nodeId": "unknown"})),
        event("Query", "listGroupStatuses", &json!({"groupId": id, "domain": "d"})),
    ]);
    let results = fixture.handler.handle(batch).await.unwrap();
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 6);
    assert_eq!(results[0]["data"]["nodeStatus"]["data"][0]["value"], "1");
    assert_eq!(
        results[1],
        json!({"data": null, "errorMessage": "Group not found: nowhere@d", "errorType": "GroupNotFound"})
    );
    assert_eq!(
        (&results[2]["data"], &results[2]["errorType"]),
        (&Value::Null, &json!("MalformedEvent"))
    );
    assert_eq!(members(&results[3]), ["data"]);
    assert_eq!(results[4], json!({"data": null}));
    assert_eq!(
        results[5]["data"][0]["data"][0]["value"], "2",
        "the second report came last"
    );
    assert_eq!(fixture.handler.handle(json!([])).await, Ok(json!([])));
}

#[tokio::test]
async fn a_batch_has_a_maximum_size() {
    let fixture = fixture();
    let one = event("Query", "getNodeStatus", &json!({"nodeId": "n"}));
    let full = fixture
        .handler
        .handle(vec![one.clone(); MAX_BATCH_EVENTS].into())
        .await
        .unwrap();
    assert_eq!(full.as_array().unwrap().len(), MAX_BATCH_EVENTS);
    let result = fixture
        .handler
        .handle(vec![one; MAX_BATCH_EVENTS + 1].into())
        .await;
    assert_eq!(result, Err(MalformedEvent::TooManyEvents));
}
