//! Polls of a group's event log (decisions D12, D14).

use crate::model::cursor::Since;
use crate::model::event::{Event, EventInput};
use crate::model::group::GroupKey;
use crate::model::json_size;
use crate::store::suite::class::{Class, cursor, event, events, keyed, names};
use crate::store::suite::{START, TIMES, at, second, test_cases};
use crate::store::{EVENTS_PER_READ, Store};

test_cases! {
    since_is_strict_and_its_prefix_may_be_missing,
    since_may_be_a_clients_clock,
    a_first_poll_reaches_back_to_the_join_without_duplicates,
    a_polls_plain_time_reaches_back_and_its_cursors_do_not,
    a_since_in_the_future_counts_as_recent,
    a_since_up_to_the_newest_event_is_no_future,
    an_expired_event_is_not_returned,
    a_page_of_large_events_is_complete,
    a_page_is_limited_to_the_bytes_allowed,
    paging_returns_every_event_once_in_order,
    polls_between_calls_miss_nothing,
}

fn cursors(events: &[Event]) -> Vec<String> {
    events.iter().map(cursor).collect()
}

/// A poll of an editor, which has no cursor until it gets an event.
async fn first_polls<S: Store>(
    class: &Class<'_, S>,
    group: &GroupKey,
    since: &mut Option<String>,
    millis: i64,
) -> Vec<String> {
    let from = since.clone().unwrap_or_else(|| at(millis).to_string());
    let page = class.reads(group, Since::Polled(&from), usize::MAX, at(millis));
    let page = page.await;
    *since = page.last().map(cursor).or(since.take());
    page.into_iter().map(|event| event.name).collect()
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

async fn since_may_be_a_clients_clock<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class
        .records(&group, "k", events(&["early"]), at(100))
        .await;
    class.records(&group, "k", events(&["late"]), at(200)).await;
    let now = at(300);
    for (clock, expected) in [(99, 2), (100, 2), (101, 1), (200, 1), (201, 0), (300, 0)] {
        let polled = class.polls(&group, &at(clock).to_string(), now).await;
        assert_eq!(polled.len(), expected, "since {clock} ms: {polled:?}");
    }
}

/// Like the editor: it clears its cursor when it joins, polls two seconds later with its own
/// clock, and then continues after the last event that it got (decision D14).
async fn a_first_poll_reaches_back_to_the_join_without_duplicates<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    class.joins(&group, "k", at(900)).await;
    class
        .records(&group, "k", events(&["before"]), at(900))
        .await;
    class.joins(&group, "late", at(1_000)).await;
    let sent: Vec<_> = (0..52_i64).map(|n| format!("e{n}")).collect();
    let (mut since, mut read) = (None, Vec::new());
    let mut polls = [3_000, 5_000, 7_000, 9_000].into_iter().peekable();
    for (name, now) in sent.iter().zip((1_000..).step_by(150)) {
        while let Some(poll) = polls.next_if(|poll| *poll < now) {
            read.extend(first_polls(&class, &group, &mut since, poll).await);
        }
        class.records(&group, "k", events(&[name]), at(now)).await;
    }
    for poll in polls {
        read.extend(first_polls(&class, &group, &mut since, poll).await);
    }
    assert_eq!(read, sent);
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
        for (since, expected) in [
            (Since::Exactly(&since), exactly),
            (Since::Polled(&since), polled),
        ] {
            let page = class.reads(&group, since, usize::MAX, at(3_000)).await;
            assert_eq!(names(&page).concat(), expected, "{since:?}");
        }
    }
}

async fn a_since_in_the_future_counts_as_recent<S: Store>(class: Class<'_, S>) {
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
    let appended = class.records(&group, "k", events(&["a"]), second(5)).await;
    let polled = class.polls(&group, &appended.next_since, second(3)).await;
    assert_eq!(
        names(&polled),
        [""; 0],
        "it was polled before the clock stepped back"
    );
}

async fn an_expired_event_is_not_returned<S: Store>(class: Class<'_, S>) {
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

async fn a_page_of_large_events_is_complete<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let large = |n: u32| EventInput {
        payload: Some("あ".repeat(5_000)),
        ..event(&n.to_string())
    };
    for node in ["a", "b"] {
        class.joins(&group, node, START).await;
    }
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

async fn a_page_is_limited_to_the_bytes_allowed<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    let sized = |n: usize| EventInput {
        payload: Some("\n".repeat(n * 100)),
        ..event(&n.to_string())
    };
    class
        .records(&group, "a", (0..9).map(sized).collect(), START)
        .await;
    let all = class.polls(&group, "", START).await;
    let bytes: Vec<_> = all.iter().map(|e| json_size::event(&group, e)).collect();
    for fit in 1..=9 {
        let most = bytes[..fit].iter().sum::<usize>();
        for (most, expected) in [(most, fit), (most - 1, (fit - 1).max(1))] {
            let page = class.reads(&group, Since::Exactly(""), most, START).await;
            assert_eq!(page, all[..expected], "{most} bytes");
        }
    }
    let (mut read, mut since) = (Vec::new(), String::new());
    while read.len() < all.len() {
        let page = class.reads(&group, Since::Polled(&since), 0, START).await;
        assert_eq!(page.len(), 1, "a poller always makes progress");
        since = cursor(&page[0]);
        read.extend(page);
    }
    assert_eq!(read, all);
}

async fn paging_returns_every_event_once_in_order<S: Store>(class: Class<'_, S>) {
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

async fn polls_between_calls_miss_nothing<S: Store>(class: Class<'_, S>) {
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
