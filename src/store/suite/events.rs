//! A group's log and its readers (decisions D12, D14, D16).

use futures_util::future::join_all;

use crate::model::event::{Event, EventInput, Since};
use crate::model::group::GroupKey;
use crate::model::rendered;
use crate::store::suite::class::{Class, cursor, event, events, keyed, names};
use crate::store::suite::{START, TIMES, at, second, sentences};
use crate::store::{EVENTS_PER_READ, Store};

sentences! {
    an_event_is_polled_with_the_servers_time,
    an_event_is_heard_with_its_senders_time,
    recorded_events_stand_by_order_key_then_position,
    fired_events_stand_as_they_were_sent,
    later_calls_stand_after_earlier_ones_whatever_their_keys,
    stamps_only_grow_when_the_clock_steps_back,
    calls_of_one_millisecond_stand_in_their_order,
    a_reader_who_pages_sees_every_event_once_in_order,
    simultaneous_calls_are_all_in_the_log_once,
    a_reader_between_calls_misses_nothing,
    since_is_strict_and_its_prefix_may_be_missing,
    since_compares_with_a_clients_clock,
    a_first_poll_reaches_back_to_the_join_and_nothing_comes_twice,
    a_polls_plain_time_reaches_back_and_its_cursors_do_not,
    a_since_from_the_future_is_forgiven,
    a_since_up_to_the_newest_event_is_no_future,
    an_event_past_its_ttl_is_not_told,
    next_since_is_the_last_event_of_the_call,
    an_empty_call_is_answered_and_stores_nothing,
    a_page_of_large_events_is_whole,
    a_page_is_cut_to_the_bytes_that_may_be_told,
    groups_have_logs_of_their_own,
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

async fn an_event_is_heard_with_its_senders_time<S: Store>(class: Class<'_, S>) {
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
    for taken in [
        class.fires(&group, "k", sent(), at(3)).await,
        class.records(&group, "k", sent(), at(4)).await,
    ] {
        let batch = taken.batch;
        assert_eq!((&batch.group, &batch.fired_by), (&group, &class.node("k")));
        assert_eq!(names(&batch.events), ["a", "b"]);
        let heard = |e: &Event| (e.timestamp.clone(), e.payload.clone(), e.order_key.clone());
        let first = ("2001-02-03T04:05:06+09:00".to_owned(), None, None);
        let second = (
            event("").fired_at,
            Some("p".to_owned()),
            Some("1".to_owned()),
        );
        assert_eq!(
            batch.events.iter().map(heard).collect::<Vec<_>>(),
            [first, second]
        );
        assert!(batch.events.iter().all(|e| e.fired_by == batch.fired_by));
        assert!(batch.events.iter().all(|e| e.cursor.is_none()));
        assert!(batch.timestamp == at(3) || batch.timestamp == at(4));
        assert!(!taken.repeated);
    }
}

async fn recorded_events_stand_by_order_key_then_position<S: Store>(class: Class<'_, S>) {
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
    let taken = class.records(&group, "k", sent, START).await;
    let order = ["a", "a2", "b", "c", "c2", "e", "d"];
    assert_eq!(names(&class.polls(&group, "", START).await), order);
    assert_eq!(names(&taken.batch.events), order);
}

async fn fired_events_stand_as_they_were_sent<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![keyed("b", "2"), event("c"), keyed("a", "1")];
    let taken = class.fires(&group, "k", sent, START).await;
    assert_eq!(
        names(&class.polls(&group, "", START).await),
        ["b", "c", "a"]
    );
    assert_eq!(names(&taken.batch.events), ["b", "c", "a"]);
}

