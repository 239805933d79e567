//! Members: joining, signs of life, leaving and moving (decisions D10, D11).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::suite::class::{Class, events, kind_and_text, refusal};
use crate::store::suite::{START, TIMES, at, second, sentences};

sentences! {
    members_are_told_by_node_id,
    a_host_is_no_member_until_it_joins,
    a_join_answers_the_group,
    a_rejoin_is_the_same_membership,
    a_member_is_gone_at_its_ttl,
    a_beat_answers_until_when_it_counts,
    every_sign_of_life_renews_membership_and_status,
    a_renew_is_a_sign_of_life_of_the_host,
    a_sign_of_life_after_the_ttl_brings_back_the_variables,
    a_late_renew_brings_back_the_hosts_variables,
    a_node_that_slept_until_just_before_the_end_wakes_with_its_variables,
    only_members_have_a_beat,
    a_report_makes_no_member,
    an_event_makes_no_member,
    a_leaver_is_forgotten,
    leaving_is_for_one_node_only,
    a_node_that_joins_elsewhere_moves,
    leaving_the_former_group_does_not_lose_the_new_one,
    dissolving_the_former_group_does_not_lose_the_new_one,
    a_node_that_races_into_two_groups_is_in_one,
    a_refused_join_leaves_a_node_where_it_is,
}

async fn members_are_told_by_node_id<S: Store>(class: Class<'_, S>) {
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

async fn a_join_answers_the_group<S: Store>(class: Class<'_, S>) {
    for group in [class.group("a").await, class.polling_group("b").await] {
        for asked in [None, Some(true), Some(false)] {
            let kitten = class.node("k");
            let joined = class
                .store
                .join(&group.key, &kitten, asked, second(1))
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
    let told = ("k".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.status_of("k", late).await, Some(told.clone()));
    assert_eq!(class.statuses(&group.key, late).await, [told]);
}

async fn a_member_is_gone_at_its_ttl<S: Store>(class: Class<'_, S>) {
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

async fn a_beat_answers_until_when_it_counts<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    let until = class
        .store
        .beat(&group.key, &class.node("k"), at(5_700))
        .await;
    assert_eq!(until.unwrap(), second(5 + TIMES.member_ttl));
}

/// The ways in which a member shows that it is there.
const SIGNS: [&str; 5] = ["beat", "join", "report", "fire", "record"];

async fn gives<S: Store>(class: &Class<'_, S>, sign: &str, key: &GroupKey, now: Timestamp) {
    match sign {
        "beat" => {
            let beat = class.store.beat(key, &class.node(sign), now).await;
            beat.unwrap();
        }
        "join" => {
            class.joins(key, sign, now).await;
        }
        "report" => {
            class.reports(key, sign, &[("new", "2")], now).await;
        }
        "fire" => {
            class.fires(key, sign, events(&["e"]), now).await;
        }
        "record" => {
            class.records(key, sign, events(&["e"]), now).await;
        }
        other => panic!("no sign of life: {other}"),
    }
}

async fn every_sign_of_life_renews_membership_and_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    for node in SIGNS.into_iter().chain(["silent"]) {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("old", "1")], START).await;
    }
    class.renews(&group, second(50)).await;
    for sign in SIGNS {
        gives(&class, sign, key, second(30)).await;
    }
    let late = second(30 + TIMES.member_ttl - 1);
    let mut signs = SIGNS.to_vec();
    signs.sort_unstable();
    assert_eq!(class.members(key, late).await, signs);
    let told = class.statuses(key, late).await;
    for sign in SIGNS {
        let old = (sign.to_owned(), 0, "old=1".to_owned());
        assert!(told.contains(&old), "{sign} renews no status: {told:?}");
        let own = class.status_of(sign, late).await;
        assert!(own.is_some(), "{sign} renews no reverse record");
    }
    assert!(told.iter().all(|(node, ..)| node != "silent"));
}

async fn a_renew_is_a_sign_of_life_of_the_host<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    class.renews(&group, second(40)).await;
    let late = second(40 + TIMES.member_ttl - 1);
    let told = ("h".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.statuses(&group.key, late).await, [told]);
}

