//! Going past a bound is refused and spoils nothing.

use futures_util::future::join_all;

use crate::model::event::{Channel, EventInput};
use crate::model::group::Group;
use crate::model::refusal::Refusal;
use crate::store::suite::class::{Class, data, domain, event, keyed, refusal};
use crate::store::suite::{LIMITS, START, TIMES, at, second, sentences};
use crate::store::{GroupWish, Store};

sentences! {
    a_full_domain_refuses_new_groups_only,
    a_full_group_refuses_new_nodes_only,
    a_full_group_forgets_a_node_past_its_time_first,
    a_node_with_too_many_variables_keeps_the_earlier_ones,
    a_node_with_too_large_variables_keeps_the_earlier_ones,
    a_log_of_too_many_bytes_refuses_and_keeps_the_earlier_events,
    a_log_of_too_many_calls_refuses_and_keeps_the_earlier_events,
}

#[track_caller]
fn is_full(refused: &Refusal) {
    assert_eq!(refused.kind(), "LimitExceeded", "{refused}");
}

async fn a_full_domain_refuses_new_groups_only<S: Store>(class: Class<'_, S>) {
    let hosts: Vec<_> = (0..LIMITS.groups_per_domain)
        .map(|n| format!("h{n}"))
        .collect();
    let groups = join_all(hosts.iter().map(|host| class.group(host))).await;
    is_full(&refusal(
        class.store.host_group(class.wish("late"), START).await,
    ));
    let known = class
        .store
        .host_group(class.wish("h0"), START)
        .await
        .unwrap();
    assert_eq!(known.group, groups[0]);
    class.joins(&groups[1].key, "k", START).await;
    let elsewhere = GroupWish {
        domain: domain(&class.own("elsewhere")),
        ..class.wish("late")
    };
    class.made(elsewhere, START).await;
    class
        .store
        .dissolve(&groups[2].key, &groups[2].host, START)
        .await
        .unwrap();
    class.group("late").await;
    assert_eq!(class.listed(START).await.len(), LIMITS.groups_per_domain);
}

/// Needs a store of its own, with nothing in it.
pub async fn a_full_stage_refuses_new_groups_only<S: Store>(class: Class<'_, S>) {
    let wish = |n: usize| GroupWish {
        domain: domain(&class.own(&format!("{}-", n % 6))),
        ..class.wish(&format!("h{n}"))
    };
    let wishes = (0..LIMITS.groups).map(|n| class.made(wish(n), START));
    let groups = join_all(wishes).await;
    is_full(&refusal(
        class.store.host_group(class.wish("late"), START).await,
    ));
    let known = class.store.host_group(wish(0), START).await.unwrap();
    assert_eq!(known.group, groups[0]);
    class
        .store
        .dissolve(&groups[1].key, &groups[1].host, START)
        .await
        .unwrap();
    class.group("late").await;
}

/// A group with as many nodes as it holds, all named at the start.
async fn full<S: Store>(class: &Class<'_, S>) -> Group {
    let group = class.group("h").await;
    let nodes: Vec<_> = (0..LIMITS.nodes_per_group)
        .map(|n| format!("n{n}"))
        .collect();
    let joins = nodes
        .iter()
        .map(|node| class.joins(&group.key, node, START));
    join_all(joins).await;
    group
}

async fn a_full_group_refuses_new_nodes_only<S: Store>(class: Class<'_, S>) {
    let group = full(&class).await.key;
    let late = class.node("late");
    is_full(&refusal(class.store.join(&group, &late, None, START).await));
    let pairs = data(&[("k", "1")]);
    is_full(&refusal(
        class.try_report(&group, "late", pairs, START).await,
    ));
    assert_eq!(
        class.members(&group, START).await.len(),
        LIMITS.nodes_per_group
    );
    assert_eq!(class.statuses(&group, START).await, []);
    class.joins(&group, "n0", START).await;
    class.reports(&group, "n1", &[("k", "1")], START).await;
    class.store.leave(&group, &class.node("n2")).await.unwrap();
    class.joins(&group, "late", START).await;
    assert_eq!(
        class.members(&group, START).await.len(),
        LIMITS.nodes_per_group
    );
}

