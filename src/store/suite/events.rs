//! A group's event log (decisions D12, D16).

use futures_util::future::join_all;

use crate::model::event::{Event, EventInput};
use crate::store::Store;
use crate::store::suite::class::{Class, cursor, event, events, keyed, names};
use crate::store::suite::{START, at, test_cases};

test_cases! {
    an_event_is_polled_with_the_servers_time,
    an_event_is_published_with_its_senders_time,
    recorded_events_are_sorted_by_order_key_then_position,
    fired_events_keep_the_order_in_which_they_were_sent,
    calls_are_in_order_whatever_their_order_keys,
    stamps_increase_when_the_clock_steps_back,
    calls_of_one_millisecond_are_in_order,
    concurrent_calls_are_all_in_the_log_once,
    next_since_is_the_last_event_of_the_call,
    an_empty_call_stores_nothing,
    each_group_has_its_own_log,
}

fn cursors(events: &[Event]) -> Vec<String> {
    events.iter().map(cursor).collect()
}

async fn an_event_is_polled_with_the_servers_time<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![
        EventInput {
            payload: Some(String::new()),
            ..keyed("a", "1")
        },
        EventInput {
            order_key: Some("2".into()),
            payload: Some("p".into()),
            ..event("b")
        },
        keyed("c", "3"),
    ];
    class.records(&group, "k", sent, at(740)).await;
    let polled = class.polls(&group, "", at(740)).await;
    assert_eq!(names(&polled), ["a", "b", "c"]);
    let payloads: Vec<_> = polled.iter().map(|e| e.payload.as_deref()).collect();
    assert_eq!(payloads, [Some(""), Some("p"), None]);
    let keys: Vec<_> = polled.iter().map(|e| e.order_key.as_deref()).collect();
    assert_eq!(keys, [Some("1"), Some("2"), Some("3")]);
    for event in &polled {
        assert_eq!(event.fired_by, class.node("k"));
        assert_eq!(event.timestamp, at(740).to_string());
        assert!(cursor(event).starts_with(&format!("EVENT#{}#", at(740))));
    }
    let keyless = vec![
        EventInput {
            order_key: Some(String::new()),
            ..event("empty")
        },
        event("none"),
    ];
    let next = class.records(&group, "k", keyless, at(741)).await;
    let after = class.polls(&group, &cursor(&polled[2]), at(741)).await;
    assert!(after.iter().all(|event| event.order_key.is_none()));
    assert_eq!(cursors(&after).last(), Some(&next.next_since));
}

async fn an_event_is_published_with_its_senders_time<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = || {
        vec![
            EventInput {
                fired_at: "2001-02-03T04:05:06+09:00".into(),
                payload: Some(String::new()),
                order_key: Some(String::new()),
                ..event("a")
            },
            EventInput {
                payload: Some("p".into()),
                ..keyed("b", "1")
            },
        ]
    };
    for appended in [
        class.fires(&group, "k", sent(), at(3)).await,
        class.records(&group, "k", sent(), at(4)).await,
    ] {
        let batch = appended.batch;
        assert_eq!((&batch.group, &batch.fired_by), (&group, &class.node("k")));
        assert_eq!(names(&batch.events), ["a", "b"]);
        let fields = |e: &Event| (e.timestamp.clone(), e.payload.clone(), e.order_key.clone());
        let first = ("2001-02-03T04:05:06+09:00".to_owned(), None, None);
        let second = (
            event("").fired_at,
            Some("p".to_owned()),
            Some("1".to_owned()),
        );
        assert_eq!(
            batch.events.iter().map(fields).collect::<Vec<_>>(),
            [first, second]
        );
        assert!(batch.events.iter().all(|e| e.fired_by == batch.fired_by));
        assert!(batch.events.iter().all(|e| e.cursor.is_none()));
        assert!(batch.timestamp == at(3) || batch.timestamp == at(4));
        assert!(!appended.repeated);
    }
}

async fn recorded_events_are_sorted_by_order_key_then_position<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![
        keyed("d", "い"),
        keyed("c", "10"),
        event("a"),
        keyed("c2", "10"),
        keyed("e", "9"),
        event("a2"),
        keyed("b", "1"),
    ];
    let appended = class.records(&group, "k", sent, START).await;
    let order = ["a", "a2", "b", "c", "c2", "e", "d"];
    assert_eq!(names(&class.polls(&group, "", START).await), order);
    assert_eq!(names(&appended.batch.events), order);
}

