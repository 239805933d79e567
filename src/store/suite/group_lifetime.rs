//! Heartbeats of hosts and the end of groups (decisions D5, D6, D7, D23).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::group::{EndReason, Group, GroupKey};
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, client_error, data, events, kind_and_text};
use crate::store::suite::{LIMITS, START, TIMES, at, second, test_cases};
use crate::store::{CreateGroup, EndedGroup, Store};

test_cases! {
    a_renew_keeps_a_group_alive_and_never_changes_its_expiry,
    a_renew_by_another_node_is_refused,
    a_renew_revives_no_group,
    renews_racing_with_a_dissolve_revive_nothing,
    a_silent_group_is_alive_until_its_last_second,
    a_group_is_alive_until_the_second_of_its_expiry,
    a_group_both_silent_and_expired_is_expired,
    every_write_to_an_unknown_group_is_refused,
    every_write_to_a_dissolved_group_is_refused,
    a_dissolve_by_another_node_is_refused,
    an_ended_group_cannot_be_dissolved,
    a_host_may_create_a_group_after_a_dissolve,
    joins_racing_with_a_dissolve_leave_nothing,
    a_group_of_many_pages_is_read_and_dissolved_completely,
    each_end_is_reaped_once_with_its_reason,
    a_reap_keeps_live_groups,
}

async fn a_renew_keeps_a_group_alive_and_never_changes_its_expiry<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    for heartbeat in (1..)
        .map(|n| n * (TIMES.host_ttl - 1))
        .take_while(|s| *s < 300)
    {
        let renewed = class.renews(&group, second(heartbeat)).await;
        assert_eq!(renewed.expires_at, group.expires_at);
        assert_eq!(renewed.heartbeat_at, second(heartbeat));
        let listed = class
            .store
            .groups_in(&class.domain, second(heartbeat))
            .await;
        assert_eq!(listed.unwrap(), [renewed]);
    }
    class.renews(&group, second(299)).await;
    let ended = client_error(
        class
            .store
            .renew(&group.key, &group.host.clone().into(), second(301))
            .await,
    );
    assert_eq!(ended.kind(), "GroupNotFound");
}

async fn a_renew_by_another_node_is_refused<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    let late = second(TIMES.host_ttl - 1);
    let error = client_error(
        class
            .store
            .renew(&group.key, &class.node("k").into(), late)
            .await,
    );
    let expected = (
        "Unauthorized",
        "Only the host can renew the heartbeat".into(),
    );
    assert_eq!(kind_and_text(&error), expected);
    assert_eq!(class.listed(second(TIMES.host_ttl)).await, []);
}

async fn a_renew_revives_no_group<S: Store>(class: Class<'_, S>) {
    let dissolved = class.group("dissolved").await;
    let silent = class.group("silent").await;
    let short = CreateGroup {
        lifetime: 5,
        ..class.request("short")
    };
    let short = class.created(short, START).await;
    class
        .store
        .dissolve(&dissolved.key, &dissolved.host.clone().into(), START)
        .await
        .unwrap();
    for (group, now) in [
        (&dissolved, START),
        (&short, second(6)),
        (&silent, second(TIMES.host_ttl + 1)),
    ] {
        for _ in 0..2 {
            let refused = class
                .store
                .renew(&group.key, &group.host.clone().into(), now)
                .await;
            assert_eq!(client_error(refused).kind(), "GroupNotFound");
            class.sees_nothing(group, &[], now).await;
        }
    }
}

async fn renews_racing_with_a_dissolve_revive_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let (key, host, class) = (&group.key, &group.host, &class);
    let acts = (0..40).map(|n| async move {
        if n == 20 {
            class
                .store
                .dissolve(key, &host.clone().into(), START)
                .await
                .unwrap();
        } else if let Err(error) = class
            .store
            .renew(key, &host.clone().into(), second(1))
            .await
        {
            assert_eq!(client_error::<()>(Err(error)).kind(), "GroupNotFound");
        }
    });
    join_all(acts).await;
    class.sees_nothing(&group, &[], second(1)).await;
    let error = client_error(
        class
            .store
            .renew(key, &host.clone().into(), second(1))
            .await,
    );
    assert_eq!(error.to_string(), format!("Group not found: {key}"));
}

/// Asserts that every call works at `last`, and that at `over` every write is error with `text`
/// and reads are empty.
async fn ends_between<S: Store>(
    class: &Class<'_, S>,
    group: &Group,
    last: Timestamp,
    over: Timestamp,
    text: String,
) {
    let (key, store) = (&group.key, class.store);
    class.joins(key, "k", last).await;
    class.reports(key, "k", &[("k", "1")], last).await;
    class.records(key, "k", events(&["e"]), last).await;
    class.fires(key, "k", events(&["e"]), last).await;
    store
        .heartbeat(key, &class.node("k").into(), last)
        .await
        .unwrap();
    assert_eq!(class.members(key, last).await, ["k"]);
    assert_eq!(class.statuses(key, last).await.len(), 1);
    assert!(class.status_of("k", last).await.is_some());
    assert!(!class.polls(key, "", last).await.is_empty());
    class.sees_nothing(group, &["k"], over).await;
    for refused in &class.all_errors(group, "k", over).await[..5] {
        assert_eq!(kind_and_text(refused), ("GroupNotFound", text.clone()));
    }
    class.sees_nothing(group, &["k"], over).await;
}

