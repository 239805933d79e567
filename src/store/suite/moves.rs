//! Members that leave or move to another group (decision D11).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::group::GroupKey;
use crate::store::Store;
use crate::store::suite::class::{Class, client_error};
use crate::store::suite::nodes::has_no_heartbeat;
use crate::store::suite::{START, at, test_cases};

test_cases! {
    a_node_that_leaves_is_removed,
    leaving_removes_one_node_only,
    a_node_that_joins_elsewhere_moves,
    leaving_the_former_group_does_not_lose_the_new_one,
    dissolving_the_former_group_does_not_lose_the_new_one,
    a_node_that_races_into_two_groups_is_in_one,
    a_refused_join_leaves_a_node_where_it_is,
}

/// A node that reported in one group and joined another; returns both.
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
    let heartbeat = class
        .store
        .heartbeat(group, &class.node("k").into(), at(1))
        .await;
    heartbeat.unwrap();
}

async fn a_node_that_leaves_is_removed<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    for _ in 0..2 {
        class
            .store
            .leave(&group.key, &class.node("k").into())
            .await
            .unwrap();
        assert_eq!(class.members(&group.key, START).await, [""; 0]);
        assert_eq!(class.statuses(&group.key, START).await, []);
        assert_eq!(class.status_of("k", START).await, None);
        has_no_heartbeat(&class, &group.key, &class.node("k")).await;
    }
    class.joins(&group.key, "k", START).await;
    assert_eq!(class.status_of("k", START).await, None);
}

async fn leaving_removes_one_node_only<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    class.reports(&group.key, "h", &[("k", "1")], START).await;
    for node in ["h", "unknown"] {
        class
            .store
            .leave(&group.key, &class.node(node).into())
            .await
            .unwrap();
    }
    assert_eq!(class.listed(START).await, from_ref(&group.key));
    assert_eq!(class.members(&group.key, START).await, ["k"]);
    assert_eq!(class.statuses(&group.key, START).await.len(), 1);
}

async fn a_node_that_joins_elsewhere_moves<S: Store>(class: Class<'_, S>) {
    let (from, to) = moved(&class).await;
    assert_eq!(class.members(&from, at(1)).await, [""; 0]);
    assert_eq!(class.statuses(&from, at(1)).await, []);
    has_no_heartbeat(&class, &from, &class.node("k")).await;
    is_in(&class, &to).await;
}

async fn leaving_the_former_group_does_not_lose_the_new_one<S: Store>(class: Class<'_, S>) {
    let (from, to) = moved(&class).await;
    class
        .store
        .leave(&from, &class.node("k").into())
        .await
        .unwrap();
    is_in(&class, &to).await;
    class
        .reports(&from, "k", &[("k", "as a guest")], at(1))
        .await;
    is_in(&class, &to).await;
    class
        .store
        .leave(&from, &class.node("k").into())
        .await
        .unwrap();
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
        .dissolve(&from, &class.node("from").into(), at(1))
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
    let group = if in_a.is_empty() { b } else { a };
    class.reports(group, "k", &[("k", "new")], at(1)).await;
    is_in(&class, group).await;
}

async fn a_refused_join_leaves_a_node_where_it_is<S: Store>(class: Class<'_, S>) {
    let (_, to) = moved(&class).await;
    let dissolved = class.group("dissolved").await;
    class
        .store
        .dissolve(&dissolved.key, &dissolved.host.clone().into(), START)
        .await
        .unwrap();
    let refused = class
        .store
        .join(&dissolved.key, &class.node("k").into(), None, at(1))
        .await;
    assert_eq!(client_error(refused).kind(), "GroupNotFound");
    is_in(&class, &to).await;
}
