//! Going past a bound is refused and spoils nothing.

use futures_util::future::join_all;

use crate::model::error::ClientError;
use crate::model::event::{Channel, EventInput};
use crate::model::group::{Group, GroupKey};
use crate::model::rendered;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, data, domain, event, keyed, kind_and_text, refusal};
use crate::store::suite::{LIMITS, START, TIMES, at, second, sentences};
use crate::store::{CreateGroup, Store};

sentences! {
    a_full_domain_refuses_new_groups_only,
    a_full_group_refuses_new_nodes_only,
    a_full_group_forgets_a_node_past_its_time_first,
    a_node_with_too_many_variables_keeps_the_earlier_ones,
    a_node_with_too_large_variables_keeps_the_earlier_ones,
    a_group_of_too_many_bytes_of_variables_refuses_and_keeps_the_earlier_ones,
    variables_of_nodes_past_their_time_make_way_for_those_of_the_living,
    a_log_of_too_many_bytes_refuses_and_keeps_the_earlier_events,
    a_log_of_too_many_calls_refuses_and_keeps_the_earlier_events,
}

#[track_caller]
fn is_full(refused: &ClientError) {
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
    let elsewhere = CreateGroup {
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
    let wish = |n: usize| CreateGroup {
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

/// Bytes that the statuses told of a group take in an answer.
async fn told_bytes<S: Store>(class: &Class<'_, S>, group: &GroupKey, now: Timestamp) -> usize {
    let told = class.store.statuses(group, now).await.unwrap();
    let data = told.iter().flat_map(|status| status.data.iter());
    let rows = told.iter().map(|status| rendered::row(group, &status.node));
    rows.sum::<usize>() + data.map(rendered::datum).sum::<usize>()
}

/// Has nodes of this kind report until the group's variables are full; says how many did.
async fn fills<S: Store>(
    class: &Class<'_, S>,
    group: &GroupKey,
    kind: &str,
    now: Timestamp,
) -> usize {
    // As JSON it takes twice the bytes.
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    for n in 0..LIMITS.nodes_per_group {
        let pairs = data(&[("k", &large)]);
        let node = format!("{kind}{n:02}");
        if let Err(error) = class.try_report(group, &node, pairs, now).await {
            let full = "the group's variables are full: at most 1550000 bytes".to_owned();
            let told = kind_and_text(&refusal::<()>(Err(error)));
            assert_eq!(told, ("LimitExceeded", full));
            return n;
        }
    }
    panic!("it is never full");
}

async fn a_group_of_too_many_bytes_of_variables_refuses_and_keeps_the_earlier_ones<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await.key;
    let most = LIMITS.status_bytes_per_group;
    let fit = fills(&class, &group, "n", START).await;
    let told = class.statuses(&group, START).await;
    assert_eq!(told.len(), fit, "a refused node has no status");
    let bytes = told_bytes(&class, &group, START).await;
    assert!(bytes <= most && bytes > most / 10 * 8, "{bytes} of {most}");
    // Whoever is in may change what it has, and say less so that another fits.
    class.reports(&group, "n00", &[("k", "small")], at(1)).await;
    class.reports(&group, "n01", &[("k", "small")], at(1)).await;
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    class.reports(&group, "late", &[("k", &large)], at(2)).await;
    class.store.leave(&group, &class.node("n02")).await.unwrap();
    class
        .reports(&group, "later", &[("k", &large)], at(3))
        .await;
    assert!(told_bytes(&class, &group, at(3)).await <= most);
}

async fn variables_of_nodes_past_their_time_make_way_for_those_of_the_living<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "n00", START).await;
    let fit = fills(&class, key, "n", START).await;
    // The last one that fits is heard of once more, so that it is the youngest of the dead.
    let youngest = format!("n{:02}", fit - 1);
    class.reports(key, &youngest, &[], second(10)).await;
    class.renews(&group, second(50)).await;
    let late = second(TIMES.member_ttl + 11);
    assert_eq!(class.statuses(key, late).await, []);
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    class.reports(key, "late", &[("k", &large)], late).await;
    class.reports(key, &youngest, &[], late).await;
    let told = class.statuses(key, late).await;
    let nodes: Vec<_> = told.iter().map(|(node, ..)| node.as_str()).collect();
    assert_eq!(nodes, ["late", youngest.as_str()], "the others are hidden");
    assert!(told_bytes(&class, key, late).await > LIMITS.status_bytes * 2);
    class
        .store
        .beat(key, &class.node("n00"), late)
        .await
        .unwrap();
    let oldest = class.status_of("n00", late).await;
    assert_eq!(
        oldest, None,
        "the longest silent made way, and is still a member"
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
