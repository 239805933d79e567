//! Every node's record survives a round trip, is compact, and its earlier form is read.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;
use proptest::prelude::*;

use super::*;
use crate::model::authority::TokenHash;
use crate::model::cursor::Stamp;
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, GroupKey};
use crate::model::lesson::LessonState;
use crate::model::readings::Layer;
use crate::model::status::SensorData;
use crate::store::dynamodb::items::attributes::{Unreadable, list, map, number};
use crate::store::dynamodb::items::keys::tests::id;
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::tests::{cursor, group};

fn any_time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn layer() -> impl Strategy<Value = Layer> {
    let variable = (".*", ".*").prop_map(|(key, value)| SensorData { key, value });
    let data = prop::collection::vec(variable, 0..4);
    (any_time(), data).prop_map(|(timestamp, data)| Layer {
        timestamp,
        data: data.into(),
    })
}

fn recent_call() -> impl Strategy<Value = RecentCall> {
    let parts = (any::<[u8; 16]>(), cursor(), any::<[u8; 16]>());
    parts.prop_map(|(fingerprint, last, request)| RecentCall {
        fingerprint,
        last,
        request_id: Uuid::from_bytes(request),
    })
}

fn usage() -> impl Strategy<Value = (i64, Usage)> {
    let parts = (any::<i64>(), any::<u32>(), any::<u32>());
    parts.prop_map(|(second, calls, bytes)| {
        let (calls, bytes) = (calls as usize, bytes as usize);
        (second, Usage { calls, bytes })
    })
}

prop_compose! {
    fn node()(group in group(), id in id(), version in any::<[u8; 16]>(),
        membership in any::<Option<(i64, Option<bool>)>>(), foreign in any::<Option<[u8; 8]>>(),
        alive in prop::option::of(0i64..4_000_000_000), layers in prop::collection::vec(layer(), 0..5),
        reserved in any::<u32>(), calls in prop::collection::vec(recent_call(), 0..20),
        logged in prop::collection::vec(usage(), 0..12), flags in any::<[bool; 3]>()) -> (GroupKey, Node) {
        let [has_token, has_nickname, is_removed] = flags;
        let token = TokenHash::parse("t", Some("sixteen bytes or more")).unwrap();
        let node = Node {
            version: Version::Id(version),
            membership: membership.map(|(at, requested)| (Timestamp::from_millis(at), requested)),
            foreign: foreign.map(Network::new),
            alive_until: alive.map(Timestamp::from_seconds),
            readings: Readings::from(layers),
            reserved: reserved as usize,
            calls,
            logged,
            token: token.filter(|_| has_token),
            nickname: has_nickname.then(|| Nickname::parse("ねこ").unwrap()),
            is_removed,
            ..Node::new(&NodeId::parse("nodeId", &id).unwrap(), &group)
        };
        // The TTL removes nothing before the group's end, so that an expired node can be revived
        // with its variables (decision D31).
        assert!(node.ttl > group.expires_at.seconds());
        (group.key, node)
    }
}

proptest! {
    #[test]
    fn any_node_survives_a_round_trip((group, node) in node()) {
        let item = node.item(&group);
        prop_assert!(!item.contains_key("gsi_pk"), "only groups are in the indexes");
        prop_assert_eq!(Key::of(&item), Some(Key::node(&group, &node.id)));
        prop_assert_eq!(member(&item), node.membership.map(|_| node.id.clone()));
        prop_assert_eq!(Node::read(&item), Ok(node));
    }

    #[test]
    fn a_damaged_list_is_an_error((group, node) in node(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let before = node.item(&group);
        for name in ["v", "f", "d", "c", "l"] {
            let mut item = before.clone();
            item.insert(name.into(), Value::B(Blob::new(bytes.clone())));
            // Random bytes may be a list.
            if let Err(error) = Node::read(&item) {
                prop_assert_eq!(error, Unreadable(name));
            }
            item.insert(name.into(), text("text"));
            prop_assert_eq!(Node::read(&item), Err(Unreadable(name)));
        }
    }
}

/// What DynamoDB counts for an item: names and values.
fn size(item: &Item) -> usize {
    let value = |value: &Value| match value {
        Value::S(text) => text.len(),
        Value::B(bytes) => bytes.as_ref().len(),
        Value::N(number) => number.len().div_ceil(2) + 1,
        Value::Bool(_) => 1,
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, v)| name.len() + value(v)).sum()
}

fn a_group() -> Group {
    let second = Timestamp::from_seconds;
    Group {
        token: None,
        join_code: None,
        key: GroupKey::parse("3f0e8c1e-58a4-4d5c-9a53-4f2b8a1d7c66", "0123456789abcdef").unwrap(),
        name: crate::model::ids::GroupName::parse("name", "ねこ").unwrap(),
        host: NodeId::parse("hostId", "host").unwrap(),
        created_at: second(3_900_000_000),
        expires_at: second(3_900_002_100),
        heartbeat_at: second(3_900_000_000),
        delivery: Delivery::WebSocket,
        origin: None,
        lesson: LessonState {
            host_ttl: None,
            is_locked: false,
            paused_until: None,
            is_chat_muted: false,
        },
    }
}