async fn fired_events_keep_the_order_in_which_they_were_sent<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![keyed("b", "2"), event("c"), keyed("a", "1")];
    let appended = class.fires(&group, "k", sent, START).await;
    assert_eq!(
        names(&class.polls(&group, "", START).await),
        ["b", "c", "a"]
    );
    assert_eq!(names(&appended.batch.events), ["b", "c", "a"]);
}

async fn calls_are_in_order_whatever_their_order_keys<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class
        .records(&group, "a", vec![keyed("first", "9")], START)
        .await;
    class
        .records(&group, "b", vec![keyed("second", "5")], START)
        .await;
    class.fires(&group, "c", vec![event("third")], START).await;
    class
        .records(&group, "a", vec![keyed("fourth", "1")], START)
        .await;
    let order = ["first", "second", "third", "fourth"];
    assert_eq!(names(&class.polls(&group, "", START).await), order);
}

async fn stamps_increase_when_the_clock_steps_back<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let first = class.records(&group, "a", events(&["1"]), at(5_000)).await;
    let second = class.records(&group, "b", events(&["2"]), at(3_000)).await;
    let third = class.fires(&group, "b", events(&["3"]), at(3_001)).await;
    assert!(first.next_since < second.next_since && second.next_since < third.next_since);
    let after = class.polls(&group, &first.next_since, at(3_001)).await;
    assert_eq!(
        names(&after),
        ["2", "3"],
        "a poll after the first returns the others"
    );
    let fourth = class.records(&group, "a", events(&["4"]), at(6_000)).await;
    assert!(third.next_since < fourth.next_since);
    let all = class.polls(&group, "", at(6_000)).await;
    assert_eq!(names(&all), ["1", "2", "3", "4"]);
}

async fn calls_of_one_millisecond_are_in_order<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    for name in &sent {
        class
            .records(&group, &format!("n{}", name.len()), events(&[name]), START)
            .await;
    }
    let polled = class.polls(&group, "", START).await;
    assert_eq!(names(&polled), sent);
    assert!(cursors(&polled).is_sorted_by(|a, b| a < b));
}

async fn concurrent_calls_are_all_in_the_log_once<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let nodes: Vec<_> = (0..40).map(|n| format!("n{n}")).collect();
    let calls = nodes.iter().zip(0..).map(|(node, millis)| {
        class.records(&group, node, events(&[node, node, node]), at(millis % 4))
    });
    let appended = join_all(calls).await;
    let all = class.reads_all(&group, at(4)).await;
    assert!(cursors(&all).is_sorted_by(|a, b| a < b));
    assert_eq!(all.len(), 120);
    for (node, appended) in nodes.iter().zip(appended) {
        let last = all.iter().rfind(|event| event.name == *node).unwrap();
        assert_eq!(cursor(last), appended.next_since);
        assert_eq!(all.iter().filter(|event| event.name == *node).count(), 3);
    }
}

async fn next_since_is_the_last_event_of_the_call<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![keyed("z", "3"), keyed("y", "2"), keyed("x", "1")];
    let appended = class.records(&group, "k", sent, START).await;
    let polled = class.polls(&group, "", START).await;
    assert_eq!(names(&polled), ["x", "y", "z"]);
    assert_eq!(appended.next_since, cursor(&polled[2]));
    assert_eq!(class.polls(&group, &appended.next_since, START).await, []);
    class.records(&group, "k", events(&["next"]), START).await;
    let after = class.polls(&group, &appended.next_since, START).await;
    assert_eq!(names(&after), ["next"]);
}

async fn an_empty_call_stores_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class.records(&group, "k", events(&["before"]), START).await;
    for appended in [
        class.records(&group, "k", vec![], START).await,
        class.fires(&group, "k", vec![], START).await,
    ] {
        assert!(appended.batch.events.is_empty() && !appended.repeated);
        assert!(
            appended.next_since.starts_with("EVENT#"),
            "{}",
            appended.next_since
        );
        assert_eq!(class.polls(&group, &appended.next_since, START).await, []);
    }
    let empty = class.records(&group, "k", vec![], START).await;
    class.records(&group, "k", events(&["after"]), START).await;
    let after = class.polls(&group, &empty.next_since, START).await;
    assert_eq!(names(&after), ["after"]);
    assert_eq!(class.polls(&group, "", START).await.len(), 2);
}

async fn each_group_has_its_own_log<S: Store>(class: Class<'_, S>) {
    let one = class.polling_group("a").await.key;
    let other = class.polling_group("b").await.key;
    class.records(&one, "k", events(&["one"]), START).await;
    class.records(&other, "k", events(&["other"]), START).await;
    assert_eq!(names(&class.polls(&one, "", START).await), ["one"]);
    assert_eq!(names(&class.polls(&other, "", START).await), ["other"]);
}
