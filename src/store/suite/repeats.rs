//! Repeated calls (decision D15).

use futures_util::future::join_all;

use crate::model::event::{EventInput, EventKind};
use crate::store::Store;
use crate::store::suite::class::{Class, event, events, keyed};
use crate::store::suite::{START, TIMES, at, second, test_cases};

test_cases! {
    a_repeated_call_returns_the_first_result,
    a_repeated_fire_is_recognized_even_if_no_events_are_kept,
    concurrent_repetitions_are_appended_once,
    equal_order_keys_in_one_call_are_separate_events,
    a_call_without_all_order_keys_is_never_a_repetition,
    a_call_that_differs_anywhere_is_no_repetition,
    another_nodes_same_call_is_no_repetition,
    the_same_call_in_another_group_is_no_repetition,
    after_the_event_ttl_the_same_call_is_new,
    a_repetition_after_other_calls_is_recognized,
}

/// The kinds of events, each with a node's name.
const KINDS: [(EventKind, &str); 2] = [
    (EventKind::Fired, "fires"),
    (EventKind::Recorded, "records"),
];

fn batch() -> Vec<EventInput> {
    vec![keyed("b", "2"), keyed("a", "1"), keyed("a", "1")]
}

async fn a_repeated_call_returns_the_first_result<S: Store>(class: Class<'_, S>) {
    for (kind, node) in KINDS {
        let group = class.polling_group(node).await.key;
        let call = class.call(kind, &group, node, batch());
        let first = class.store.append(call.clone(), START).await.unwrap();
        assert!(!first.repeated);
        let read = class.polls(&group, "", START).await;
        for millis in [0, 1, 5_000] {
            let again = class.store.append(call.clone(), at(millis)).await.unwrap();
            assert!(again.repeated, "{kind:?} after {millis} ms");
            assert_eq!(again.next_since, first.next_since);
            assert_eq!(again.batch, first.batch);
            assert_eq!(class.polls(&group, "", at(millis)).await, read);
        }
    }
}

async fn a_repeated_fire_is_recognized_even_if_no_events_are_kept<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let first = class.fires(&group, "k", batch(), START).await;
    let again = class.fires(&group, "k", batch(), second(1)).await;
    assert!(!first.repeated && again.repeated);
    assert_eq!(
        (first.next_since, first.batch),
        (again.next_since, again.batch)
    );
}

async fn concurrent_repetitions_are_appended_once<S: Store>(class: Class<'_, S>) {
    for (kind, node) in KINDS {
        let group = class.polling_group(node).await.key;
        let call = || class.call(kind, &group, node, batch());
        let results = join_all((0..20).map(|_| class.store.append(call(), START))).await;
        let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|a| !a.repeated).count(), 1);
        let same = |next: &String| *next == results[0].next_since;
        assert!(results.iter().all(|a| same(&a.next_since)));
        assert_eq!(class.polls(&group, "", START).await.len(), 3);
    }
}

async fn equal_order_keys_in_one_call_are_separate_events<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let same = vec![keyed("a", "1"); 3];
    class.records(&group, "k", same, START).await;
    assert_eq!(class.polls(&group, "", START).await.len(), 3);
}

async fn a_call_without_all_order_keys_is_never_a_repetition<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let empty = EventInput {
        order_key: Some(String::new()),
        ..event("b")
    };
    let mut kept = 0;
    for call in [
        events(&["a"]),
        vec![keyed("a", "1"), event("b")],
        vec![keyed("a", "1"), empty],
    ] {
        for _ in 0..2 {
            let appended = class.records(&group, "k", call.clone(), START).await;
            assert!(!appended.repeated);
            kept += call.len();
            assert_eq!(class.polls(&group, "", START).await.len(), kept);
        }
    }
}

async fn a_call_that_differs_anywhere_is_no_repetition<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let (with, without) = (keyed("a", "1"), keyed("a", "2"));
    let payload = |text: &str| EventInput {
        payload: Some(text.to_owned()),
        ..with.clone()
    };
    let fired_at = EventInput {
        fired_at: "2026-11-21T04:40:35.741Z".into(),
        ..with.clone()
    };
    let different = [
        vec![with.clone()],
        vec![without.clone()],
        vec![keyed("b", "1")],
        vec![payload("p")],
        vec![payload("")],
        vec![fired_at],
        vec![with.clone(), without.clone()],
        vec![without, with],
    ];
    for call in different {
        let appended = class.records(&group, "k", call.clone(), START).await;
        assert!(!appended.repeated, "{call:?}");
    }
    assert_eq!(class.polls(&group, "", START).await.len(), 10);
}

async fn another_nodes_same_call_is_no_repetition<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    for node in ["a", "b"] {
        assert!(!class.records(&group, node, batch(), START).await.repeated);
    }
    assert_eq!(class.polls(&group, "", START).await.len(), 6);
}

async fn the_same_call_in_another_group_is_no_repetition<S: Store>(class: Class<'_, S>) {
    for host in ["a", "b"] {
        let group = class.polling_group(host).await.key;
        assert!(!class.records(&group, "k", batch(), START).await.repeated);
        assert_eq!(class.polls(&group, "", START).await.len(), 3);
    }
}

async fn after_the_event_ttl_the_same_call_is_new<S: Store>(class: Class<'_, S>) {
    let ttl = TIMES.event_ttl;
    for (kind, node) in KINDS {
        let group = class.polling_group(node).await.key;
        let call = || class.call(kind, &group, node, batch());
        let first = class.store.append(call(), START).await.unwrap();
        let last = class.store.append(call(), second(ttl - 1)).await.unwrap();
        assert!(last.repeated);
        let renewed = class.store.append(call(), second(ttl + 1)).await.unwrap();
        assert!(!renewed.repeated && renewed.next_since > first.next_since);
        assert_eq!(class.polls(&group, "", second(ttl + 1)).await.len(), 3);
        let again = class.store.append(call(), second(ttl + 2)).await.unwrap();
        assert!(again.repeated && again.next_since == renewed.next_since);
    }
}

async fn a_repetition_after_other_calls_is_recognized<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let first = class.records(&group, "k", batch(), START).await;
    class
        .records(&group, "k", vec![keyed("c", "3")], at(1))
        .await;
    class.records(&group, "other", batch(), at(2)).await;
    let again = class.records(&group, "k", batch(), at(3)).await;
    assert!(again.repeated);
    assert_eq!(again.next_since, first.next_since);
    assert_eq!(class.polls(&group, "", at(3)).await.len(), 7);
}
