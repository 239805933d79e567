//! Members: join and keep alive (decision D10).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::suite::class::{Class, client_error, events, kind_and_text};
use crate::store::suite::{START, TIMES, at, second, test_cases};

test_cases! {
    members_are_sorted_by_node_id,
    a_host_is_no_member_until_it_joins,
    a_join_returns_the_group,
    a_rejoin_is_the_same_membership,
    a_member_expires_at_its_ttl,
    a_heartbeat_returns_until_when_the_member_is_alive,
    every_keep_alive_extends_membership_and_status,
    a_renew_extends_the_hosts_status,
    a_late_keep_alive_revives_the_variables,
    a_late_renew_revives_the_hosts_variables,
    a_node_revived_just_before_the_groups_end_has_its_variables,
    only_members_may_send_heartbeats,
    a_report_makes_no_member,
    an_event_makes_no_member,
}

async fn members_are_sorted_by_node_id<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let nodes: Vec<_> = (10..50).rev().map(|n| format!("n{n}")).collect();
    join_all(
        nodes
            .iter()
            .map(|node| class.joins(&group.key, node, START)),
    )
    .await;
    let sorted: Vec<_> = (10..50).map(|n| format!("n{n}")).collect();
    assert_eq!(class.members(&group.key, START).await, sorted);
}

async fn a_host_is_no_member_until_it_joins<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    class.reports(key, "h", &[("k", "1")], START).await;
    class.renews(&group, START).await;
    assert_eq!(class.members(key, START).await, [""; 0]);
    assert_eq!(class.status_of("h", START).await, None);
    assert_eq!(class.statuses(key, START).await.len(), 1);
    class.joins(key, "h", START).await;
    assert_eq!(class.members(key, START).await, ["h"]);
    assert!(class.status_of("h", START).await.is_some());
}

async fn a_join_returns_the_group<S: Store>(class: Class<'_, S>) {
    for group in [class.group("a").await, class.polling_group("b").await] {
        for use_websocket in [None, Some(true), Some(false)] {
            let kitten = class.node("k");
            let joined = class
                .store
                .join(&group.key, &kitten.clone().into(), use_websocket, second(1))
                .await;
            assert_eq!(joined.unwrap(), group, "it is neither switched nor renewed");
        }
    }
}

async fn a_rejoin_is_the_same_membership<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    class.renews(&group, second(50)).await;
    class.joins(&group.key, "k", second(50)).await;
    let late = second(TIMES.member_ttl + 10);
    assert_eq!(class.members(&group.key, late).await, ["k"]);
    let expected = ("k".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.status_of("k", late).await, Some(expected.clone()));
    assert_eq!(class.statuses(&group.key, late).await, [expected]);
}

async fn a_member_expires_at_its_ttl<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "k", at(900)).await;
    class.reports(key, "k", &[("k", "1")], at(900)).await;
    class.reports(key, "guest", &[("k", "1")], at(900)).await;
    class.renews(&group, second(50)).await;
    let ttl = i64::from(TIMES.member_ttl) * 1000;
    assert_eq!(class.members(key, at(ttl - 1)).await, ["k"]);
    assert_eq!(class.statuses(key, at(ttl - 1)).await.len(), 2);
    assert!(class.status_of("k", at(ttl - 1)).await.is_some());
    assert_eq!(class.members(key, at(ttl)).await, [""; 0]);
    assert_eq!(class.statuses(key, at(ttl)).await, []);
    assert_eq!(class.status_of("k", at(ttl)).await, None);
}

async fn a_heartbeat_returns_until_when_the_member_is_alive<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    let until = class
        .store
        .heartbeat(&group.key, &class.node("k").into(), at(5_700))
        .await;
    assert_eq!(until.unwrap(), second(5 + TIMES.member_ttl));
}

/// The calls that keep a member alive.
const KEEP_ALIVES: [&str; 5] = ["heartbeat", "join", "report", "fire", "record"];

async fn keeps_alive<S: Store>(class: &Class<'_, S>, call: &str, key: &GroupKey, now: Timestamp) {
    match call {
        "heartbeat" => {
            let heartbeat = class
                .store
                .heartbeat(key, &class.node(call).into(), now)
                .await;
            heartbeat.unwrap();
        }
        "join" => {
            class.joins(key, call, now).await;
        }
        "report" => {
            class.reports(key, call, &[("new", "2")], now).await;
        }
        "fire" => {
            class.fires(key, call, events(&["e"]), now).await;
        }
        "record" => {
            class.records(key, call, events(&["e"]), now).await;
        }
        other => panic!("unknown call: {other}"),
    }
}

