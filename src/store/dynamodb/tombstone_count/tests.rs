use super::*;

const QUOTA: Quota = Quota {
    total: 3,
    per_domain: 2,
};

/// A slot in a domain for a minute.
fn slot<'a>(
    count: &'a TombstoneCount,
    domain: &str,
    now: i64,
    existing: usize,
) -> Option<TombstoneSlot<'a>> {
    let domain = Domain::parse("domain", domain).unwrap();
    let at = Timestamp::from_seconds;
    count.reserve((&domain, at(now + 60)), existing, QUOTA, at(now))
}

/// Reserves a slot and keeps it, as for a tombstone that was written; returns whether there
/// was one.
fn keeps(count: &TombstoneCount, domain: &str, now: i64) -> bool {
    slot(count, domain, now, 0)
        .map(TombstoneSlot::keep)
        .is_some()
}

#[test]
fn there_are_never_more_tombstones_than_the_quota() {
    let count = TombstoneCount::default();
    let a = [0, 1, 2].map(|now| keeps(&count, "a", now));
    assert_eq!(a, [true, true, false]);
    let others = ["b", "b", "c"].map(|domain| keeps(&count, domain, 2));
    assert_eq!(others, [true, false, false]);
    assert!(!keeps(&count, "a", 60), "the first slot's last second");
    let later = [61, 62, 63].map(|now| keeps(&count, "a", now));
    assert_eq!(later, [true, true, false]);
}

#[test]
fn a_domain_found_full_gets_no_more() {
    let count = TombstoneCount::default();
    assert!(slot(&count, "a", 0, 2).is_none());
    assert!(slot(&count, "a", 0, 1).is_some());
}

#[test]
fn a_slot_is_released_unless_the_tombstone_was_written() {
    let count = TombstoneCount::default();
    for now in 0..10 {
        assert!(slot(&count, "a", now, 0).is_some());
    }
    assert_eq!(count.reserved(), 0);
    let first = slot(&count, "a", 0, 0);
    assert!(keeps(&count, "a", 0));
    drop(first);
    assert_eq!(count.reserved(), 1);
}

#[test]
fn an_expired_slot_is_not_released_twice() {
    let count = TombstoneCount::default();
    let slow = slot(&count, "a", 0, 0);
    assert!(keeps(&count, "a", 61));
    drop(slow);
    assert_eq!(count.reserved(), 1);
    assert!(keeps(&count, "a", 61));
    assert!(!keeps(&count, "a", 61));
    assert!(keeps(&count, "a", 122));
    let Counts {
        by_expiry,
        by_domain,
        ..
    } = &*count.lock();
    assert_eq!((by_expiry.len(), by_domain.len()), (1, 1));
}
