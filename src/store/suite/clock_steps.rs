//! Steps of the server's clock (decision D35), for stores that move their times with it.

use std::slice::from_ref;

use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::time::{ClockStep, Timestamp};
use crate::store::Store;
use crate::store::suite::class::{Class, client_error, data, events, names};
use crate::store::suite::{START, TIMES, second};

/// An hour in milliseconds.
const HOUR: i64 = 3_600_000;

/// Runs each test case on a store of its own, whose times all move.
pub async fn run<S: Store>(make: impl Fn() -> S) {
    a_group_whose_host_renewed_before_the_clock_was_corrected_lives_on(Class::new(&make())).await;
    a_group_ends_as_long_after_a_step_as_without_it(Class::new(&make())).await;
    a_group_lives_no_longer_after_a_step_back(Class::new(&make())).await;
    calls_from_before_a_step_count_as_of_the_step(Class::new(&make())).await;
    a_repeated_step_moves_nothing(Class::new(&make())).await;
    nodes_tombstones_and_polls_move_with_the_clock(Class::new(&make())).await;
    events_are_polled_across_a_step_and_keep_their_times(Class::new(&make())).await;
}

/// The clock steps by `millis` at `from`.
async fn steps<S: Store>(class: &Class<'_, S>, from: Timestamp, millis: i64) {
    let step = ClockStep::new(from, millis);
    class.store.clock_stepped(step).await.unwrap();
}

/// Whether requests to the group are admitted.
async fn is_alive<S: Store>(class: &Class<'_, S>, group: &Group, now: Timestamp) -> bool {
    let stranger = class.node("stranger");
    let refused = class
        .store
        .heartbeat(&group.key, &stranger.clone().into(), now)
        .await;
    matches!(client_error(refused), ClientError::NodeNotFound)
}

/// An hour later than `second(seconds)`.
fn hour_and(seconds: u32) -> Timestamp {
    second(seconds).shifted(HOUR)
}

/// An hour earlier.
fn before(seconds: u32) -> Timestamp {
    second(seconds).shifted(-HOUR)
}

async fn a_group_whose_host_renewed_before_the_clock_was_corrected_lives_on<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("h").await;
    class.renews(&group, second(15)).await;
    steps(&class, second(16), HOUR).await;
    assert_eq!(class.listed(hour_and(17)).await, from_ref(&group.key));
    assert_eq!(class.store.reap(hour_and(17)).await.unwrap(), []);
    let renewed = class.renews(&group, hour_and(30)).await;
    assert_eq!(renewed.heartbeat_at, hour_and(30));
    assert_eq!(renewed.expires_at, group.expires_at.shifted(HOUR));
}

async fn a_group_ends_as_long_after_a_step_as_without_it<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    steps(&class, second(10), HOUR).await;
    assert!(is_alive(&class, &group, hour_and(TIMES.host_ttl)).await);
    assert!(!is_alive(&class, &group, hour_and(TIMES.host_ttl + 1)).await);
}

async fn a_group_lives_no_longer_after_a_step_back<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.renews(&group, second(50)).await;
    steps(&class, second(50), -HOUR).await;
    assert!(is_alive(&class, &group, before(50 + TIMES.host_ttl)).await);
    assert!(!is_alive(&class, &group, before(51 + TIMES.host_ttl)).await);
    let ended = class.store.reap(before(51 + TIMES.host_ttl)).await.unwrap();
    assert!(ended.iter().any(|end| end.group == group.key), "{ended:?}");
}

async fn calls_from_before_a_step_count_as_of_the_step<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    steps(&class, second(20), HOUR).await;
    let renewed = class.renews(&group, second(19)).await;
    assert_eq!(renewed.heartbeat_at, hour_and(20));
    assert!(is_alive(&class, &group, hour_and(20 + TIMES.host_ttl)).await);
    steps(&class, hour_and(25), -HOUR).await;
    let renewed = class.renews(&group, hour_and(24)).await;
    assert_eq!(renewed.heartbeat_at, second(24));
    assert!(!is_alive(&class, &group, second(25 + TIMES.host_ttl)).await);
}

async fn a_repeated_step_moves_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    for seconds in [10, 11] {
        steps(&class, second(seconds), HOUR).await;
    }
    let listed = class.store.groups_in(&class.domain, hour_and(12)).await;
    assert_eq!(
        listed.unwrap()[0].created_at,
        group.created_at.shifted(HOUR)
    );
    for seconds in [30, 31] {
        steps(&class, hour_and(seconds), -HOUR).await;
    }
    let listed = class.store.groups_in(&class.domain, second(32)).await;
    assert_eq!(listed.unwrap(), [group]);
}

async fn nodes_tombstones_and_polls_move_with_the_clock<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    class.joins(&group.key, "k", START).await;
    let status = class.reports(&group.key, "k", &[("k", "1")], START).await;
    class.polls(&group.key, "", second(1)).await;
    steps(&class, second(5), HOUR).await;
    assert_eq!(class.members(&group.key, hour_and(6)).await, ["k"]);
    let kept = class.store.statuses(&group.key, hour_and(6)).await;
    assert_eq!(
        kept.unwrap(),
        [status],
        "its time is the one that was published"
    );
    class
        .fires(&group.key, "k", events(&["fired"]), hour_and(7))
        .await;
    let polled = class.reads_all(&group.key, hour_and(8)).await;
    assert_eq!(names(&polled), ["fired"]);

    let ended = hour_and(TIMES.host_ttl + 1);
    class.store.reap(ended).await.unwrap();
    steps(&class, ended, HOUR).await;
    let refused = class
        .try_report(
            &group.key,
            "k",
            data(&[("k", "2")]),
            ended.shifted(HOUR + 1000),
        )
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("heartbeat expired"), "{refused}");
}

async fn events_are_polled_across_a_step_and_keep_their_times<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await;
    class
        .records(&group.key, "k", events(&["one"]), second(5))
        .await;
    steps(&class, second(6), HOUR).await;
    let polled = class.reads_all(&group.key, hour_and(7)).await;
    assert_eq!(names(&polled), ["one"]);
    assert_eq!(polled[0].timestamp, second(5).to_string());
    class
        .records(&group.key, "k", events(&["two"]), hour_and(7))
        .await;
    steps(&class, hour_and(8), -HOUR).await;
    for seconds in 8..30 {
        let name = format!("event {seconds}");
        class
            .records(&group.key, "k", events(&[&name]), second(seconds))
            .await;
    }
    let polled = class.reads_all(&group.key, second(30)).await;
    let alive = TIMES.event_ttl as usize - 1;
    assert_eq!(polled.len(), alive, "events expire by the clock of now");
}
