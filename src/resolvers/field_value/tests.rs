//! Every field of every list is written, and pages of events are cut to fit.

use serde_json::{Value, json};

use crate::hub::selection::{Field, SelectedField};
use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::Event;
use crate::model::group::{Delivery, Group, GroupKey, Member};
use crate::model::ids::{GroupName, NodeId};
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::resolvers::document::{Documents, GraphQlRequest};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::{DocumentLimits, compile};

const AT: Timestamp = Timestamp::from_millis(1_766_915_894_726);

fn key() -> GroupKey {
    GroupKey::parse("g", "d").unwrap()
}

fn node() -> NodeId {
    NodeId::parse("nodeId", "\"n").unwrap()
}

/// What is selected by a text; the field of the root does not matter.
fn picks(selection: &str) -> Vec<SelectedField> {
    let text = format!("query {{ root {{ {selection} }} }}");
    let documents = Documents::new(DocumentLimits::default());
    let document = documents.get(&GraphQlRequest::new(text.into(), None, None).unwrap());
    let document = document.unwrap();
    let variables = async_graphql::Variables::default();
    let mut roots = compile::roots(document.parsed(), document.operation(), &variables);
    roots.remove(0).picks
}

fn written(value: &FieldValue, selection: &str) -> Value {
    let text = value.write(&picks(selection), usize::MAX, usize::MAX);
    serde_json::from_slice(&text.unwrap()).unwrap()
}

fn event(number: u32, payload: usize) -> Event {
    Event {
        name: "go".into(),
        fired_by: node(),
        payload: Some("p".repeat(payload)),
        timestamp: AT.to_string(),
        cursor: Some(Cursor {
            stamp: Stamp { at: AT, call: 1 },
            index: number,
        }),
        order_key: None,
    }
}

fn status(bytes: usize) -> NodeStatus {
    let data = vec![SensorData {
        key: "k".into(),
        value: "v".repeat(bytes),
    }];
    NodeStatus {
        node: node(),
        group: key(),
        data: data.into(),
        timestamp: AT,
    }
}

#[test]
fn groups_and_members_have_every_field_of_the_schema() {
    let group = |delivery| Group {
        key: key(),
        name: GroupName::parse("name", "\\").unwrap(),
        host: node(),
        created_at: AT,
        expires_at: AT,
        heartbeat_at: AT,
        delivery,
    };
    let polling = Delivery::Polling { every_seconds: 2 };
    let groups = FieldValue::Groups(vec![group(Delivery::WebSocket), group(polling)], 15);
    let all = "__typename id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds";
    let told = |websocket: bool, interval: Value| {
        json!({"__typename": "Group", "id": "g", "domain": "d", "fullId": "g@d", "name": "\\",
            "hostId": "\"n", "expiresAt": AT.to_string(), "heartbeatIntervalSeconds": 15,
            "useWebSocket": websocket, "pollingIntervalSeconds": interval})
    };
    let expected = json!([told(true, Value::Null), told(false, json!(2))]);
    assert_eq!(written(&groups, all), expected);
    let members = FieldValue::Members(vec![Member {
        node: node(),
        group: key(),
    }]);
    let all = "__typename id name groupId domain expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds";
    let expected = json!([{"__typename": "Node", "id": "\"n", "name": "Node \"n", "groupId": "g",
        "domain": "d", "expiresAt": null, "heartbeatIntervalSeconds": null, "useWebSocket": null,
        "pollingIntervalSeconds": null}]);
    assert_eq!(written(&members, all), expected);
}

#[test]
fn a_poll_has_its_events_and_statuses_under_every_name() {
    let poll = FieldValue::Poll(key(), vec![event(1, 1)], vec![status(1)]);
    let told = written(
        &poll,
        "__typename nodeStatuses { nodeId data { value } } e: events { cursor } events { payload orderKey domain }",
    );
    let cursor = event(1, 1).cursor.unwrap().to_string();
    let expected = json!({"__typename": "PollGroupData",
        "nodeStatuses": [{"nodeId": "\"n", "data": [{"value": "v"}]}],
        "e": [{"cursor": cursor}], "events": [{"payload": "p", "orderKey": null, "domain": "d"}]});
    assert_eq!(told, expected);
    assert_eq!(written(&FieldValue::Status(None), "nodeId"), Value::Null);
}

#[test]
fn a_page_of_events_is_cut_to_its_share_and_never_to_nothing() {
    let events: Vec<_> = (0..20).map(|number| event(number, 1000)).collect();
    let value = FieldValue::Poll(key(), events, vec![status(500)]);
    let picks = picks(
        "events { cursor payload } twice: events { payload } nodeStatuses { data { value } }",
    );
    let many = |share: usize| {
        let text = value.write(&picks, share, 100_000).unwrap();
        let told: Value = serde_json::from_slice(&text).unwrap();
        let events = told["events"].as_array().unwrap().len();
        assert_eq!(told["twice"].as_array().unwrap().len(), events);
        assert!(
            text.len() <= share || events == 1,
            "{} of {share}",
            text.len()
        );
        (events, text.len())
    };
    let (whole, length) = many(100_000);
    assert_eq!(whole, 20);
    let each = (length - 600) / 20;
    assert_eq!(many(length).0, 20);
    assert_eq!(many(length - 1).0, 19);
    assert_eq!(many(length - 10 * each).0, 10);
    assert_eq!(many(1).0, 1, "the cursor must move");
    // Nothing is cut but events: what does not fit without them does not fit.
    assert_eq!(value.write(&picks, 100, 2_400), None);
    let statuses = FieldValue::Statuses(vec![status(500), status(500)]);
    let values = [SelectedField::node(
        "data",
        Field::Data,
        vec![SelectedField::leaf("value", Field::Value)],
    )];
    assert!(statuses.write(&values, 0, 1_100).is_some());
    assert_eq!(statuses.write(&values, 2_000, 1_000), None);
}