async fn every_keep_alive_extends_membership_and_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    for node in KEEP_ALIVES.into_iter().chain(["silent"]) {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("old", "1")], START).await;
    }
    class.renews(&group, second(50)).await;
    for call in KEEP_ALIVES {
        keeps_alive(&class, call, key, second(30)).await;
    }
    let late = second(30 + TIMES.member_ttl - 1);
    let mut calls = KEEP_ALIVES.to_vec();
    calls.sort_unstable();
    assert_eq!(class.members(key, late).await, calls);
    let statuses = class.statuses(key, late).await;
    for call in KEEP_ALIVES {
        let old = (call.to_owned(), 0, "old=1".to_owned());
        assert!(
            statuses.contains(&old),
            "{call} extends no status: {statuses:?}"
        );
        let own = class.status_of(call, late).await;
        assert!(own.is_some(), "{call} extends no reverse record");
    }
    assert!(statuses.iter().all(|(node, ..)| node != "silent"));
}

async fn a_renew_extends_the_hosts_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    class.renews(&group, second(40)).await;
    let late = second(40 + TIMES.member_ttl - 1);
    let expected = ("h".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.statuses(&group.key, late).await, [expected]);
}

async fn a_late_keep_alive_revives_the_variables<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    for node in KEEP_ALIVES.into_iter().chain(["silent"]) {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("old", "1")], START).await;
    }
    class.renews(&group, second(50)).await;
    let late = second(TIMES.member_ttl + 5);
    assert_eq!(class.members(key, late).await, [""; 0]);
    assert_eq!(class.statuses(key, late).await, []);
    for call in KEEP_ALIVES {
        assert_eq!(class.status_of(call, late).await, None);
        keeps_alive(&class, call, key, late).await;
    }
    let mut calls = KEEP_ALIVES.to_vec();
    calls.sort_unstable();
    assert_eq!(class.members(key, late).await, calls);
    let old = |node: &str| (node.to_owned(), 0, "old=1".to_owned());
    let mut read: Vec<_> = calls.iter().map(|node| old(node)).collect();
    read.push(("report".to_owned(), 65_000, "new=2".to_owned()));
    assert_eq!(class.statuses(key, late).await, read);
    assert_eq!(class.status_of("join", late).await, Some(old("join")));
}

async fn a_late_renew_revives_the_hosts_variables<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    class.reports(key, "h", &[("old", "1")], START).await;
    let late = second(TIMES.member_ttl);
    assert_eq!(class.statuses(key, late).await, []);
    class.renews(&group, late).await;
    let expected = ("h".to_owned(), 0, "old=1".to_owned());
    assert_eq!(class.statuses(key, late).await, [expected]);
}

async fn a_node_revived_just_before_the_groups_end_has_its_variables<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "k", START).await;
    class.reports(key, "k", &[("old", "1")], START).await;
    for heartbeat in (1..).map(|n| n * 50).take_while(|s| *s < 300) {
        class.renews(&group, second(heartbeat)).await;
        class.store.reap(second(heartbeat)).await.unwrap();
        assert_eq!(class.statuses(key, second(heartbeat + 20)).await, []);
    }
    let late = second(TIMES.max_connection);
    class
        .store
        .heartbeat(key, &class.node("k").into(), late)
        .await
        .unwrap();
    let expected = ("k".to_owned(), 0, "old=1".to_owned());
    assert_eq!(class.statuses(key, late).await, from_ref(&expected));
    assert_eq!(class.status_of("k", late).await, Some(expected));
}

/// Asserts that the node may send no heartbeat.
pub(super) async fn has_no_heartbeat<S: Store>(
    class: &Class<'_, S>,
    key: &GroupKey,
    node: &NodeId,
) {
    let error = client_error(
        class
            .store
            .heartbeat(key, &node.clone().into(), START)
            .await,
    );
    let expected = ("NodeNotFound", "Node not found".to_owned());
    assert_eq!(kind_and_text(&error), expected);
}

async fn only_members_may_send_heartbeats<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    class
        .reports(&group.key, "guest", &[("k", "1")], START)
        .await;
    for node in ["unknown", "h", "guest"] {
        has_no_heartbeat(&class, &group.key, &class.node(node)).await;
    }
    let other = class.group("other").await;
    class.joins(&other.key, "k", START).await;
    has_no_heartbeat(&class, &group.key, &class.node("k")).await;
}

async fn a_report_makes_no_member<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class
        .reports(&group.key, "guest", &[("k", "1")], START)
        .await;
    let expected = ("guest".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.statuses(&group.key, START).await, from_ref(&expected));
    assert_eq!(class.members(&group.key, START).await, [""; 0]);
    assert_eq!(class.status_of("guest", START).await, None);
    class.joins(&group.key, "guest", START).await;
    assert_eq!(class.status_of("guest", START).await, Some(expected));
}

async fn an_event_makes_no_member<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    class
        .fires(&group.key, "guest", events(&["e"]), START)
        .await;
    class
        .records(&group.key, "guest", events(&["e"]), START)
        .await;
    assert_eq!(class.members(&group.key, START).await, [""; 0]);
    assert_eq!(class.statuses(&group.key, START).await, []);
    assert_eq!(class.status_of("guest", START).await, None);
    has_no_heartbeat(&class, &group.key, &class.node("guest")).await;
}