async fn later_calls_stand_after_earlier_ones_whatever_their_keys<S: Store>(class: Class<'_, S>) {
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

async fn stamps_only_grow_when_the_clock_steps_back<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let first = class.records(&group, "a", events(&["1"]), at(5_000)).await;
    let second = class.records(&group, "b", events(&["2"]), at(3_000)).await;
    let third = class.fires(&group, "b", events(&["3"]), at(3_001)).await;
    assert!(first.next_since < second.next_since && second.next_since < third.next_since);
    let after = class.polls(&group, &first.next_since, at(3_001)).await;
    assert_eq!(
        names(&after),
        ["2", "3"],
        "a reader of the first missed the others"
    );
    let fourth = class.records(&group, "a", events(&["4"]), at(6_000)).await;
    assert!(third.next_since < fourth.next_since);
    let all = class.polls(&group, "", at(6_000)).await;
    assert_eq!(names(&all), ["1", "2", "3", "4"]);
}

async fn calls_of_one_millisecond_stand_in_their_order<S: Store>(class: Class<'_, S>) {
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

async fn a_reader_who_pages_sees_every_event_once_in_order<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let numbered = |n: u32| format!("{n:03}");
    let sent: Vec<_> = (0..370).map(numbered).collect();
    let calls = [0..150, 150..151, 151..270, 270..370];
    for (call, millis) in calls.into_iter().zip([0, 0, 7, 3]) {
        let events: Vec<_> = sent[call.clone()].iter().map(|n| keyed(n, n)).collect();
        if call.len() == 119 {
            class.fires(&group, "fires", events, at(millis)).await;
        } else {
            class
                .records(&group, &format!("n{}", call.start), events, at(millis))
                .await;
        }
    }
    let first = class.polls(&group, "", at(9)).await;
    assert_eq!(first.len(), EVENTS_PER_READ);
    let all = class.reads_all(&group, at(9)).await;
    assert_eq!(names(&all), sent);
    assert!(cursors(&all).is_sorted_by(|a, b| a < b));
}

async fn simultaneous_calls_are_all_in_the_log_once<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let nodes: Vec<_> = (0..40).map(|n| format!("n{n}")).collect();
    let calls = nodes.iter().zip(0..).map(|(node, millis)| {
        class.records(&group, node, events(&[node, node, node]), at(millis % 4))
    });
    let taken = join_all(calls).await;
    let all = class.reads_all(&group, at(4)).await;
    assert!(cursors(&all).is_sorted_by(|a, b| a < b));
    assert_eq!(all.len(), 120);
    for (node, taken) in nodes.iter().zip(taken) {
        let last = all.iter().rfind(|event| event.name == *node).unwrap();
        assert_eq!(cursor(last), taken.next_since);
        assert_eq!(all.iter().filter(|event| event.name == *node).count(), 3);
    }
}

async fn a_reader_between_calls_misses_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let (mut since, mut seen) = (String::new(), Vec::new());
    for (n, millis) in [5, 5, 4, 9, 1, 9].into_iter().enumerate() {
        let name = n.to_string();
        class
            .records(&group, &format!("n{}", n % 3), events(&[&name]), at(millis))
            .await;
        let polled = class.polls(&group, &since, at(millis)).await;
        seen.extend(polled.iter().map(|event| event.name.clone()));
        since = polled.last().map_or(since, cursor);
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"]);
}

async fn since_is_strict_and_its_prefix_may_be_missing<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class
        .records(&group, "k", events(&["a", "b", "c"]), START)
        .await;
    let all = class.polls(&group, "", START).await;
    assert_eq!(class.polls(&group, "EVENT#", START).await, all);
    for (n, event) in all.iter().enumerate() {
        let since = cursor(event);
        let bare = since.strip_prefix("EVENT#").unwrap();
        assert_eq!(class.polls(&group, &since, START).await, all[n + 1..]);
        assert_eq!(class.polls(&group, bare, START).await, all[n + 1..]);
    }
}

async fn since_compares_with_a_clients_clock<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class
        .records(&group, "k", events(&["early"]), at(100))
        .await;
    class.records(&group, "k", events(&["late"]), at(200)).await;
    let now = at(300);
    for (clock, told) in [(99, 2), (100, 2), (101, 1), (200, 1), (201, 0), (300, 0)] {
        let polled = class.polls(&group, &at(clock).to_string(), now).await;
        assert_eq!(polled.len(), told, "since {clock} ms: {polled:?}");
    }
}

