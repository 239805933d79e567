//! A repeated call is one call (decision D15).

use futures_util::future::join_all;

use crate::model::event::{Channel, EventInput};
use crate::store::Store;
use crate::store::suite::class::{Class, event, events, keyed};
use crate::store::suite::{START, TIMES, at, second, sentences};

sentences! {
    a_repeated_call_is_answered_like_the_first,
    a_repeated_fire_is_told_even_where_nothing_is_kept,
    simultaneous_repetitions_are_taken_once,
    equal_order_keys_inside_a_call_stay_separate_events,
    a_call_that_lacks_an_order_key_is_never_a_repetition,
    a_call_that_differs_anywhere_is_no_repetition,
    another_nodes_same_call_is_no_repetition,
    the_same_call_in_another_group_is_no_repetition,
    after_the_event_ttl_the_same_call_is_new,
    a_repetition_after_other_calls_is_known,
}

/// The channels, with a name of their own for nodes.
const CHANNELS: [(Channel, &str); 2] = [(Channel::Fired, "fires"), (Channel::Recorded, "records")];

fn batch() -> Vec<EventInput> {
    vec![keyed("b", "2"), keyed("a", "1"), keyed("a", "1")]
}

async fn a_repeated_call_is_answered_like_the_first<S: Store>(class: Class<'_, S>) {
    for (channel, node) in CHANNELS {
        let group = class.polling_group(node).await.key;
        let call = class.call(channel, &group, node, batch());
        let first = class.store.append(call.clone(), START).await.unwrap();
        assert!(!first.repeated);
        let told = class.polls(&group, "", START).await;
        for millis in [0, 1, 5_000] {
            let again = class.store.append(call.clone(), at(millis)).await.unwrap();
            assert!(again.repeated, "{channel:?} after {millis} ms");
            assert_eq!(again.next_since, first.next_since);
            assert_eq!(again.batch, first.batch);
            assert_eq!(class.polls(&group, "", at(millis)).await, told);
        }
    }
}

async fn a_repeated_fire_is_told_even_where_nothing_is_kept<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let first = class.fires(&group, "k", batch(), START).await;
    let again = class.fires(&group, "k", batch(), second(1)).await;
    assert!(!first.repeated && again.repeated);
    assert_eq!(
        (first.next_since, first.batch),
        (again.next_since, again.batch)
    );
}

async fn simultaneous_repetitions_are_taken_once<S: Store>(class: Class<'_, S>) {
    for (channel, node) in CHANNELS {
        let group = class.polling_group(node).await.key;
        let call = || class.call(channel, &group, node, batch());
        let answers = join_all((0..20).map(|_| class.store.append(call(), START))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|a| !a.repeated).count(), 1);
        let same = |next: &String| *next == answers[0].next_since;
        assert!(answers.iter().all(|a| same(&a.next_since)));
        assert_eq!(class.polls(&group, "", START).await.len(), 3);
    }
}

async fn equal_order_keys_inside_a_call_stay_separate_events<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let same = vec![keyed("a", "1"); 3];
    class.records(&group, "k", same, START).await;
    assert_eq!(class.polls(&group, "", START).await.len(), 3);
}

async fn a_call_that_lacks_an_order_key_is_never_a_repetition<S: Store>(class: Class<'_, S>) {
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
            let taken = class.records(&group, "k", call.clone(), START).await;
            assert!(!taken.repeated);
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
        let taken = class.records(&group, "k", call.clone(), START).await;
        assert!(!taken.repeated, "{call:?}");
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
    for (channel, node) in CHANNELS {
        let group = class.polling_group(node).await.key;
        let call = || class.call(channel, &group, node, batch());
        let first = class.store.append(call(), START).await.unwrap();
        let last = class.store.append(call(), second(ttl - 1)).await.unwrap();
        assert!(last.repeated);
        let anew = class.store.append(call(), second(ttl + 1)).await.unwrap();
        assert!(!anew.repeated && anew.next_since > first.next_since);
        assert_eq!(class.polls(&group, "", second(ttl + 1)).await.len(), 3);
        let again = class.store.append(call(), second(ttl + 2)).await.unwrap();
        assert!(again.repeated && again.next_since == anew.next_since);
    }
}

async fn a_repetition_after_other_calls_is_known<S: Store>(class: Class<'_, S>) {
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
