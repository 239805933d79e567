//! Keys of any ids.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::model::cursor::Stamp;
use crate::model::time::Timestamp;
use crate::property::name;

/// An id of any script, up to the longest one.
pub fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c@%]{1,3}", name(), "[🎈あx]{200,256}"]
}

pub fn every_key(domain: &str, group: &str, node: &str) -> Vec<Key> {
    let key = GroupKey::parse(group, domain).unwrap();
    let node = NodeId::parse("nodeId", node).unwrap();
    let stamp = Stamp {
        at: Timestamp::from_seconds(1_800_000_000),
        call: 1,
    };
    let cursor = Cursor { stamp, index: 2 };
    vec![
        Key::group(&key),
        Key::head(&key),
        Key::node(&key, &node),
        Key::events(&key, cursor),
        Key::reverse(&node),
        Key::lock(&node, &key.domain),
        Key::watch(&key, 1_800_000_000),
        Key::tombstone_expiry(&key, 1_800_000_000),
        Key::readiness_probe(),
        Key::code(JoinCode::parse("code", "01cdef").unwrap()),
    ]
}

/// Which of the three ids each of [`every_key`] contains.
pub const PARTS: [[bool; 3]; 10] = [
    [true, true, false],
    [true, true, false],
    [true, true, true],
    [true, true, false],
    [false, false, true],
    [true, false, true],
    [true, true, false],
    [true, true, false],
    [false, false, false],
    [false, false, false],
];

proptest! {
    #[test]
    fn no_two_records_share_a_key(a in [id(), id(), id()], b in [id(), id(), id()]) {
        let (ours, theirs) = (every_key(&a[0], &a[1], &a[2]), every_key(&b[0], &b[1], &b[2]));
        prop_assert_eq!(ours.iter().collect::<HashSet<_>>().len(), ours.len());
        for (i, ours) in ours.iter().enumerate() {
            for (j, theirs) in theirs.iter().enumerate() {
                let same = i == j && (0..3).all(|p| !PARTS[i][p] || a[p] == b[p]);
                prop_assert_eq!(ours == theirs, same);
            }
        }
    }

    #[test]
    fn every_key_fits_in_dynamodbs_limits(a in [id(), id(), id()]) {
        for key in every_key(&a[0], &a[1], &a[2]) {
            prop_assert!(key.pk.len() <= 2048 && key.sk.len() <= 1024);
            prop_assert_eq!(Key::of(&key.attributes()), Some(key));
        }
    }

    #[test]
    fn truncating_a_long_since_changes_no_comparison(at in 0i64..4_000_000_000_000, tail in "\\PC{0,300}") {
        let cursor = Cursor { stamp: Stamp { at: Timestamp::from_millis(at), call: 0 }, index: 0 }.to_string();
        for since in [format!("{cursor}{tail}"), format!("EVENT#{tail}")] {
            prop_assert_eq!(cursor > since, cursor > events_from(&since).0);
        }
    }
}