/// A poll of an editor whose cursor is cleared until it gets an event.
async fn first_polls<S: Store>(
    class: &Class<'_, S>,
    group: &GroupKey,
    since: &mut Option<String>,
    millis: i64,
) -> Vec<String> {
    let from = since.clone().unwrap_or_else(|| at(millis).to_string());
    let page = class.asks(group, Since::Polled(&from), usize::MAX, at(millis));
    let page = page.await;
    *since = page.last().map(cursor).or(since.take());
    page.into_iter().map(|event| event.name).collect()
}

/// As the editor does it: it clears its cursor when it joins, polls two seconds later with
/// its own clock, and then goes on from the last event that it got (decision D14).
async fn a_first_poll_reaches_back_to_the_join_and_nothing_comes_twice<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.polling_group("h").await.key;
    class
        .records(&group, "k", events(&["before"]), at(900))
        .await;
    class.joins(&group, "late", at(1_000)).await;
    let sent: Vec<_> = (0..52_i64).map(|n| format!("e{n}")).collect();
    let (mut since, mut told) = (None, Vec::new());
    let mut polls = [3_000, 5_000, 7_000, 9_000].into_iter().peekable();
    for (name, now) in sent.iter().zip((1_000..).step_by(150)) {
        while let Some(poll) = polls.next_if(|poll| *poll < now) {
            told.extend(first_polls(&class, &group, &mut since, poll).await);
        }
        class.records(&group, "k", events(&[name]), at(now)).await;
    }
    for poll in polls {
        told.extend(first_polls(&class, &group, &mut since, poll).await);
    }
    assert_eq!(told, sent);
}

async fn a_polls_plain_time_reaches_back_and_its_cursors_do_not<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    for (name, millis) in [("a", 0), ("b", 1_000), ("c", 2_500)] {
        class
            .records(&group, "k", events(&[name]), at(millis))
            .await;
    }
    let all = class.polls(&group, "", at(3_000)).await;
    for (since, exactly, polled) in [
        (String::new(), "abc", "abc"),
        (at(3_000).to_string(), "", "bc"),
        (at(1_500).to_string(), "c", "abc"),
        (format!("EVENT#{}", at(3_000)), "", ""),
        (cursor(&all[0]), "bc", "bc"),
        (cursor(&all[2]), "", ""),
    ] {
        for (asked, told) in [
            (Since::Exactly(&since), exactly),
            (Since::Polled(&since), polled),
        ] {
            let page = class.asks(&group, asked, usize::MAX, at(3_000)).await;
            assert_eq!(names(&page).concat(), told, "{asked:?}");
        }
    }
}

async fn a_since_from_the_future_is_forgiven<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let back = TIMES.polling_interval * 2;
    class
        .records(&group, "k", events(&["old"]), second(0))
        .await;
    class
        .records(&group, "k", events(&["recent"]), second(1))
        .await;
    let now = at(500 + i64::from(back) * 1000);
    for future in [
        second(60).to_string(),
        format!("EVENT#{}", second(60)),
        "zzz".into(),
    ] {
        let polled = class.polls(&group, &future, now).await;
        assert_eq!(names(&polled), ["recent"], "since {future}");
    }
}

async fn a_since_up_to_the_newest_event_is_no_future<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let taken = class.records(&group, "k", events(&["a"]), second(5)).await;
    let polled = class.polls(&group, &taken.next_since, second(3)).await;
    assert_eq!(
        names(&polled),
        [""; 0],
        "it was told before the clock stepped back"
    );
}

async fn an_event_past_its_ttl_is_not_told<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let ttl = i64::from(TIMES.event_ttl) * 1000;
    class.records(&group, "k", events(&["a"]), at(900)).await;
    class.records(&group, "k", events(&["b"]), at(2_000)).await;
    assert_eq!(class.polls(&group, "", at(ttl - 1)).await.len(), 2);
    let later = class.polls(&group, "", at(ttl + 1_999)).await;
    assert_eq!(names(&later), ["b"]);
    assert_eq!(class.polls(&group, "", at(ttl + 3_000)).await, []);
    class
        .records(&group, "k", events(&["c"]), at(ttl + 3_000))
        .await;
    let later = class.polls(&group, "", at(ttl + 3_000)).await;
    assert_eq!(names(&later), ["c"]);
}

