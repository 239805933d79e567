//! Which fired events are kept for pollers (decision D13).

use crate::model::group::{Delivery, Group, GroupKey};
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, POLLING, events, names};
use crate::store::suite::{START, at, second, sentences};
use crate::store::{CreateGroup, Store};

sentences! {
    a_polling_group_keeps_what_is_fired,
    a_websocket_group_keeps_nothing_that_is_fired,
    recorded_events_are_kept_in_every_group,
    a_member_without_websocket_has_fired_events_kept,
    a_poll_has_fired_events_kept_for_a_minute,
    a_group_switched_to_polling_keeps_what_is_fired,
    a_fire_that_is_not_kept_is_heard_all_the_same,
}

/// Whether an event fired at `now` is polled. The poll counts as one afterwards.
async fn keeps<S: Store>(class: &Class<'_, S>, group: &GroupKey, now: Timestamp) -> bool {
    let name = format!("fired at {now}");
    class.fires(group, "k", events(&[&name]), now).await;
    let polled = class.polls(group, "", now).await;
    names(&polled).contains(&name.as_str())
}

async fn a_polling_group_keeps_what_is_fired<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    assert!(keeps(&class, &group, START).await);
}

async fn a_websocket_group_keeps_nothing_that_is_fired<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for (node, asked) in [("a", Some(true)), ("b", None)] {
        let node = class.node(node);
        class.store.join(&group, &node, asked, START).await.unwrap();
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

async fn a_member_without_websocket_has_fired_events_kept<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let poller = class.node("poller");
    class
        .store
        .join(&group, &poller, Some(false), START)
        .await
        .unwrap();
    assert!(keeps(&class, &group, START).await);
    let other = class.group("other").await.key;
    class
        .store
        .join(&other, &poller, Some(false), START)
        .await
        .unwrap();
    class.store.leave(&other, &poller).await.unwrap();
    assert!(!keeps(&class, &other, START).await);
    let third = class.group("third").await.key;
    for asked in [Some(false), Some(true)] {
        let joined = class.store.join(&third, &poller, asked, START).await;
        joined.unwrap();
    }
    assert!(!keeps(&class, &third, START).await);
}

async fn living_past_a_minute<S: Store>(class: &Class<'_, S>, host: &str) -> Group {
    let group = class.group(host).await;
    class.polls(&group.key, "", START).await;
    class.renews(&group, second(30)).await;
    group
}

async fn a_poll_has_fired_events_kept_for_a_minute<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    assert!(!keeps(&class, &group, START).await);
    assert!(keeps(&class, &group, at(1)).await);
    let group = living_past_a_minute(&class, "soon").await;
    assert!(keeps(&class, &group.key, second(59)).await);
    let group = living_past_a_minute(&class, "late").await;
    assert!(!keeps(&class, &group.key, second(62)).await);
}

async fn a_group_switched_to_polling_keeps_what_is_fired<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for (delivery, kept) in [(POLLING, true), (Delivery::WebSocket, false)] {
        let wish = CreateGroup {
            delivery,
            ..class.wish("h")
        };
        class.store.host_group(wish, START).await.unwrap();
        class
            .fires(&group, "k", events(&[&format!("kept: {kept}")]), START)
            .await;
    }
    assert_eq!(names(&class.polls(&group, "", START).await), ["kept: true"]);
}

async fn a_fire_that_is_not_kept_is_heard_all_the_same<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let taken = class.fires(&group, "k", events(&["a", "b"]), at(5)).await;
    assert_eq!(names(&taken.batch.events), ["a", "b"]);
    assert_eq!((taken.batch.timestamp, taken.repeated), (at(5), false));
}
