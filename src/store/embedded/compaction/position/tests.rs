use std::sync::Arc;

use super::*;
use crate::memory::Memory;
use crate::model::join_code::JoinCode;
use crate::model::limits::Limits;
use crate::model::rules::{Rules, Timings};
use crate::model::status::SensorData;
use crate::store::CreateGroup;
use crate::store::embedded::record::Changes;
use crate::store::suite::START;

fn state(changes: Changes) -> State {
    let rules = Rules::new(Timings::STG).unwrap();
    let limits = Limits {
        reporters_per_group: 1_000,
        removed_per_group: 8,
        ..Limits::default()
    };
    State::new(rules, limits, Memory::unlimited(), changes)
}

fn apply(state: &mut State, lines: &[u8]) {
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        state.apply(serde_json::from_slice(line).unwrap());
    }
}

fn report(state: &mut State, group: &GroupKey, number: usize, value: &str) {
    let node = NodeId::parse("nodeId", &format!("node {number}")).unwrap();
    let data = vec![SensorData {
        key: "k".into(),
        value: value.into(),
    }];
    state
        .report(group, &node.clone().into(), Arc::new(data), START)
        .unwrap();
}

/// What happens between two parts is written after the part before and before the part after.
#[test]
fn parts_among_changes_give_the_state_at_the_end() {
    let mut first = state(Changes::persisted());
    let create = |host: &str| CreateGroup {
        token: None,
        domain: crate::model::ids::Domain::parse("domain", "d").unwrap(),
        host: NodeId::parse("hostId", host).unwrap(),
        name: crate::model::ids::GroupName::parse("name", "n").unwrap(),
        delivery: crate::model::group::Delivery::WebSocket,
        lifetime: 300,
        origin: None,
        host_ttl: None,
        is_exempt: false,
        join_code: JoinCode::random(),
        name_is_join_code: false,
    };
    let group = first.host_group(create("h"), START).unwrap().group.key;
    let value = "x".repeat(2000);
    (0..100).for_each(|number| report(&mut first, &group, number, &value));
    first.changes().take();

    let mut next = Vec::new();
    let mut position = Position::new(&first);
    let mut parts = 0;
    while !position.is_end() {
        report(&mut first, &group, parts, "changed");
        report(&mut first, &group, 99 - parts, "changed too");
        report(&mut first, &group, 100 + parts, "new");
        first
            .leave(&group, &NodeId::parse("nodeId", "node 50").unwrap().into())
            .unwrap();
        first
            .host_group(create(&format!("host {parts}")), START)
            .unwrap();
        next.extend(first.changes().take().lines);
        let part = position.part(&first);
        assert!(part.len() < 2 * PART_BYTES);
        next.extend(part);
        parts += 1;
    }
    assert!(parts >= 4, "{parts}");
    let mut second = state(Changes::persisted());
    apply(&mut second, &next);
    assert_eq!(
        second.statuses(&group, START),
        first.statuses(&group, START)
    );
    assert_eq!(second.group_keys().len(), first.group_keys().len());
}
