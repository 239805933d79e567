//! Limits: a request that would exceed one is refused and changes nothing.

use futures_util::future::join_all;

use crate::model::error::ClientError;
use crate::model::event::{EventInput, EventKind};
use crate::model::group::{Group, GroupKey};
use crate::model::json_size;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, client_error, data, domain, event, keyed, kind_and_text};
use crate::store::suite::{LIMITS, START, TIMES, at, second, test_cases};
use crate::store::{CreateGroup, Store};

test_cases! {
    a_full_domain_refuses_new_groups_only,
    a_full_group_refuses_new_nodes_only,
    a_full_group_evicts_an_expired_node,
    a_node_with_too_many_variables_keeps_the_earlier_ones,
    a_node_with_too_large_variables_keeps_the_earlier_ones,
    a_group_with_too_large_variables_keeps_the_earlier_ones,
    variables_of_expired_nodes_are_evicted_for_those_of_live_ones,
    a_log_of_too_many_bytes_refuses_and_keeps_the_earlier_events,
    a_log_of_too_many_calls_refuses_and_keeps_the_earlier_events,
}

#[track_caller]
fn is_full(error: &ClientError) {
    assert_eq!(error.kind(), "LimitExceeded", "{error}");
}

async fn a_full_domain_refuses_new_groups_only<S: Store>(class: Class<'_, S>) {
    let hosts: Vec<_> = (0..LIMITS.groups_per_domain)
        .map(|n| format!("h{n}"))
        .collect();
    let groups = join_all(hosts.iter().map(|host| class.group(host))).await;
    is_full(&client_error(
        class.store.host_group(class.request("late"), START).await,
    ));
    let existing = class
        .store
        .host_group(class.request("h0"), START)
        .await
        .unwrap();
    assert_eq!(existing.group, groups[0]);
    class.joins(&groups[1].key, "k", START).await;
    let elsewhere = CreateGroup {
        domain: domain(&class.own("elsewhere")),
        ..class.request("late")
    };
    class.created(elsewhere, START).await;
    class
        .store
        .dissolve(&groups[2].key, &groups[2].host.clone().into(), START)
        .await
        .unwrap();
    class.group("late").await;
    assert_eq!(class.listed(START).await.len(), LIMITS.groups_per_domain);
}

/// Needs an empty store of its own.
pub async fn a_full_server_refuses_new_groups_only<S: Store>(class: Class<'_, S>) {
    let request = |n: usize| CreateGroup {
        domain: domain(&class.own(&format!("{}-", n % 6))),
        ..class.request(&format!("h{n}"))
    };
    let requests = (0..LIMITS.groups).map(|n| class.created(request(n), START));
    let groups = join_all(requests).await;
    is_full(&client_error(
        class.store.host_group(class.request("late"), START).await,
    ));
    let existing = class.store.host_group(request(0), START).await.unwrap();
    assert_eq!(existing.group, groups[0]);
    class
        .store
        .dissolve(&groups[1].key, &groups[1].host.clone().into(), START)
        .await
        .unwrap();
    class.group("late").await;
}

/// A full group, whose nodes joined at the start.
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
    is_full(&client_error(
        class
            .store
            .join(&group, &late.clone().into(), None, START)
            .await,
    ));
    for n in 0..LIMITS.reporters_per_group {
        class.reports(&group, &format!("r{n}"), &[], START).await;
    }
    let pairs = data(&[("k", "1")]);
    is_full(&client_error(
        class.try_report(&group, "late", pairs, START).await,
    ));
    assert_eq!(
        class.members(&group, START).await.len(),
        LIMITS.nodes_per_group
    );
    let statuses = class.statuses(&group, START).await;
    assert!(statuses.iter().all(|(node, ..)| node.starts_with('r')));
    class.joins(&group, "n0", START).await;
    class.reports(&group, "n1", &[("k", "1")], START).await;
    class
        .store
        .leave(&group, &class.node("n2").into())
        .await
        .unwrap();
    class.joins(&group, "late", START).await;
    assert_eq!(
        class.members(&group, START).await.len(),
        LIMITS.nodes_per_group
    );
}

async fn a_full_group_evicts_an_expired_node<S: Store>(class: Class<'_, S>) {
    let group = full(&class).await;
    class.renews(&group, second(30)).await;
    let live = (1..LIMITS.nodes_per_group).map(|n| class.node(&format!("n{n}")));
    for node in live {
        class
            .store
            .heartbeat(&group.key, &node.clone().into(), second(30))
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
        .join(&group.key, &class.node("next").into(), None, later)
        .await;
    is_full(&client_error(next));
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
        let error = client_error(class.try_report(&group, "k", data(&more), at(2)).await);
        assert_eq!(error.kind(), "ValidationError", "{error}");
        assert_eq!(class.statuses(&group, at(2)).await, before);
    }
    class.reports(&group, "k", &[("v00", "2")], at(3)).await;
    let (.., read) = class.status_of("k", at(3)).await.unwrap();
    assert_eq!(read.split(' ').count(), LIMITS.keys_per_node);
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
        let error = client_error(class.try_report(&group, "k", data(&[more]), at(3)).await);
        assert_eq!(error.kind(), "ValidationError", "{error}");
        assert_eq!(class.statuses(&group, at(3)).await, before);
    }
    class.reports(&group, "k", &[("b", "small")], at(4)).await;
    class.reports(&group, "k", &[("c", "1")], at(5)).await;
    let refused = class
        .try_report(&group, "guest", data(&[("k", &large)]), at(5))
        .await;
    assert_eq!(client_error(refused).kind(), "ValidationError");
    let statuses = class.statuses(&group, at(5)).await;
    assert!(
        statuses.iter().all(|(node, ..)| node == "k"),
        "a refused node has a status"
    );
}

