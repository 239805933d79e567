//! Which fired events are kept for pollers (decision D13).

use crate::model::group::{Delivery, Group, GroupKey};
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, POLLING, events, names};
use crate::store::suite::{START, at, second, test_cases};
use crate::store::{CreateGroup, Store};

test_cases! {
    a_polling_group_keeps_fired_events,
    a_websocket_group_keeps_no_fired_events,
    recorded_events_are_kept_in_every_group,
    fired_events_are_kept_for_a_member_without_websocket,
    fired_events_are_kept_for_a_minute_after_a_poll,
    a_group_switched_to_polling_keeps_fired_events,
    fired_events_that_are_not_kept_are_published,
}

/// Whether an event fired at `now` is polled. The poll itself marks the group as polled.
async fn keeps<S: Store>(class: &Class<'_, S>, group: &GroupKey, now: Timestamp) -> bool {
    let name = format!("fired at {now}");
    class.fires(group, "k", events(&[&name]), now).await;
    let polled = class.polls(group, "", now).await;
    names(&polled).contains(&name.as_str())
}

async fn a_polling_group_keeps_fired_events<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    assert!(keeps(&class, &group, START).await);
}

async fn a_websocket_group_keeps_no_fired_events<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for (node, use_websocket) in [("a", Some(true)), ("b", None)] {
        let node = class.node(node);
        class
            .store
            .join(&group, &node.clone().into(), use_websocket, START)
            .await
            .unwrap();
    }
    assert!(!keeps(&class, &group, START).await);
}

async fn recorded_events_are_kept_in_every_group<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class
        .records(&group, "k", events(&["recorded"]), START)
        .await;
    class.fires(&group, "k", events(&["fired"]), START).await;
    assert_eq!(names(&class.polls(&group, "", START).await), ["recorded"]);
}

async fn fired_events_are_kept_for_a_member_without_websocket<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let poller = class.node("poller");
    class
        .store
        .join(&group, &poller.clone().into(), Some(false), START)
        .await
        .unwrap();
    assert!(keeps(&class, &group, START).await);
    let other = class.group("other").await.key;
    class
        .store
        .join(&other, &poller.clone().into(), Some(false), START)
        .await
        .unwrap();
    class
        .store
        .leave(&other, &poller.clone().into())
        .await
        .unwrap();
    assert!(!keeps(&class, &other, START).await);
    let third = class.group("third").await.key;
    for use_websocket in [Some(false), Some(true)] {
        let joined = class
            .store
            .join(&third, &poller.clone().into(), use_websocket, START)
            .await;
        joined.unwrap();
    }
    assert!(!keeps(&class, &third, START).await);
}

async fn polled_once<S: Store>(class: &Class<'_, S>, host: &str) -> Group {
    let group = class.group(host).await;
    class.polls(&group.key, "", START).await;
    class.renews(&group, second(30)).await;
    group
}

async fn fired_events_are_kept_for_a_minute_after_a_poll<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    assert!(!keeps(&class, &group, START).await);
    assert!(keeps(&class, &group, at(1)).await);
    let group = polled_once(&class, "soon").await;
    assert!(keeps(&class, &group.key, second(59)).await);
    let group = polled_once(&class, "late").await;
    assert!(!keeps(&class, &group.key, second(62)).await);
}

async fn a_group_switched_to_polling_keeps_fired_events<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for (delivery, kept) in [(POLLING, true), (Delivery::WebSocket, false)] {
        let request = CreateGroup {
            delivery,
            ..class.request("h")
        };
        class.store.host_group(request, START).await.unwrap();
        class
            .fires(&group, "k", events(&[&format!("kept: {kept}")]), START)
            .await;
    }
    assert_eq!(names(&class.polls(&group, "", START).await), ["kept: true"]);
}

async fn fired_events_that_are_not_kept_are_published<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let appended = class.fires(&group, "k", events(&["a", "b"]), at(5)).await;
    assert_eq!(names(&appended.batch.events), ["a", "b"]);
    assert_eq!(
        (appended.batch.timestamp, appended.repeated),
        (at(5), false)
    );
}
