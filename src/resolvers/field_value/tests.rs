//! Every field of every list is written, and pages of events are shortened to fit.

use serde_json::{Value, json};

use crate::hub::selection::{Field, SelectedField};
use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::Event;
use crate::model::group::{Delivery, Group, GroupKey, Member};
use crate::model::ids::{GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::LessonState;
use crate::model::nickname::Nickname;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::resolvers::document::DocumentCache;
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::node::SeenMember;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::{DocumentLimits, compile};

const AT: Timestamp = Timestamp::from_millis(1_766_915_894_726);

fn key() -> GroupKey {
    GroupKey::parse("g", "d").unwrap()
}

fn node() -> NodeId {
    NodeId::parse("nodeId", "\"n").unwrap()
}

/// The fields that a selection set selects, of any root field.
fn fields(selection: &str) -> Vec<SelectedField> {
    let text = format!("query {{ root {{ {selection} }} }}");
    let documents = DocumentCache::new(DocumentLimits::default());
    let document = documents.get(&GraphQlRequest::new(text.into(), None, None).unwrap());
    let document = document.unwrap();
    let variables = async_graphql::Variables::default();
    let mut roots = compile::root_fields(document.parsed(), document.operation(), &variables);
    roots.remove(0).fields
}

fn write(value: &FieldValue, selection: &str) -> Value {
    let text = value.write(&fields(selection), usize::MAX, usize::MAX);
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
        token: None,
        join_code: Some(JoinCode::random()),
        key: key(),
        name: GroupName::parse("name", "\\").unwrap(),
        host: node(),
        created_at: AT,
        expires_at: AT,
        heartbeat_at: AT,
        delivery,
        origin: None,
        lesson: LessonState {
            paused_until: Some(AT),
            ..LessonState::default()
        },
    };
    let polling = Delivery::Polling { every_seconds: 2 };
    let groups = FieldValue::Groups(vec![group(Delivery::WebSocket), group(polling)], 15);
    let all = "__typename id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds joinCode locked pausedUntil chatMuted";
    let expected = |websocket: bool, interval: Value| {
        json!({"__typename": "Group", "id": "g", "domain": "d", "fullId": "g@d", "name": "\\",
            "hostId": "\"n", "expiresAt": AT.to_string(), "heartbeatIntervalSeconds": 15,
            "useWebSocket": websocket, "pollingIntervalSeconds": interval, "joinCode": null,
            "locked": false, "pausedUntil": AT.to_string(), "chatMuted": false})
    };
    let expected = json!([expected(true, Value::Null), expected(false, json!(2))]);
    assert_eq!(write(&groups, all), expected);
    let member = Member {
        node: node(),
        group: key(),
        nickname: Some(Nickname::parse("ね\"こ").unwrap()),
        alive_until: AT,
        use_websocket: Some(false),
    };
    let members = FieldValue::Members(vec![SeenMember { member, at: AT }]);
    let all = "__typename id name groupId domain expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds nickname lastSeenAt transport";
    let expected = json!([{"__typename": "Node", "id": "\"n", "name": "Node \"n", "groupId": "g",
        "domain": "d", "expiresAt": null, "heartbeatIntervalSeconds": null, "useWebSocket": null,
        "pollingIntervalSeconds": null, "nickname": "ね\"こ", "lastSeenAt": AT.to_string(),
        "transport": "polling"}]);
    assert_eq!(write(&members, all), expected);
}

#[test]
fn a_poll_has_its_events_and_statuses_under_every_name() {
    let poll = FieldValue::Poll(key(), vec![event(1, 1)], vec![status(1)]);
    let json = write(
        &poll,
        "__typename nodeStatuses { nodeId data { value } } e: events { cursor } events { payload orderKey domain }",
    );
    let cursor = event(1, 1).cursor.unwrap().to_string();
    let expected = json!({"__typename": "PollGroupData",
        "nodeStatuses": [{"nodeId": "\"n", "data": [{"value": "v"}]}],
        "e": [{"cursor": cursor}], "events": [{"payload": "p", "orderKey": null, "domain": "d"}]});
    assert_eq!(json, expected);
    assert_eq!(write(&FieldValue::Status(None), "nodeId"), Value::Null);
}

#[test]
fn a_page_of_events_is_shortened_to_its_share_and_never_empty() {
    let events: Vec<_> = (0..20).map(|number| event(number, 1000)).collect();
    let value = FieldValue::Poll(key(), events, vec![status(500)]);
    let fields = fields(
        "events { cursor payload } twice: events { payload } nodeStatuses { data { value } }",
    );
    let page = |share: usize| {
        let text = value.write(&fields, share, 100_000).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        let events = json["events"].as_array().unwrap().len();
        assert_eq!(json["twice"].as_array().unwrap().len(), events);
        assert!(
            text.len() <= share || events == 1,
            "{} of {share}",
            text.len()
        );
        (events, text.len())
    };
    let (count, length) = page(100_000);
    assert_eq!(count, 20);
    let each = (length - 600) / 20;
    assert_eq!(page(length).0, 20);
    assert_eq!(page(length - 1).0, 19);
    assert_eq!(page(length - 10 * each).0, 10);
    assert_eq!(page(1).0, 1, "the cursor must advance");
    // Only events are dropped: a value that does not fit without them is not written.
    assert_eq!(value.write(&fields, 100, 2_400), None);
    let statuses = FieldValue::Statuses(vec![status(500), status(500)]);
    let values = [SelectedField::node(
        "data",
        Field::Data,
        vec![SelectedField::leaf("value", Field::Value)],
    )];
    assert!(statuses.write(&values, 0, 1_100).is_some());
    assert_eq!(statuses.write(&values, 2_000, 1_000), None);
}