async fn a_sign_of_life_after_the_ttl_brings_back_the_variables<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    for node in SIGNS.into_iter().chain(["silent"]) {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("old", "1")], START).await;
    }
    class.renews(&group, second(50)).await;
    let late = second(TIMES.member_ttl + 5);
    assert_eq!(class.members(key, late).await, [""; 0]);
    assert_eq!(class.statuses(key, late).await, []);
    for sign in SIGNS {
        assert_eq!(class.status_of(sign, late).await, None);
        gives(&class, sign, key, late).await;
    }
    let mut signs = SIGNS.to_vec();
    signs.sort_unstable();
    assert_eq!(class.members(key, late).await, signs);
    let old = |node: &str| (node.to_owned(), 0, "old=1".to_owned());
    let mut told: Vec<_> = signs.iter().map(|node| old(node)).collect();
    told.push(("report".to_owned(), 65_000, "new=2".to_owned()));
    assert_eq!(class.statuses(key, late).await, told);
    assert_eq!(class.status_of("join", late).await, Some(old("join")));
}

async fn a_late_renew_brings_back_the_hosts_variables<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    class.reports(key, "h", &[("old", "1")], START).await;
    let late = second(TIMES.member_ttl);
    assert_eq!(class.statuses(key, late).await, []);
    class.renews(&group, late).await;
    let told = ("h".to_owned(), 0, "old=1".to_owned());
    assert_eq!(class.statuses(key, late).await, [told]);
}

async fn a_node_that_slept_until_just_before_the_end_wakes_with_its_variables<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "k", START).await;
    class.reports(key, "k", &[("old", "1")], START).await;
    for beat in (1..).map(|n| n * 50).take_while(|s| *s < 300) {
        class.renews(&group, second(beat)).await;
        class.store.reap(second(beat)).await.unwrap();
        assert_eq!(class.statuses(key, second(beat + 20)).await, []);
    }
    let late = second(TIMES.max_connection);
    class.store.beat(key, &class.node("k"), late).await.unwrap();
    let told = ("k".to_owned(), 0, "old=1".to_owned());
    assert_eq!(class.statuses(key, late).await, from_ref(&told));
    assert_eq!(class.status_of("k", late).await, Some(told));
}

async fn has_no_beat<S: Store>(class: &Class<'_, S>, key: &GroupKey, node: &NodeId) {
    let refused = refusal(class.store.beat(key, node, START).await);
    let told = ("NodeNotFound", "Node not found".to_owned());
    assert_eq!(kind_and_text(&refused), told);
}

async fn only_members_have_a_beat<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    class
        .reports(&group.key, "guest", &[("k", "1")], START)
        .await;
    for node in ["unknown", "h", "guest"] {
        has_no_beat(&class, &group.key, &class.node(node)).await;
    }
    let other = class.group("other").await;
    class.joins(&other.key, "k", START).await;
    has_no_beat(&class, &group.key, &class.node("k")).await;
}

async fn a_report_makes_no_member<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class
        .reports(&group.key, "guest", &[("k", "1")], START)
        .await;
    let told = ("guest".to_owned(), 0, "k=1".to_owned());
    assert_eq!(class.statuses(&group.key, START).await, from_ref(&told));
    assert_eq!(class.members(&group.key, START).await, [""; 0]);
    assert_eq!(class.status_of("guest", START).await, None);
    class.joins(&group.key, "guest", START).await;
    assert_eq!(class.status_of("guest", START).await, Some(told));
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
    has_no_beat(&class, &group.key, &class.node("guest")).await;
}

async fn a_leaver_is_forgotten<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    for _ in 0..2 {
        class
            .store
            .leave(&group.key, &class.node("k"))
            .await
            .unwrap();
        assert_eq!(class.members(&group.key, START).await, [""; 0]);
        assert_eq!(class.statuses(&group.key, START).await, []);
        assert_eq!(class.status_of("k", START).await, None);
        has_no_beat(&class, &group.key, &class.node("k")).await;
    }
    class.joins(&group.key, "k", START).await;
    assert_eq!(class.status_of("k", START).await, None);
}

