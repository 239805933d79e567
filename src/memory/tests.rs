use super::*;

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let memory = Memory::new(1000);
    let mut lease = memory.lease(Purpose::Queues, 10);
    lease.resize(30);
    let other = memory.lease(Purpose::Responses, 5);
    assert_eq!((memory.leased(Purpose::Queues), memory.total()), (30, 35));
    lease.resize(7);
    drop(other);
    assert_eq!(memory.total(), 7);
    drop(lease);
    assert_eq!(memory.total(), 0);
}

#[test]
fn groups_are_refused_first_then_nodes_then_data() {
    let memory = Memory::new(1000);
    let refused = |held: usize| {
        let _lease = memory.lease(Purpose::Stored, held);
        [Work::Group, Work::Node, Work::Data].map(|work| memory.admit(work, 0).is_err())
    };
    assert_eq!(refused(700), [false, false, false]);
    assert_eq!(refused(701), [true, false, false]);
    assert_eq!(refused(801), [true, true, false]);
    assert_eq!(refused(901), [true, true, true]);
    let _lease = memory.lease(Purpose::Stored, 600);
    let error = memory.admit(Work::Group, 101).unwrap_err();
    assert_eq!(error.kind(), "LimitExceeded");
}

#[test]
fn small_growth_of_an_existing_node_is_refused_last() {
    let memory = Memory::new(1_000_000);
    let admitted = |held: usize| {
        let _lease = memory.lease(Purpose::Stored, held);
        [SMALL_BYTES + 1, SMALL_BYTES, 0].map(|bytes| memory.admit_growth(bytes).is_ok())
    };
    assert_eq!(admitted(890_000), [true, true, true]);
    assert_eq!(admitted(900_000), [false, true, true]);
    assert_eq!(admitted(999_999), [false, false, true]);
    assert_eq!(admitted(2_000_000), [false, false, true]);
}
