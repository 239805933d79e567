//! Every record comes back as it was, whatever script it is written in.

use proptest::prelude::*;

use super::events::Stretch;
use super::group::{Room, Standing, Why};
use super::keys::tests::id;
use super::node::{Node, Remembered};
use super::tombstone::{self, Record};
use super::*;
use crate::model::event::EventInput;
use crate::model::group::{Delivery, EndReason, Tombstone};
use crate::model::ids::{GroupName, NodeId};
use crate::model::status::{Readings, SensorData};

fn moment() -> impl Strategy<Value = Timestamp> {
    (0i64..4_000_000_000_000).prop_map(Timestamp::from_millis)
}

fn place() -> impl Strategy<Value = Cursor> {
    (moment(), 0u32..1_000_000, 0u32..1_000).prop_map(|(at, call, index)| Cursor {
        stamp: Stamp { at, call },
        index,
    })
}

fn node_id(text: &str) -> NodeId {
    NodeId::parse("nodeId", text).unwrap()
}

prop_compose! {
    fn group()(id in id(), domain in id(), name in id(), host in id(), made in moment(),
        life in 1u32..3000, beat in moment(), polling in any::<Option<u32>>()) -> Group {
        Group {
            key: GroupKey::parse(&id, &domain).unwrap(),
            name: GroupName::parse("name", &name).unwrap(),
            host: node_id(&host),
            created_at: made,
            expires_at: made.plus_seconds(life),
            heartbeat_at: beat,
            delivery: polling.map_or(Delivery::WebSocket, |every_seconds| Delivery::Polling { every_seconds }),
        }
    }
}

proptest! {
    #[test]
    fn a_group_comes_back(group in group(), watch in any::<i64>(), at in moment(), ended in 0usize..5) {
        let ends = [
            None,
            Some(Why::Dissolved),
            Some(Why::By(EndReason::HostSilent)),
            Some(Why::By(EndReason::TimeUp)),
            Some(Why::By(EndReason::Replaced)),
        ];
        let ended = ends[ended].map(|why| (why, at));
        let standing = Standing { group, watch, ended };
        let item = standing.item();
        prop_assert_eq!(item.contains_key("gsi_pk"), ended.is_none());
        prop_assert_eq!(Standing::read(&item), Ok(standing));
    }

    #[test]
    fn a_tombstone_comes_back_and_names_nobody(group in group(), end in 0usize..3, until in moment()) {
        let end = [EndReason::HostSilent, EndReason::TimeUp, EndReason::Replaced][end];
        let kept = Tombstone { end, expires_at: group.expires_at, until };
        let item = tombstone::item(&group.key, &kept);
        for gone in ["name", "hostId", "gsi_pk", "gsi2_pk"] {
            prop_assert!(!item.contains_key(gone));
        }
        prop_assert_eq!(Record::read(&item), Ok(Record::Tombstone(kept)));
        prop_assert_eq!(points_at(&tombstone::due(&group.key, &kept)), Ok(group.key));
    }

    #[test]
    fn a_room_comes_back(group in group(), polling in any::<bool>(), nodes in 0usize..1000) {
        let room = Room { nodes, polling, ..Room::default() };
        prop_assert_eq!(Room::read(&room.item(&group)), Ok(room));
    }

    #[test]
    fn a_node_comes_back(group in group(), node in id(), texts in prop::collection::vec((".*", ".*", moment()), 0..5),
        joined in any::<Option<Option<bool>>>(), at in moment(), last in place()) {
        let mut readings = Readings::default();
        let mut times: Vec<_> = texts.iter().map(|(.., at)| *at).collect();
        times.sort();
        for ((key, value, _), at) in texts.into_iter().zip(times) {
            readings.write(&vec![SensorData { key, value }].into(), at);
        }
        let node = Node {
            version: "v".into(),
            membership: joined.map(|asked| (at, asked)),
            alive_until: Some(Timestamp::from_seconds(at.seconds())),
            readings,
            reserved: usize::try_from(at.seconds()).unwrap(),
            calls: vec![Remembered { fingerprint: vec![0, 7, 255], last, taken_by: "n".into() }],
            ..Node::unknown(&node_id(&node), &group)
        };
        let item = node.item(&group.key);
        prop_assert!(!item.contains_key("gsi_pk"), "only groups stand in the indexes");
        // The table tidies nothing before the group's end: a sleeping node wakes with its
        // variables (decision D31).
        prop_assert!(node.tidy_at > group.expires_at.seconds());
        prop_assert_eq!(Node::read(&item), Ok(node));
        prop_assert_eq!(points_at(&item), Ok(group.key));
    }

    #[test]
    fn events_come_back(group in group(), node in id(), last in place(), after in prop::option::of(place()),
        texts in prop::collection::vec((".*", any::<Option<String>>(), any::<Option<String>>()), 1..5)) {
        let event = |(name, payload, order_key): (String, Option<String>, Option<String>)| EventInput {
            name, payload, order_key, fired_at: "2026-11-21T04:40:35.740Z".into(),
        };
        let events = texts.into_iter().map(event).collect();
        let stretch = Stretch { node: node_id(&node), last, after, events };
        let (read, told_after) = Stretch::read(&stretch.item(&group.key, 10)).unwrap();
        prop_assert_eq!(told_after, after.map(|after| after.to_string()));
        prop_assert_eq!(read, Stretch { after: None, ..stretch });
    }
}

#[test]
fn a_damaged_record_is_an_error_that_names_no_value() {
    let node = node_id("kitten");
    let group = GroupKey::parse("g", "d").unwrap();
    let item = pointer(&Key::node(&group, &node), &group, 0);
    let error = Node::read(&item).unwrap_err().to_string();
    assert!(
        error.contains("nodeId") && !error.contains("kitten"),
        "{error}"
    );
}
