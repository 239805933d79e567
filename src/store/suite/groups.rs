//! Creating and listing groups (decisions D3, D4, D8).

use std::slice::from_ref;

use futures_util::future::join_all;

use crate::model::authority::Actor;
use crate::model::event::EventInput;
use crate::model::group::{Delivery, EndReason, Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::lesson::LessonState;
use crate::model::time::Timestamp;
use crate::store::suite::class::{
    Class, POLLING, client_error, data, domain, event, events, group_name, kind_and_text,
};
use crate::store::suite::{START, TIMES, at, second, test_cases};
use crate::store::{CreateGroup, EndedGroup, Store};

test_cases! {
    a_group_is_created_as_requested,
    texts_of_any_script_survive_a_round_trip,
    ids_with_a_common_prefix_are_distinct,
    a_repeated_create_returns_the_same_group,
    a_repeated_create_is_no_heartbeat,
    a_create_with_another_delivery_switches_the_group,
    a_hundred_concurrent_creates_make_one_group,
    a_host_has_one_group_in_each_domain,
    a_silent_group_is_replaced_and_reported,
    an_expired_group_is_replaced_and_reported,
    a_group_in_its_last_second_is_replaced_and_reported,
    concurrent_creates_replace_an_ended_group_once,
    a_domain_lists_all_its_groups_by_id,
    a_list_omits_a_silent_group_from_its_ttl_on,
    a_list_omits_a_group_from_its_expiry_on,
}

async fn a_group_is_created_as_requested<S: Store>(class: Class<'_, S>) {
    for (host, delivery, lifetime) in [("a", Delivery::WebSocket, 300), ("b", POLLING, 7)] {
        let request = CreateGroup {
            name: group_name(&class.own(host)),
            delivery,
            lifetime,
            ..class.request(host)
        };
        let code = request.join_code;
        let group = class.created(request, at(250)).await;
        let id = group.key.id.clone();
        assert!(
            uuid::Uuid::parse_str(id.as_str()).is_ok(),
            "{id} is not a UUID"
        );
        let expected = Group {
            token: None,
            join_code: Some(code),
            key: GroupKey {
                domain: class.domain.clone(),
                id,
            },
            name: group_name(&class.own(host)),
            host: class.node(host),
            created_at: at(250),
            expires_at: at(250 + i64::from(lifetime) * 1000),
            heartbeat_at: group.heartbeat_at,
            delivery,
            origin: None,
            lesson: LessonState::default(),
        };
        assert_eq!(group, expected);
        assert_eq!(group.heartbeat_at.seconds(), START.seconds());
        let listed = class.store.groups_in(&class.domain, at(250)).await.unwrap();
        assert!(listed.contains(&group), "a list has every field");
        let found = class.store.groups_named(&class.own(host), 1, at(250)).await;
        assert_eq!(found.unwrap(), [group]);
    }
}

async fn texts_of_any_script_survive_a_round_trip<S: Store>(class: Class<'_, S>) {
    for text in [
        "ねこ",
        "🎈🐱",
        "me@home",
        "100%",
        "%23",
        "a/b?c=d&e",
        " ",
        "'\"\\",
    ] {
        let request = CreateGroup {
            domain: domain(&class.own(text)),
            name: group_name(&class.own(text)),
            delivery: POLLING,
            ..class.request(&format!("先生{text}"))
        };
        let group = class.created(request.clone(), START).await;
        let key = &group.key;
        assert_eq!((&group.name, &group.host), (&request.name, &request.host));
        let listed = class.store.groups_in(&request.domain, START).await.unwrap();
        assert_eq!(listed, from_ref(&group));
        let found = class.store.groups_named(&class.own(text), 9, START).await;
        assert_eq!(found.unwrap(), from_ref(&group));
        class.joins(key, text, START).await;
        assert_eq!(class.members(key, START).await, [text]);
        let sent = data(&[(text, text), ("", "")]);
        let status = class
            .try_report(key, text, sent.clone(), START)
            .await
            .unwrap();
        assert_eq!((&status.node, &*status.data), (&class.node(text), &sent));
        assert_eq!(
            class.store.statuses(key, START).await.unwrap(),
            from_ref(&status)
        );
        let own = class.store.status_of(&class.node(text), START).await;
        assert_eq!(own.unwrap(), Some(status));
        let sent = EventInput {
            payload: Some(text.to_owned()),
            order_key: Some(text.to_owned()),
            ..event(text)
        };
        class.records(key, text, vec![sent], START).await;
        let polled = class.polls(key, "", START).await.remove(0);
        let expected = (
            &*polled.name,
            polled.payload.as_deref(),
            polled.order_key.as_deref(),
        );
        assert_eq!(expected, (text, Some(text), Some(text)));
        assert_eq!(polled.fired_by, class.node(text));
        class
            .store
            .heartbeat(key, &class.node(text).into(), START)
            .await
            .unwrap();
        class
            .store
            .leave(key, &class.node(text).into())
            .await
            .unwrap();
        class.renews(&group, START).await;
        class
            .store
            .dissolve(key, &group.host.clone().into(), START)
            .await
            .unwrap();
        let unknown = GroupKey::parse(text, text).unwrap();
        let error = client_error(
            class
                .store
                .join(&unknown, &group.host.clone().into(), None, START)
                .await,
        );
        let expected = ("GroupNotFound", format!("Group not found: {text}@{text}"));
        assert_eq!(kind_and_text(&error), expected);
    }
}

async fn ids_with_a_common_prefix_are_distinct<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    let longer = CreateGroup {
        domain: domain(&format!("{}0", class.domain)),
        ..class.request("h")
    };
    let other = class.created(longer, START).await;
    assert_eq!(class.listed(START).await, from_ref(&group.key));
    let key = &group.key;
    let short = class.node("k");
    let long = NodeId::parse("nodeId", &format!("{short}@en")).unwrap();
    for node in [&short, &long].map(|node| Actor::from(node.clone())) {
        class.store.join(key, &node, None, START).await.unwrap();
        let report = class.store.report(key, &node, data(&[("k", "1")]), START);
        report.await.unwrap();
    }
    class.store.leave(key, &short.clone().into()).await.unwrap();
    let left = class.store.members(key, START).await.unwrap();
    assert_eq!(left.iter().map(|m| &m.node).collect::<Vec<_>>(), [&long]);
    assert_eq!(class.store.statuses(key, START).await.unwrap().len(), 1);
    assert!(class.store.status_of(&long, START).await.unwrap().is_some());
    let elsewhere = GroupKey {
        domain: other.key.domain.clone(),
        id: key.id.clone(),
    };
    class.records(key, "k", events(&["e"]), START).await;
    assert_eq!(class.polls(&elsewhere, "", START).await, []);
    assert_eq!(class.store.statuses(&elsewhere, START).await.unwrap(), []);
    class
        .store
        .dissolve(key, &group.host.clone().into(), START)
        .await
        .unwrap();
    let kept = class.store.groups_in(&other.key.domain, START).await;
    assert_eq!(kept.unwrap(), [other]);
}