async fn next_since_is_the_last_event_of_the_call<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sent = vec![keyed("z", "3"), keyed("y", "2"), keyed("x", "1")];
    let taken = class.records(&group, "k", sent, START).await;
    let polled = class.polls(&group, "", START).await;
    assert_eq!(names(&polled), ["x", "y", "z"]);
    assert_eq!(taken.next_since, cursor(&polled[2]));
    assert_eq!(class.polls(&group, &taken.next_since, START).await, []);
    class.records(&group, "k", events(&["next"]), START).await;
    let after = class.polls(&group, &taken.next_since, START).await;
    assert_eq!(names(&after), ["next"]);
}

async fn an_empty_call_is_answered_and_stores_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class.records(&group, "k", events(&["before"]), START).await;
    for taken in [
        class.records(&group, "k", vec![], START).await,
        class.fires(&group, "k", vec![], START).await,
    ] {
        assert!(taken.batch.events.is_empty() && !taken.repeated);
        assert!(
            taken.next_since.starts_with("EVENT#"),
            "{}",
            taken.next_since
        );
        assert_eq!(class.polls(&group, &taken.next_since, START).await, []);
    }
    let empty = class.records(&group, "k", vec![], START).await;
    class.records(&group, "k", events(&["after"]), START).await;
    let after = class.polls(&group, &empty.next_since, START).await;
    assert_eq!(names(&after), ["after"]);
    assert_eq!(class.polls(&group, "", START).await.len(), 2);
}

async fn a_page_of_large_events_is_whole<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let large = |n: u32| EventInput {
        payload: Some("あ".repeat(5_000)),
        ..event(&n.to_string())
    };
    class
        .records(&group, "a", (0..60).map(large).collect(), START)
        .await;
    class
        .records(&group, "b", (60..120).map(large).collect(), START)
        .await;
    let page = class.polls(&group, "", START).await;
    assert_eq!(page.len(), EVENTS_PER_READ);
    let all = class.reads_all(&group, START).await;
    let sent: Vec<_> = (0..120).map(|n| n.to_string()).collect();
    assert_eq!(names(&all), sent);
}

async fn a_page_is_cut_to_the_bytes_that_may_be_told<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sized = |n: usize| EventInput {
        payload: Some("\n".repeat(n * 100)),
        ..event(&n.to_string())
    };
    class
        .records(&group, "a", (0..9).map(sized).collect(), START)
        .await;
    let all = class.polls(&group, "", START).await;
    let bytes: Vec<_> = all.iter().map(|e| rendered::event(&group, e)).collect();
    for fit in 1..=9 {
        let most = bytes[..fit].iter().sum::<usize>();
        for (most, told) in [(most, fit), (most - 1, (fit - 1).max(1))] {
            let page = class.asks(&group, Since::Exactly(""), most, START).await;
            assert_eq!(page, all[..told], "{most} bytes");
        }
    }
    let (mut read, mut since) = (Vec::new(), String::new());
    while read.len() < all.len() {
        let page = class.asks(&group, Since::Polled(&since), 0, START).await;
        assert_eq!(page.len(), 1, "whoever reads always gets on");
        since = cursor(&page[0]);
        read.extend(page);
    }
    assert_eq!(read, all);
}

async fn groups_have_logs_of_their_own<S: Store>(class: Class<'_, S>) {
    let one = class.polling_group("a").await.key;
    let other = class.polling_group("b").await.key;
    class.records(&one, "k", events(&["one"]), START).await;
    class.records(&other, "k", events(&["other"]), START).await;
    assert_eq!(names(&class.polls(&one, "", START).await), ["one"]);
    assert_eq!(names(&class.polls(&other, "", START).await), ["other"]);
}
