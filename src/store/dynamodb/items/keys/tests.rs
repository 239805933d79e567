//! Keys of any ids.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::property::name;

/// An id of any script, up to the longest one.
pub fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c@%]{1,3}", name(), "[🎈あx]{200,256}"]
}

pub fn every_key(domain: &str, group: &str, node: &str) -> Vec<Key> {
    let key = GroupKey::parse(group, domain).unwrap();
    let node = NodeId::parse("nodeId", node).unwrap();
    vec![
        Key::group(&key),
        Key::head(&key),
        Key::node(&key, &node),
        Key::call(&key, 7, 2),
        Key::log(&key),
        Key::reverse(&node),
        Key::lock(&node, &key.domain),
        Key::watch(&key, 1_800_000_000),
        Key::tombstone_expiry(&key, 1_800_000_000),
        Key::readiness_probe(),
        Key::code(JoinCode::parse("code", "01cdef").unwrap()),
    ]
}

/// Which of the three ids each of [`every_key`] contains.
pub const PARTS: [[bool; 3]; 11] = [
    [true, true, false],
    [true, true, false],
    [true, true, true],
    [true, true, false],
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
    fn calls_sort_by_number_and_part(a in (0u64..1_000_000_000, 0u32..100), b in (0u64..1_000_000_000, 0u32..100)) {
        let group = GroupKey::parse("g", "d").unwrap();
        let key = |(number, part)| Key::call(&group, number, part).sk;
        prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        prop_assert_eq!(call_number(&key(a)), Some(a));
        let (low, high) = calls_from(a.0);
        prop_assert_eq!(b.0 >= a.0, (low..=high).contains(&key(b)));
    }
}