async fn a_repeated_create_returns_the_same_group<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let again = CreateGroup {
        name: group_name("another"),
        lifetime: 5,
        ..class.request("h")
    };
    let hosted = class.store.host_group(again, second(20)).await.unwrap();
    assert_eq!(hosted.group, group);
    assert!(!hosted.created && hosted.replaced.is_none());
    assert_eq!(class.listed(second(20)).await, from_ref(&group.key));
    let found = class.store.groups_in(&class.domain, second(20)).await;
    assert_eq!(found.unwrap(), [group]);
}

async fn a_repeated_create_is_no_heartbeat<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let late = second(TIMES.host_ttl - 1);
    class
        .store
        .host_group(class.request("h"), late)
        .await
        .unwrap();
    assert_eq!(class.listed(second(TIMES.host_ttl)).await, []);
    let silent = class.all_errors(&group, "k", second(TIMES.host_ttl + 1));
    assert_eq!(silent.await.len(), 7);
}

async fn a_create_with_another_delivery_switches_the_group<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    for delivery in [POLLING, Delivery::WebSocket, POLLING] {
        let request = CreateGroup {
            delivery,
            name: group_name("another"),
            ..class.request("h")
        };
        let hosted = class.store.host_group(request, second(1)).await.unwrap();
        let switched = Group {
            delivery,
            ..group.clone()
        };
        assert_eq!((&hosted.group, hosted.created), (&switched, false));
        let listed = class.store.groups_in(&class.domain, second(1)).await;
        assert_eq!(listed.unwrap(), from_ref(&switched));
        assert_eq!(class.joins(&group.key, "k", second(1)).await, switched);
    }
}

async fn a_hundred_concurrent_creates_make_one_group<S: Store>(class: Class<'_, S>) {
    let requests = (0..100).map(|_| class.store.host_group(class.request("h"), START));
    let hosted = join_all(requests).await;
    let hosted: Vec<_> = hosted.into_iter().map(Result::unwrap).collect();
    assert!(hosted.iter().all(|h| h.group == hosted[0].group));
    assert_eq!(hosted.iter().filter(|h| h.created).count(), 1);
    assert!(hosted.iter().all(|h| h.replaced.is_none()));
    assert_eq!(class.listed(START).await, [hosted[0].group.key.clone()]);
}