async fn a_full_group_forgets_a_node_past_its_time_first<S: Store>(class: Class<'_, S>) {
    let group = full(&class).await;
    class.renews(&group, second(30)).await;
    let living = (1..LIMITS.nodes_per_group).map(|n| class.node(&format!("n{n}")));
    for node in living {
        class
            .store
            .beat(&group.key, &node, second(30))
            .await
            .unwrap();
    }
    let later = second(TIMES.member_ttl + 1);
    class.joins(&group.key, "late", later).await;
    let members = class.members(&group.key, later).await;
    assert_eq!(members.len(), LIMITS.nodes_per_group);
    assert!(members.contains(&"late".to_owned()) && !members.contains(&"n0".to_owned()));
    let next = class
        .store
        .join(&group.key, &class.node("next"), None, later)
        .await;
    is_full(&refusal(next));
}

async fn a_node_with_too_many_variables_keeps_the_earlier_ones<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    let key = |n: usize| (format!("v{n:02}"), "1".to_owned());
    let all: Vec<_> = (0..LIMITS.keys_per_node).map(key).collect();
    let pairs: Vec<_> = all.iter().map(|(k, v)| (&**k, &**v)).collect();
    class.reports(&group, "k", &pairs, at(1)).await;
    let before = class.statuses(&group, at(1)).await;
    for more in [vec![("more", "1")], vec![("v00", "2"), ("more", "1")]] {
        let refused = refusal(class.try_report(&group, "k", data(&more), at(2)).await);
        assert_eq!(refused.kind(), "ValidationError", "{refused}");
        assert_eq!(class.statuses(&group, at(2)).await, before);
    }
    class.reports(&group, "k", &[("v00", "2")], at(3)).await;
    let (.., told) = class.status_of("k", at(3)).await.unwrap();
    assert_eq!(told.split(' ').count(), LIMITS.keys_per_node);
}

async fn a_node_with_too_large_variables_keeps_the_earlier_ones<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    let (half, large) = (LIMITS.status_bytes / 2, "x".repeat(LIMITS.status_bytes));
    let fits = large[..half - 1].to_owned();
    class.reports(&group, "k", &[("a", &fits)], at(1)).await;
    class.reports(&group, "k", &[("b", &fits)], at(2)).await;
    let before = class.statuses(&group, at(2)).await;
    for more in [("c", ""), ("b", &large[..half]), ("c", &large)] {
        let refused = refusal(class.try_report(&group, "k", data(&[more]), at(3)).await);
        assert_eq!(refused.kind(), "ValidationError", "{refused}");
        assert_eq!(class.statuses(&group, at(3)).await, before);
    }
    class.reports(&group, "k", &[("b", "small")], at(4)).await;
    class.reports(&group, "k", &[("c", "1")], at(5)).await;
    let refused = class
        .try_report(&group, "guest", data(&[("k", &large)]), at(5))
        .await;
    assert_eq!(refusal(refused).kind(), "ValidationError");
    let told = class.statuses(&group, at(5)).await;
    assert!(
        told.iter().all(|(node, ..)| node == "k"),
        "a refused guest is told"
    );
}

async fn a_log_of_too_many_bytes_refuses_and_keeps_the_earlier_events<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.polling_group("h").await.key;
    let large = EventInput {
        payload: Some("x".repeat(200_000)),
        ..event("e")
    };
    let fit = LIMITS.event_bytes_per_group / 200_100;
    for _ in 0..fit {
        class.records(&group, "k", vec![large.clone()], START).await;
    }
    let call = class.call(Channel::Recorded, &group, "k", vec![large.clone()]);
    is_full(&refusal(class.store.append(call.clone(), at(1)).await));
    assert_eq!(class.reads_all(&group, at(1)).await.len(), fit);
    let later = second(TIMES.event_ttl + 1);
    class.store.append(call, later).await.unwrap();
    assert_eq!(class.reads_all(&group, later).await.len(), 1);
}

async fn a_log_of_too_many_calls_refuses_and_keeps_the_earlier_events<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.polling_group("h").await.key;
    let keyed = |n: usize| vec![keyed("e", &n.to_string())];
    let calls = (0..LIMITS.calls_per_group).map(|n| class.records(&group, "k", keyed(n), START));
    join_all(calls).await;
    let channel = Channel::Recorded;
    let more = class.call(channel, &group, "k", keyed(LIMITS.calls_per_group));
    is_full(&refusal(class.store.append(more.clone(), at(1)).await));
    let again = class.records(&group, "k", keyed(7), at(1)).await;
    assert!(again.repeated, "a full log still knows its repetitions");
    let told = class.reads_all(&group, at(1)).await;
    assert_eq!(told.len(), LIMITS.calls_per_group);
    let later = second(TIMES.event_ttl + 1);
    assert!(!class.store.append(more, later).await.unwrap().repeated);
}
