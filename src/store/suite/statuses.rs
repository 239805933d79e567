//! Reports and statuses (decision D9).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::store::Store;
use crate::store::suite::class::{Class, data};
use crate::store::suite::{START, at, second, test_cases};

test_cases! {
    a_report_returns_only_what_was_sent,
    one_report_is_one_status,
    each_variable_keeps_its_own_time,
    times_whose_variables_were_all_rewritten_are_removed,
    the_last_value_of_a_variable_repeated_in_a_report_wins,
    a_node_that_reported_nothing_has_one_empty_status,
    an_empty_report_changes_no_variable,
    reports_at_one_time_are_one_status,
    statuses_are_sorted_by_node_then_time,
    a_node_that_only_joined_has_no_status,
    a_report_after_the_clock_stepped_back_still_wins,
    concurrent_reports_of_one_node_lose_nothing,
    groups_are_independent,
}

fn status(node: &str, millis: i64, pairs: &str) -> (String, i64, String) {
    (node.to_owned(), millis, pairs.to_owned())
}

async fn a_report_returns_only_what_was_sent<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.reports(&group, "k", &[("old", "1")], START).await;
    let pairs = [("b", "2"), ("a", "1"), ("b", "3"), ("", "")];
    let answer = class.reports(&group, "k", &pairs, at(1)).await;
    assert_eq!((&answer.node, &answer.group), (&class.node("k"), &group));
    assert_eq!(
        (answer.data.to_vec(), answer.timestamp),
        (data(&pairs), at(1))
    );
    let answer = class.reports(&group, "k", &[], at(2)).await;
    assert_eq!((answer.data.to_vec(), answer.timestamp), (vec![], at(2)));
}

async fn one_report_is_one_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    class
        .reports(&group, "k", &[("b", "2"), ("a", "1")], at(7))
        .await;
    let one = status("k", 7, "b=2 a=1");
    assert_eq!(class.statuses(&group, at(7)).await, from_ref(&one));
    assert_eq!(class.status_of("k", at(7)).await, Some(one));
}

async fn each_variable_keeps_its_own_time<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    class
        .reports(&group, "k", &[("a", "1"), ("b", "1"), ("c", "1")], at(1))
        .await;
    class
        .reports(&group, "k", &[("b", "2"), ("c", "2")], at(2))
        .await;
    class.reports(&group, "k", &[("c", "3")], at(3)).await;
    let layers = [
        status("k", 1, "a=1"),
        status("k", 2, "b=2"),
        status("k", 3, "c=3"),
    ];
    assert_eq!(class.statuses(&group, at(3)).await, layers);
    let (_, newest, pairs) = class.status_of("k", at(3)).await.unwrap();
    let mut pairs: Vec<_> = pairs.split(' ').collect();
    pairs.sort_unstable();
    assert_eq!((newest, pairs), (3, vec!["a=1", "b=2", "c=3"]));
}

async fn times_whose_variables_were_all_rewritten_are_removed<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.reports(&group, "k", &[("a", "1")], at(1)).await;
    class.reports(&group, "k", &[("b", "1")], at(2)).await;
    class.reports(&group, "k", &[("a", "1")], at(3)).await;
    let layers = [status("k", 2, "b=1"), status("k", 3, "a=1")];
    assert_eq!(class.statuses(&group, at(3)).await, layers);
}

async fn the_last_value_of_a_variable_repeated_in_a_report_wins<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class
        .reports(&group, "k", &[("a", "1"), ("b", "1"), ("a", "2")], START)
        .await;
    let statuses = class.statuses(&group, START).await;
    assert_eq!(statuses.len(), 1);
    let mut pairs: Vec<_> = statuses[0].2.split(' ').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a=2", "b=1"]);
}