async fn a_silent_group_is_alive_until_its_last_second<S: Store>(class: Class<'_, S>) {
    let group = class.created(class.request("h"), at(250)).await;
    let text = format!("Group not found: {} (heartbeat expired)", group.key);
    let ttl = i64::from(TIMES.host_ttl) * 1000;
    ends_between(&class, &group, at(ttl + 999), at(ttl + 1000), text).await;
}

async fn a_group_is_alive_until_the_second_of_its_expiry<S: Store>(class: Class<'_, S>) {
    let short = CreateGroup {
        lifetime: 10,
        ..class.request("h")
    };
    let group = class.created(short, at(250)).await;
    let end = at(10_250);
    let text = format!("Group expired: {} (expiresAt: {end})", group.key);
    ends_between(&class, &group, at(10_999), at(11_000), text).await;
}

async fn a_group_both_silent_and_expired_is_expired<S: Store>(class: Class<'_, S>) {
    let short = CreateGroup {
        lifetime: 10,
        ..class.request("h")
    };
    let group = class.created(short, START).await;
    let refused = class.all_errors(&group, "k", second(100)).await;
    assert!(
        refused[0].to_string().starts_with("Group expired: "),
        "{}",
        refused[0]
    );
}

async fn every_write_to_an_unknown_group_is_refused<S: Store>(class: Class<'_, S>) {
    let mut group = class.group("h").await;
    group.key = GroupKey::parse("nowhere", class.domain.as_str()).unwrap();
    let text = format!("Group not found: {}", group.key);
    for refused in class.all_errors(&group, "k", START).await {
        assert_eq!(kind_and_text(&refused), ("GroupNotFound", text.clone()));
    }
    class.sees_nothing(&group, &["k"], START).await;
    class
        .store
        .leave(&group.key, &class.node("k").into())
        .await
        .unwrap();
}

async fn every_write_to_a_dissolved_group_is_refused<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    let key = &group.key;
    for node in ["a", "b"] {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("k", "1")], START).await;
        class.records(key, node, events(&["e"]), START).await;
    }
    class.reports(key, "h", &[("k", "1")], START).await;
    class
        .store
        .dissolve(key, &group.host.clone().into(), START)
        .await
        .unwrap();
    class.sees_nothing(&group, &["a", "b", "h"], START).await;
    let text = format!("Group not found: {key}");
    for refused in class.all_errors(&group, "a", START).await {
        assert_eq!(kind_and_text(&refused), ("GroupNotFound", text.clone()));
    }
    class.sees_nothing(&group, &["a", "b", "h"], START).await;
    let reaped = class.store.reap(second(1)).await.unwrap();
    assert!(reaped.iter().all(|ended| ended.group != *key));
}

async fn a_dissolve_by_another_node_is_refused<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    let kitten = class.node("k");
    let error = client_error(
        class
            .store
            .dissolve(&group.key, &kitten.clone().into(), START)
            .await,
    );
    let text = format!(
        "Only the host can dissolve the group. Host: {}, Requested by: {kitten}",
        group.host
    );
    assert_eq!(kind_and_text(&error), ("Unauthorized", text));
    assert_eq!(class.listed(START).await, from_ref(&group.key));
    assert_eq!(class.members(&group.key, START).await, ["k"]);
}

async fn an_ended_group_cannot_be_dissolved<S: Store>(class: Class<'_, S>) {
    let short = CreateGroup {
        lifetime: 5,
        ..class.request("short")
    };
    let short = class.created(short, START).await;
    let silent = class.group("silent").await;
    for (group, now) in [(short, second(6)), (silent, second(TIMES.host_ttl + 1))] {
        for host in [&group.host, &class.node("k")] {
            let error = client_error(
                class
                    .store
                    .dissolve(&group.key, &host.clone().into(), now)
                    .await,
            );
            let text = format!("Group not found: {}", group.key);
            assert_eq!(kind_and_text(&error), ("GroupNotFound", text));
        }
    }
}

async fn a_host_may_create_a_group_after_a_dissolve<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class
        .store
        .dissolve(&group.key, &group.host.clone().into(), START)
        .await
        .unwrap();
    let hosted = class
        .store
        .host_group(class.request("h"), START)
        .await
        .unwrap();
    assert!(hosted.created && hosted.group.key != group.key);
    assert_eq!(
        hosted.replaced, None,
        "its end was reported when it was dissolved"
    );
}