async fn a_host_has_one_group_in_each_domain<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let elsewhere = CreateGroup {
        domain: domain(&class.own("elsewhere")),
        ..class.request("h")
    };
    let other = class.created(elsewhere, START).await;
    let colleague = class.group("colleague").await;
    assert!(group.key.id != other.key.id && group.key.id != colleague.key.id);
    let again = class
        .store
        .host_group(class.request("h"), START)
        .await
        .unwrap();
    assert_eq!(again.group, group);
}

/// The host creates another group at `now`, when its first one has ended for `reason`.
async fn replaces<S: Store>(
    class: &Class<'_, S>,
    lifetime: u32,
    now: Timestamp,
    reason: EndReason,
) {
    let first = CreateGroup {
        lifetime,
        ..class.request("h")
    };
    let group = class.created(first, START).await;
    class.joins(&group.key, "k", START).await;
    class.reports(&group.key, "k", &[("k", "1")], START).await;
    let hosted = class
        .store
        .host_group(class.request("h"), now)
        .await
        .unwrap();
    assert!(hosted.created && hosted.group.key.id != group.key.id);
    let ended = EndedGroup {
        group: group.key.clone(),
        reason,
    };
    assert_eq!(hosted.replaced, Some(ended));
    assert_eq!(class.listed(now).await, from_ref(&hosted.group.key));
    assert_eq!(class.members(&group.key, now).await, [""; 0]);
    assert_eq!(class.status_of("k", now).await, None);
    class.all_errors(&group, "k", now).await;
    let reaped = class.store.reap(now).await.unwrap();
    assert!(
        !reaped.iter().any(|ended| ended.group == group.key),
        "its end is reported twice"
    );
    let again = class
        .store
        .host_group(class.request("h"), now)
        .await
        .unwrap();
    assert_eq!((again.created, again.replaced), (false, None));
}

async fn a_silent_group_is_replaced_and_reported<S: Store>(class: Class<'_, S>) {
    let silent = second(TIMES.host_ttl + 1);
    replaces(&class, 300, silent, EndReason::HostSilent).await;
}

async fn an_expired_group_is_replaced_and_reported<S: Store>(class: Class<'_, S>) {
    replaces(&class, 10, second(11), EndReason::TimeUp).await;
}

async fn a_group_in_its_last_second_is_replaced_and_reported<S: Store>(class: Class<'_, S>) {
    replaces(&class, 10, at(10_500), EndReason::Replaced).await;
}

async fn concurrent_creates_replace_an_ended_group_once<S: Store>(class: Class<'_, S>) {
    class.group("h").await;
    let later = second(TIMES.host_ttl + 1);
    let requests = (0..20).map(|_| class.store.host_group(class.request("h"), later));
    let hosted = join_all(requests).await;
    let hosted: Vec<_> = hosted.into_iter().map(Result::unwrap).collect();
    assert!(hosted.iter().all(|h| h.group == hosted[0].group));
    assert_eq!(hosted.iter().filter(|h| h.created).count(), 1);
    assert_eq!(hosted.iter().filter(|h| h.replaced.is_some()).count(), 1);
}

async fn a_domain_lists_all_its_groups_by_id<S: Store>(class: Class<'_, S>) {
    let hosts: Vec<_> = (0..60).map(|n| format!("h{n}")).collect();
    let mut groups = join_all(hosts.iter().map(|host| class.group(host))).await;
    groups.sort_by(|a, b| a.key.id.cmp(&b.key.id));
    class.joins(&groups[0].key, "k", START).await;
    let listed = class.store.groups_in(&class.domain, START).await.unwrap();
    assert_eq!(listed, groups);
    let unknown = domain(&class.own("nowhere"));
    assert_eq!(class.store.groups_in(&unknown, START).await.unwrap(), []);
}

async fn a_list_omits_a_silent_group_from_its_ttl_on<S: Store>(class: Class<'_, S>) {
    let group = class.created(class.request("h"), at(500)).await;
    let ttl = i64::from(TIMES.host_ttl) * 1000;
    assert_eq!(class.listed(at(ttl - 1)).await, from_ref(&group.key));
    assert_eq!(class.listed(at(ttl)).await, []);
}

async fn a_list_omits_a_group_from_its_expiry_on<S: Store>(class: Class<'_, S>) {
    let short = CreateGroup {
        lifetime: 10,
        ..class.request("h")
    };
    let group = class.created(short, at(500)).await;
    assert_eq!(class.listed(at(10_499)).await, from_ref(&group.key));
    assert_eq!(class.listed(at(10_500)).await, []);
}
