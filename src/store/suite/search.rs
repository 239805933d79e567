//! Search of groups by name (decision D8).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::group::Group;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, domain, group_name};
use crate::store::suite::{START, TIMES, at, second, test_cases};
use crate::store::{CreateGroup, Store};

test_cases! {
    a_search_finds_names_by_exact_prefix,
    a_search_finds_live_groups_only,
    a_search_reads_all_pages,
    a_search_omits_ended_groups_as_a_list_does,
    a_search_works_in_any_script,
    a_search_finds_names_that_look_the_same,
}

/// Groups with these names, each with its own host.
async fn named<S: Store>(class: &Class<'_, S>, names: &[String]) -> Vec<Group> {
    let requests = names.iter().map(|name| CreateGroup {
        name: group_name(name),
        ..class.request(&format!("host of {name}"))
    });
    join_all(requests.map(|request| class.created(request, START))).await
}

async fn found<S: Store>(
    class: &Class<'_, S>,
    prefix: &str,
    limit: usize,
    now: Timestamp,
) -> Vec<String> {
    let groups = class.store.groups_named(prefix, limit, now).await.unwrap();
    groups.iter().map(|g| g.name.as_str().to_owned()).collect()
}

async fn a_search_finds_names_by_exact_prefix<S: Store>(class: Class<'_, S>) {
    let own = |tail: &str| format!("{}{tail}", class.own("n"));
    let all = ["", "B", "a", "ab", "b"].map(own);
    let mut made = all.to_vec();
    made.reverse();
    made.push(class.own("N"));
    named(&class, &made).await;
    assert_eq!(found(&class, &own(""), 100, START).await, all);
    assert_eq!(
        found(&class, &own("a"), 100, START).await,
        [own("a"), own("ab")]
    );
    assert_eq!(found(&class, &own("A"), 100, START).await, [""; 0]);
    assert_eq!(found(&class, &own("abc"), 100, START).await, [""; 0]);
    let elsewhere = CreateGroup {
        domain: domain(&class.own("elsewhere")),
        name: group_name(&own("ab")),
        ..class.request("h")
    };
    class.created(elsewhere, START).await;
    assert_eq!(
        found(&class, &own("ab"), 100, START).await,
        [own("ab"), own("ab")]
    );
}

async fn a_search_finds_live_groups_only<S: Store>(class: Class<'_, S>) {
    let own = |n: u32| format!("{}{n:02}", class.own("s"));
    let groups = named(&class, &(0..40).map(own).collect::<Vec<_>>()).await;
    let later = second(TIMES.host_ttl - 1);
    join_all(
        groups
            .iter()
            .skip(30)
            .map(|group| class.renews(group, later)),
    )
    .await;
    let later = second(TIMES.host_ttl + 1);
    let live: Vec<_> = (30..40).map(own).collect();
    assert_eq!(found(&class, &class.own("s"), 100, later).await, live);
    assert_eq!(found(&class, &class.own("s"), 3, later).await, live[..3]);
}

async fn a_search_reads_all_pages<S: Store>(class: Class<'_, S>) {
    let own = |n: u32| format!("{}{n:03}", class.own("p"));
    let all: Vec<_> = (0..110).map(own).collect();
    named(&class, &all).await;
    assert_eq!(found(&class, &class.own("p"), 100, START).await, all[..100]);
}

async fn a_search_omits_ended_groups_as_a_list_does<S: Store>(class: Class<'_, S>) {
    let own = class.own("t");
    let group = named(&class, from_ref(&own)).await.remove(0);
    let ttl = i64::from(TIMES.host_ttl) * 1000;
    assert_eq!(found(&class, &own, 1, at(ttl - 1)).await, from_ref(&own));
    assert_eq!(found(&class, &own, 1, at(ttl)).await, [""; 0]);
    class
        .store
        .dissolve(&group.key, &group.host.clone().into(), START)
        .await
        .unwrap();
    assert_eq!(found(&class, &own, 1, START).await, [""; 0]);
}

async fn a_search_works_in_any_script<S: Store>(class: Class<'_, S>) {
    let own = |tail: &str| format!("こ🐱{}{tail}", class.own(""));
    let all = ["%", "@", "い", "🎈"].map(own);
    named(&class, &all).await;
    assert_eq!(found(&class, &own(""), 10, START).await, all);
    assert_eq!(found(&class, &own("い"), 10, START).await, [own("い")]);
}

async fn a_search_finds_names_that_look_the_same<S: Store>(class: Class<'_, S>) {
    let own = |name: &str| format!("{name}{}", class.own(""));
    let composed = ["が１", "か\u{3099}1"].map(own);
    named(&class, &composed).await;
    for prefix in ["が1", "か\u{3099}１"] {
        let mut both = found(&class, &own(prefix), 10, START).await;
        both.sort();
        assert_eq!(both, [own("か\u{3099}1"), own("が１")], "{prefix}");
    }
    let half = ["ｶﾞ", "ガ"].map(own);
    named(&class, &half).await;
    assert_eq!(found(&class, &own("ガ"), 10, START).await.len(), 2);
    assert_eq!(found(&class, &own("が"), 10, START).await, [""; 0]);
}
