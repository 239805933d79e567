//! Every record survives a round trip, in any script.

use proptest::prelude::*;

use super::events::{EventRecord, LogEntry, void_item};
use super::group::{EndCause, GroupRecord};
use super::head::GroupHead;
use super::keys::tests::id;
use super::node::Node;
use super::tombstone::{self, Record};
use super::*;
use crate::model::authority::TokenHash;
use crate::model::event::EventInput;
use crate::model::group::{Delivery, EndReason, Tombstone};
use crate::model::ids::{GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::LessonState;
use crate::model::origin::{Network, Origin};

pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0i64..4_000_000_000_000).prop_map(Timestamp::from_millis)
}

pub fn cursor() -> impl Strategy<Value = Cursor> {
    (timestamp(), 0u32..1_000_000, 0u32..1_000).prop_map(|(at, call, index)| Cursor {
        stamp: Stamp { at, call },
        index,
    })
}

fn node_id(text: &str) -> NodeId {
    NodeId::parse("nodeId", text).unwrap()
}

prop_compose! {
    pub fn group()(id in id(), domain in id(), name in id(), host in id(), created in timestamp(),
        lifetime in 1u32..3000, heartbeat in timestamp(), polling in any::<Option<u32>>(),
        origin in any::<Option<([u8; 8], [u8; 8])>>(), token in any::<bool>(), host_ttl in any::<Option<u32>>(),
        flags in any::<[bool; 2]>(), paused in proptest::option::of(timestamp())) -> Group {
        Group {
            token: token.then(|| TokenHash::parse("t", Some("sixteen bytes or more")).unwrap()).flatten(),
            join_code: token.then(JoinCode::random),
            key: GroupKey::parse(&id, &domain).unwrap(),
            name: GroupName::parse("name", &name).unwrap(),
            host: node_id(&host),
            created_at: created,
            expires_at: created.plus_seconds(lifetime),
            heartbeat_at: heartbeat,
            delivery: polling.map_or(Delivery::WebSocket, |every_seconds| Delivery::Polling { every_seconds }),
            origin: origin.map(|(network, site)| Origin {
                network: Network::new(network),
                site: Network::new(site),
            }),
            lesson: LessonState { host_ttl, is_locked: flags[0], paused_until: paused, is_chat_muted: flags[1] },
        }
    }
}

proptest! {
    #[test]
    fn a_group_survives_a_round_trip(group in group(), watch in any::<i64>(), at in timestamp(), ended in 0usize..5) {
        let ends = [
            None,
            Some(EndCause::Dissolved),
            Some(EndCause::Ended(EndReason::HostSilent)),
            Some(EndCause::Ended(EndReason::TimeUp)),
            Some(EndCause::Ended(EndReason::Replaced)),
        ];
        let ended = ends[ended].map(|cause| (cause, at));
        let record = GroupRecord { group, watch, ended };
        let item = record.item();
        prop_assert_eq!(item.contains_key("gsi_pk"), ended.is_none());
        prop_assert_eq!(GroupRecord::read(&item), Ok(record));
    }

    #[test]
    fn a_tombstone_survives_a_round_trip_and_has_no_names(group in group(), reason in 0usize..3, until in timestamp()) {
        let reason = [EndReason::HostSilent, EndReason::TimeUp, EndReason::Replaced][reason];
        let kept = Tombstone { reason, expires_at: group.expires_at, until };
        let item = tombstone::item(&group.key, &kept);
        for removed in ["name", "hostId", "gsi_pk", "gsi2_pk"] {
            prop_assert!(!item.contains_key(removed));
        }
        prop_assert_eq!(Record::read(&item), Ok(Record::Tombstone(kept)));
        prop_assert_eq!(referenced_group(&tombstone::expiry_item(&group.key, &kept)), Ok(group.key));
    }

    #[test]
    fn a_head_survives_a_round_trip(group in group(), polling in any::<bool>(), nodes in 0usize..1000) {
        let head = GroupHead { nodes, polling, ..GroupHead::default() };
        prop_assert_eq!(GroupHead::read(&head.item(&group)), Ok(head));
    }

    #[test]
    fn events_survive_a_round_trip(group in group(), node in id(), last in cursor(), number in 0u64..1_000_000_000,
        parts in (0u32..3, 1u32..4),
        texts in prop::collection::vec((".*", any::<Option<String>>(), any::<Option<String>>()), 1..5)) {
        let event = |(name, payload, order_key): (String, Option<String>, Option<String>)| EventInput {
            name, payload, order_key, fired_at: "2026-11-21T04:40:35.740Z".into(),
        };
        let events = texts.into_iter().map(event).collect();
        let (part, parts) = parts;
        let record = EventRecord { number, part, parts, node: node_id(&node), last, events };
        prop_assert_eq!(LogEntry::read(&record.item(&group.key, 10)), Ok(LogEntry::Events(record)));
        let void = void_item(&group.key, number, 10, last.stamp.at);
        prop_assert_eq!(LogEntry::read(&void), Ok(LogEntry::Void(number)));
    }
}

#[test]
fn a_damaged_record_is_an_error_without_its_values() {
    let node = node_id("kitten");
    let group = GroupKey::parse("g", "d").unwrap();
    let item = Key::node(&group, &node).attributes();
    let error = Node::read(&item).unwrap_err().to_string();
    assert_eq!(error, "a record's attribute v cannot be read");
}