async fn leaving_is_for_one_node_only<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    for node in ["h", "unknown"] {
        class
            .store
            .leave(&group.key, &class.node(node))
            .await
            .unwrap();
    }
    assert_eq!(class.listed(START).await, from_ref(&group.key));
    assert_eq!(class.members(&group.key, START).await, ["k"]);
    assert_eq!(class.statuses(&group.key, START).await.len(), 1);
}

/// A node that reported in one group and has joined another; answers both.
async fn moved<S: Store>(class: &Class<'_, S>) -> (GroupKey, GroupKey) {
    let (from, to) = (class.group("from").await.key, class.group("to").await.key);
    class.joins(&from, "k", START).await;
    class.reports(&from, "k", &[("k", "old")], START).await;
    class.joins(&to, "k", at(1)).await;
    assert_eq!(class.status_of("k", at(1)).await, None);
    class.reports(&to, "k", &[("k", "new")], at(1)).await;
    (from, to)
}

async fn is_in<S: Store>(class: &Class<'_, S>, group: &GroupKey) {
    let own = class
        .store
        .status_of(&class.node("k"), at(1))
        .await
        .unwrap();
    let own = own.expect("the node has a status");
    assert_eq!(own.group, *group);
    assert_eq!(class.brief(&own), ("k".to_owned(), 1, "k=new".to_owned()));
    assert_eq!(class.members(group, at(1)).await, ["k"]);
    let beat = class.store.beat(group, &class.node("k"), at(1)).await;
    beat.unwrap();
}

async fn a_node_that_joins_elsewhere_moves<S: Store>(class: Class<'_, S>) {
    let (from, to) = moved(&class).await;
    assert_eq!(class.members(&from, at(1)).await, [""; 0]);
    assert_eq!(class.statuses(&from, at(1)).await, []);
    has_no_beat(&class, &from, &class.node("k")).await;
    is_in(&class, &to).await;
}

async fn leaving_the_former_group_does_not_lose_the_new_one<S: Store>(class: Class<'_, S>) {
    let (from, to) = moved(&class).await;
    class.store.leave(&from, &class.node("k")).await.unwrap();
    is_in(&class, &to).await;
    class
        .reports(&from, "k", &[("k", "as a guest")], at(1))
        .await;
    is_in(&class, &to).await;
    class.store.leave(&from, &class.node("k")).await.unwrap();
    assert_eq!(class.statuses(&from, at(1)).await, []);
    is_in(&class, &to).await;
}

async fn dissolving_the_former_group_does_not_lose_the_new_one<S: Store>(class: Class<'_, S>) {
    let (from, to) = moved(&class).await;
    class
        .reports(&from, "k", &[("k", "as a guest")], at(1))
        .await;
    let dissolved = class
        .store
        .dissolve(&from, &class.node("from"), at(1))
        .await;
    dissolved.unwrap();
    is_in(&class, &to).await;
}

async fn a_node_that_races_into_two_groups_is_in_one<S: Store>(class: Class<'_, S>) {
    let groups = [class.group("a").await.key, class.group("b").await.key];
    let joins = (0..20).map(|n| class.joins(&groups[n % 2], "k", START));
    join_all(joins).await;
    let [a, b] = [&groups[0], &groups[1]];
    let in_a = class.members(a, START).await;
    let in_b = class.members(b, START).await;
    assert_eq!(in_a.len() + in_b.len(), 1, "{in_a:?} {in_b:?}");
    let home = if in_a.is_empty() { b } else { a };
    class.reports(home, "k", &[("k", "new")], at(1)).await;
    is_in(&class, home).await;
}

async fn a_refused_join_leaves_a_node_where_it_is<S: Store>(class: Class<'_, S>) {
    let (_, to) = moved(&class).await;
    let dead = class.group("dead").await;
    class
        .store
        .dissolve(&dead.key, &dead.host, START)
        .await
        .unwrap();
    let refused = class
        .store
        .join(&dead.key, &class.node("k"), None, at(1))
        .await;
    assert_eq!(refusal(refused).kind(), "GroupNotFound");
    is_in(&class, &to).await;
}