/// Variables as children name them, with values as a game has them.
const VARIABLES: [(&str, &str); 10] = [
    ("スコア", "1280"),
    ("x座標", "-123.45678901234567"),
    ("y座標", "98.76543210987654"),
    ("向き", "90"),
    ("残り時間", "59.966"),
    ("コスチューム番号", "3"),
    ("プレイヤーの名前", "さくら"),
    ("ゲームの状態", "プレイ中"),
    ("敵の数", "12"),
    ("my variable", "true"),
];

/// A member that wrote ten variables one by one and fires an event each second.
fn player(seconds: i64) -> Node {
    let group = a_group();
    let begin = Timestamp::from_seconds(3_900_000_100);
    let mut readings = Readings::default();
    for ((key, value), n) in VARIABLES.into_iter().zip(0..) {
        let (key, value) = (key.to_owned(), value.to_owned());
        let data = vec![SensorData { key, value }];
        readings.write(&data.into(), begin.shifted(n * 2_700));
    }
    let call = |second: i64| {
        let event = EventInput {
            name: "メッセージ1".into(),
            payload: None,
            fired_at: "2026-11-21T04:40:35.740Z".into(),
            order_key: Some(second.to_string()),
        };
        let call = EventCall {
            token: None,
            group: group.key.clone(),
            node: group.host.clone(),
            kind: EventKind::Fired,
            events: vec![event].into(),
        };
        let stamp = Stamp {
            at: begin.shifted(second * 1_003),
            call: 0,
        };
        let fingerprint = call.fingerprint().unwrap();
        RecentCall::new(&fingerprint, Cursor { stamp, index: 0 }, Uuid::new_v4())
    };
    Node {
        version: Version::random(),
        membership: Some((begin, Some(true))),
        alive_until: Some(begin.plus_seconds(600)),
        readings,
        reserved: 3_000,
        calls: (0..seconds).map(call).collect(),
        // In a group that polls they are kept.
        logged: (0..seconds)
            .map(|second| (begin.seconds() + second, Usage::call(60)))
            .collect(),
        ..Node::new(
            &NodeId::parse("nodeId", "0123456789abcdef0123456789abcdef").unwrap(),
            &group,
        )
    }
}

/// The first kilobyte is one write unit; the event TTL is ten seconds.
#[test]
fn a_record_with_ten_variables_is_one_write_unit() {
    let sizes = [0, 11].map(|seconds| size(&player(seconds).item(&a_group().key)));
    let [quiet, firing] = sizes;
    assert!(quiet < 512 && firing < 1024, "{sizes:?}");
}

/// As the form before this one wrote it.
#[test]
fn a_record_of_the_earlier_form_is_read() {
    let mut node = player(1);
    node.version = Version::Earlier("5f2b8a1d7c663f0e8c1e58a44d5c9a53".into());
    node.token = TokenHash::parse("t", Some("sixteen bytes or more")).unwrap();
    node.nickname = Some(Nickname::parse("さくら").unwrap());
    node.foreign = Some(Network::new([1; 8]));
    let group = a_group().key;
    let layers = node.readings.layers().iter().map(|layer| {
        let variable = |d: &SensorData| map([("key", text(&*d.key)), ("value", text(&*d.value))]);
        let data = list(layer.data.iter().map(variable));
        map([
            ("timestamp", text(layer.timestamp.to_string())),
            ("data", data),
        ])
    });
    let calls = node.calls.iter().map(|call| {
        // The digest had 32 bytes.
        let what = [call.fingerprint, [7; 16]].concat();
        map([
            ("what", bytes(&what)),
            ("at", number(call.last.stamp.at.millis())),
            ("call", number(call.last.stamp.call.into())),
            ("index", number(call.last.index.into())),
            ("by", text(call.request_id.to_string())),
        ])
    });
    let (second, usage) = node.logged[0];
    let number_of = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
    let used = [number_of(usage.calls), number_of(usage.bytes)].concat();
    let (joined_at, _) = node.membership.unwrap();
    let attributes = [
        ("groupId", text(group.id.as_str())),
        ("domain", text(group.domain.as_str())),
        ("ttl", number(node.ttl)),
        ("nodeId", text(node.id.as_str())),
        ("version", text("5f2b8a1d7c663f0e8c1e58a44d5c9a53")),
        ("joinedAt", text(joined_at.to_string())),
        ("useWebSocket", Value::Bool(true)),
        ("from", text("0101010101010101")),
        ("aliveUntil", number(node.alive_until.unwrap().seconds())),
        ("status", list(layers)),
        ("token", bytes(node.token.unwrap().as_bytes())),
        ("nickname", text("さくら")),
        ("reserved", number(3_000)),
        ("calls", list(calls)),
        (
            "logged",
            bytes(&[&second.to_be_bytes()[..], &used].concat()),
        ),
    ];
    let mut item = Key::node(&group, &node.id).attributes();
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(member(&item), Some(node.id.clone()));
    assert_eq!(Node::read(&item), Ok(node.clone()));
    let (condition, _) = node.version.condition();
    assert_eq!(condition, "#version = :read");
    item.insert("version".into(), number(1));
    assert_eq!(Node::read(&item), Err(Unreadable("version")));
}