async fn joins_racing_with_a_dissolve_leave_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let (key, host, class) = (&group.key, &group.host, &class);
    let nodes: Vec<_> = (0..40).map(|n| format!("n{n}")).collect();
    let acts = nodes.iter().enumerate().map(|(n, node)| async move {
        if n == 20 {
            class
                .store
                .dissolve(key, &host.clone().into(), START)
                .await
                .unwrap();
        }
        let joined = class
            .store
            .join(key, &class.node(node).into(), None, START)
            .await;
        if n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let reported = class
            .try_report(key, node, data(&[("k", "1")]), START)
            .await;
        for refused in joined.err().into_iter().chain(reported.err()) {
            assert_eq!(client_error::<()>(Err(refused)).kind(), "GroupNotFound");
        }
    });
    join_all(acts).await;
    let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
    class.sees_nothing(&group, &nodes, START).await;
}

async fn a_group_of_many_pages_is_read_and_dissolved_completely<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    let key = &group.key;
    let nodes: Vec<_> = (10..50).map(|n| format!("n{n}")).collect();
    let large = "x".repeat(LIMITS.status_bytes - 1);
    let acts = nodes.iter().map(|node| async {
        class.joins(key, node, START).await;
        class.reports(key, node, &[("k", &large)], START).await;
        let events = events(&["e"; 10]);
        class.records(key, node, events, START).await;
    });
    join_all(acts).await;
    assert_eq!(class.members(key, START).await, nodes);
    let statuses: Vec<_> = class.statuses(key, START).await;
    assert!(statuses.iter().map(|(node, ..)| node).eq(&nodes));
    assert_eq!(class.reads_all(key, START).await.len(), 400);
    class
        .store
        .dissolve(key, &group.host.clone().into(), START)
        .await
        .unwrap();
    let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
    class.sees_nothing(&group, &nodes, START).await;
}

/// The ended groups of this class that a reap returns.
async fn reaped<S: Store>(class: &Class<'_, S>, now: Timestamp) -> Vec<EndedGroup> {
    let mut ended = class.store.reap(now).await.unwrap();
    ended.retain(|ended| ended.group.domain == class.domain);
    ended
}

async fn each_end_is_reaped_once_with_its_reason<S: Store>(class: Class<'_, S>) {
    let silent = class.group("silent").await;
    let steady = class.group("steady").await;
    let short = CreateGroup {
        lifetime: 70,
        ..class.request("short")
    };
    let short = class.created(short, START).await;
    class.joins(&silent.key, "k", START).await;
    for group in [&steady, &short] {
        class.renews(group, second(50)).await;
    }
    let ended = |group: &Group, reason| EndedGroup {
        group: group.key.clone(),
        reason,
    };
    assert_eq!(reaped(&class, second(60)).await, []);
    assert_eq!(
        reaped(&class, second(61)).await,
        [ended(&silent, EndReason::HostSilent)]
    );
    assert_eq!(reaped(&class, second(61)).await, []);
    class.sees_nothing(&silent, &["k"], second(61)).await;
    assert_eq!(reaped(&class, second(70)).await, []);
    assert_eq!(
        reaped(&class, second(71)).await,
        [ended(&short, EndReason::TimeUp)]
    );
    assert_eq!(reaped(&class, second(72)).await, []);
    assert_eq!(class.listed(second(72)).await, from_ref(&steady.key));
    assert_eq!(
        reaped(&class, second(111)).await,
        [ended(&steady, EndReason::HostSilent)]
    );
}

async fn a_reap_keeps_live_groups<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    let key = &group.key;
    class.joins(key, "k", second(50)).await;
    class.reports(key, "k", &[("k", "1")], second(50)).await;
    class.records(key, "k", events(&["e"]), second(50)).await;
    reaped(&class, second(55)).await;
    assert_eq!(class.members(key, second(55)).await, ["k"]);
    assert_eq!(class.statuses(key, second(55)).await.len(), 1);
    assert_eq!(class.polls(key, "", second(55)).await.len(), 1);
    class.renews(&group, second(55)).await;
}

/// Needs a store of its own, because groups of other test cases count (decision D32).
pub(super) async fn any_group_lives_only_while_one_does<S: Store>(class: Class<'_, S>) {
    let lives = async |now| class.store.any_group_lives(now).await.unwrap();
    assert!(!lives(START).await);
    let group = class.group("h").await;
    assert!(lives(START).await);
    let late = second(TIMES.host_ttl - 1);
    assert!(lives(late).await);
    class.renews(&group, late).await;
    assert!(lives(second(TIMES.host_ttl + 1)).await);
    // Stores may still count a group that ended a moment ago.
    let long_after = second(4 * TIMES.host_ttl);
    assert!(!lives(long_after).await);
    let another = class.created(class.request("another"), long_after).await;
    assert!(lives(long_after).await);
    let host = another.host.clone().into();
    let dissolved = class.store.dissolve(&another.key, &host, long_after);
    dissolved.await.unwrap();
    assert!(!lives(long_after).await);
}