async fn a_node_that_reported_nothing_has_one_empty_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    class.reports(&group, "k", &[], at(1)).await;
    assert_eq!(class.statuses(&group, at(1)).await, [status("k", 1, "")]);
    assert_eq!(class.status_of("k", at(1)).await, Some(status("k", 1, "")));
    class.reports(&group, "k", &[("a", "1")], at(2)).await;
    assert_eq!(class.statuses(&group, at(2)).await, [status("k", 2, "a=1")]);
}

async fn an_empty_report_changes_no_variable<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.reports(&group, "k", &[("a", "1")], at(1)).await;
    class.reports(&group, "k", &[], at(2)).await;
    let statuses = class.statuses(&group, at(2)).await;
    assert!(statuses.contains(&status("k", 1, "a=1")), "{statuses:?}");
}

async fn reports_at_one_time_are_one_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.reports(&group, "k", &[("a", "1")], at(1)).await;
    class.reports(&group, "k", &[("b", "1")], at(1)).await;
    class.reports(&group, "k", &[("a", "2")], at(1)).await;
    let statuses = class.statuses(&group, at(1)).await;
    assert_eq!(
        statuses.len(),
        1,
        "one status per distinct time: {statuses:?}"
    );
    let mut pairs: Vec<_> = statuses[0].2.split(' ').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a=2", "b=1"]);
}

async fn statuses_are_sorted_by_node_then_time<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for (millis, node, key) in [(1, "b", "x"), (2, "a", "x"), (3, "b", "y"), (4, "a", "y")] {
        class.reports(&group, node, &[(key, "1")], at(millis)).await;
    }
    let statuses = class.statuses(&group, at(4)).await;
    let order: Vec<_> = statuses
        .iter()
        .map(|(node, at, _)| (&**node, *at))
        .collect();
    assert_eq!(order, [("a", 2), ("a", 4), ("b", 1), ("b", 3)]);
}

async fn a_node_that_only_joined_has_no_status<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    class
        .store
        .heartbeat(&group, &class.node("k").into(), START)
        .await
        .unwrap();
    assert_eq!(class.statuses(&group, START).await, []);
    assert_eq!(class.status_of("k", START).await, None);
}

async fn a_report_after_the_clock_stepped_back_still_wins<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    let first = class
        .reports(&group, "k", &[("a", "1"), ("b", "1")], second(5))
        .await;
    let later = class.reports(&group, "k", &[("a", "2")], second(3)).await;
    assert!(later.timestamp >= first.timestamp);
    let statuses = class.statuses(&group, second(5)).await;
    let times: Vec<_> = statuses.iter().map(|(_, at, _)| *at).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{statuses:?}");
    let newest = statuses.iter().rfind(|(.., pairs)| pairs.contains("a="));
    assert!(newest.unwrap().2.contains("a=2"), "{statuses:?}");
}

async fn concurrent_reports_of_one_node_lose_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "k", START).await;
    let keys: Vec<_> = (10..40).map(|n| format!("v{n}")).collect();
    let reports = keys.iter().zip(0..).map(|(key, millis)| {
        let pairs = [(key.as_str(), "1")];
        let class = &class;
        let group = &group;
        async move { class.reports(group, "k", &pairs, at(millis % 3)).await }
    });
    join_all(reports).await;
    let (.., pairs) = class.status_of("k", at(3)).await.unwrap();
    let mut pairs: Vec<_> = pairs.split(' ').collect();
    pairs.sort_unstable();
    let all: Vec<_> = keys.iter().map(|key| format!("{key}=1")).collect();
    assert_eq!(pairs, all);
}

async fn groups_are_independent<S: Store>(class: Class<'_, S>) {
    let (one, other) = (class.group("a").await.key, class.group("b").await.key);
    class.reports(&one, "guest", &[("k", "1")], at(1)).await;
    class.reports(&other, "guest", &[("k", "2")], at(2)).await;
    assert_eq!(
        class.statuses(&one, at(2)).await,
        [status("guest", 1, "k=1")]
    );
    assert_eq!(
        class.statuses(&other, at(2)).await,
        [status("guest", 2, "k=2")]
    );
}