/// Bytes of a group's statuses in a response.
async fn status_bytes<S: Store>(class: &Class<'_, S>, group: &GroupKey, now: Timestamp) -> usize {
    let statuses = class.store.statuses(group, now).await.unwrap();
    let data = statuses.iter().flat_map(|status| status.data.iter());
    let rows = statuses
        .iter()
        .map(|status| json_size::row(group, &status.node));
    rows.sum::<usize>() + data.map(json_size::variable).sum::<usize>()
}

/// Lets nodes with the prefix `kind` report until the group's variables are full; returns how
/// many did.
async fn fills<S: Store>(
    class: &Class<'_, S>,
    group: &GroupKey,
    kind: &str,
    now: Timestamp,
) -> usize {
    // Twice the bytes as JSON.
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    for n in 0..LIMITS.nodes_per_group {
        let pairs = data(&[("k", &large)]);
        let node = format!("{kind}{n:02}");
        class.joins(group, &node, now).await;
        if let Err(error) = class.try_report(group, &node, pairs, now).await {
            let full = "the group's variables are full: at most 1650000 bytes".to_owned();
            let read = kind_and_text(&client_error::<()>(Err(error)));
            assert_eq!(read, ("LimitExceeded", full));
            return n;
        }
    }
    panic!("the group is never full");
}

async fn a_group_with_too_large_variables_keeps_the_earlier_ones<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let most = LIMITS.status_bytes_per_group;
    let fit = fills(&class, &group, "n", START).await;
    let statuses = class.statuses(&group, START).await;
    assert_eq!(statuses.len(), fit, "a refused node has no status");
    let bytes = status_bytes(&class, &group, START).await;
    assert!(bytes <= most && bytes > most / 10 * 8, "{bytes} of {most}");
    // Existing nodes can change their variables, and smaller ones free bytes for others.
    class.reports(&group, "n00", &[("k", "small")], at(1)).await;
    class.reports(&group, "n01", &[("k", "small")], at(1)).await;
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    class.reports(&group, "late", &[("k", &large)], at(2)).await;
    class
        .store
        .leave(&group, &class.node("n02").into())
        .await
        .unwrap();
    class
        .reports(&group, "later", &[("k", &large)], at(3))
        .await;
    assert!(status_bytes(&class, &group, at(3)).await <= most);
}

async fn variables_of_expired_nodes_are_evicted_for_those_of_live_ones<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "n00", START).await;
    let fit = fills(&class, key, "n", START).await;
    // The last one that fits reports once more, so that it expires last.
    let newest = format!("n{:02}", fit - 1);
    class.reports(key, &newest, &[], second(10)).await;
    class.renews(&group, second(50)).await;
    let late = second(TIMES.member_ttl + 11);
    assert_eq!(class.statuses(key, late).await, []);
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    class.joins(key, "late", late).await;
    class.reports(key, "late", &[("k", &large)], late).await;
    class.reports(key, &newest, &[], late).await;
    let statuses = class.statuses(key, late).await;
    let nodes: Vec<_> = statuses.iter().map(|(node, ..)| node.as_str()).collect();
    assert_eq!(nodes, ["late", newest.as_str()], "the others are hidden");
    assert!(status_bytes(&class, key, late).await > LIMITS.status_bytes * 2);
    class
        .store
        .heartbeat(key, &class.node("n00").into(), late)
        .await
        .unwrap();
    let oldest = class.status_of("n00", late).await;
    assert_eq!(
        oldest, None,
        "the variables of the first to expire are evicted; it is still a member"
    );
}

/// Names of members who together may fill all of a log but its reserve.
const SENDERS: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

async fn a_log_of_too_many_bytes_refuses_and_keeps_the_earlier_events<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.polling_group("h").await.key;
    let large = EventInput {
        payload: Some("x".repeat(200_000)),
        ..event("e")
    };
    let fit = LIMITS.log_bytes().open() / 200_100;
    for (node, _) in SENDERS.iter().cycle().zip(0..fit) {
        class.joins(&group, node, START).await;
        class
            .records(&group, node, vec![large.clone()], START)
            .await;
    }
    let call = class.call(EventKind::Recorded, &group, "k0", vec![large.clone()]);
    is_full(&client_error(class.store.append(call.clone(), at(1)).await));
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
    for node in SENDERS {
        class.joins(&group, node, START).await;
    }
    let most = LIMITS.log_calls().open();
    let calls =
        (0..most).map(|n| class.records(&group, SENDERS[n % SENDERS.len()], keyed(n), START));
    join_all(calls).await;
    let more = class.call(EventKind::Recorded, &group, "k0", keyed(most));
    is_full(&client_error(class.store.append(more.clone(), at(1)).await));
    let again = class.records(&group, "k7", keyed(7), at(1)).await;
    assert!(again.repeated, "a full log still recognizes repetitions");
    let read = class.reads_all(&group, at(1)).await;
    assert_eq!(read.len(), most);
    let later = second(TIMES.event_ttl + 1);
    assert!(!class.store.append(more, later).await.unwrap().repeated);
}
