//! Subscribers that come back after a break.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A hub that keeps ten messages for ten seconds.
fn hub(memory: &Memory) -> Arc<Hub> {
    let limits = HistoryLimits {
        messages: 10,
        bytes: usize::MAX,
        age: 10 * SECOND,
    };
    Hub::with_history(memory.clone(), limits)
}

/// Subscribes after a position; returns where the subscriber starts.
fn resumes(
    hub: &Arc<Hub>,
    subscriber: &TestSubscriber,
    selection: Selection,
    after: impl Into<Option<Position>>,
    keep: bool,
) -> (Subscription, Start) {
    let mut begin = None;
    let after = after.into();
    let resume = Resume { after, keep };
    let subscription = hub.resume(&group("g"), selection, &resume, |_, start| {
        begin = start;
        Arc::new(subscriber.clone())
    });
    (subscription, begin.expect("it asked for positions"))
}

fn at(start: &Start, offset: u64) -> Position {
    let epoch = Arc::clone(&start.position.epoch);
    Position { epoch, offset }
}

fn publish(hub: &Hub, count: usize) {
    (0..count).for_each(|_| hub.publish(message("g")));
}

fn sequences(subscriber: &TestSubscriber) -> Vec<u64> {
    lock(&subscriber.0).sequences.clone()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_comes_back_gets_what_it_missed_and_then_the_rest() {
    for selection in [selection(Field::GroupId), aliases(2)] {
        let memory = Memory::unlimited();
        let (hub, (one, again)) = (hub(&memory), two());
        let (subscription, start) = resumes(&hub, &one, selection.clone(), None, true);
        assert_eq!((start.position.offset, start.recovered), (0, None));
        publish(&hub, 2);
        hub.flush();
        drop(subscription);
        publish(&hub, 3);
        let (subscription, start) = resumes(&hub, &again, selection, at(&start, 2), true);
        assert_eq!(start.recovered, Some(true));
        publish(&hub, 1);
        hub.flush();
        publish(&hub, 1);
        hub.flush();
        assert_eq!(sequences(&one), [0, 1]);
        assert_eq!(sequences(&again), [2, 3, 4, 5, 6]);
        drop(subscription);
        tokio::time::advance(11 * SECOND).await;
        hub.sweep();
        *lock(&one.0) = Received::default();
        *lock(&again.0) = Received::default();
        assert_eq!((hub.topics(), memory.total()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_not_recovered() {
    let hub = hub(&Memory::unlimited());
    let (one, other) = two();
    let fields = || selection(Field::GroupId);
    let (_subscription, first) = resumes(&hub, &one, fields(), None, true);
    publish(&hub, 12);
    let recovered = |after| {
        let (_subscription, start) = resumes(&hub, &other, fields(), after, true);
        assert_eq!(start.position, at(&first, 12));
        start.recovered
    };
    assert_eq!(recovered(at(&first, 12)), Some(true), "nothing was missed");
    assert_eq!(recovered(at(&first, 2)), Some(true), "ten are kept");
    assert_eq!(recovered(at(&first, 1)), Some(false), "eleven are not");
    assert_eq!(recovered(at(&first, 13)), Some(false), "in the future");
    let epoch = "another".into();
    assert_eq!(recovered(Position { epoch, offset: 12 }), Some(false));
    tokio::time::advance(11 * SECOND).await;
    assert_eq!(recovered(at(&first, 11)), Some(false), "too old");
    assert_eq!(recovered(at(&first, 12)), Some(true));
}

#[test]
fn a_history_is_bounded_in_bytes_and_gives_way_when_memory_is_short() {
    let bytes = 2 * message("g").bytes();
    let limits = HistoryLimits {
        bytes: 3 * bytes,
        ..HistoryLimits::default()
    };
    let memory = Memory::new(100 * 1024 * 1024);
    let hub = Hub::with_history(memory.clone(), limits);
    let (one, other) = two();
    let (_subscription, first) = resumes(&hub, &one, selection(Field::GroupId), None, true);
    let recovered = |offset| {
        let fields = selection(Field::GroupId);
        resumes(&hub, &other, fields, at(&first, offset), true)
            .1
            .recovered
    };
    publish(&hub, 5);
    assert_eq!([1, 2].map(recovered), [Some(false), Some(true)]);
    let lease = memory.lease(Purpose::Stored, 95 * 1024 * 1024);
    publish(&hub, 1);
    assert_eq!([5, 6].map(recovered), [Some(false), Some(true)]);
    drop(lease);
    publish(&hub, 1);
    assert_eq!([5, 6].map(recovered), [Some(false), Some(true)]);
}

#[tokio::test(start_paused = true)]
async fn only_the_topics_of_living_groups_are_kept_without_subscribers() {
    let memory = Memory::unlimited();
    let (hub, one) = (hub(&memory), TestSubscriber::default());
    for keep in [false, true] {
        drop(resumes(&hub, &one, selection(Field::GroupId), None, keep));
        assert_eq!(hub.topics(), usize::from(keep));
    }
    tokio::time::advance(9 * SECOND).await;
    hub.sweep();
    assert_eq!(hub.topics(), 1);
    tokio::time::advance(2 * SECOND).await;
    hub.sweep();
    assert_eq!((hub.topics(), memory.total()), (0, 0));
    // A topic whose subscribers never ask has no history.
    let plain = one.subscribes(&hub, "g", selection(Field::GroupId));
    publish(&hub, 1);
    assert_eq!(memory.leased(Purpose::Histories), 0);
    drop(plain);
    assert_eq!(hub.topics(), 0);
}

#[test]
fn a_class_that_comes_back_shares_a_batch_again() {
    let hub = hub(&Memory::unlimited());
    let (one, start) = {
        let one = TestSubscriber::default();
        let (subscription, start) = resumes(&hub, &one, selection(Field::GroupId), None, true);
        (subscription, start)
    };
    drop(one);
    publish(&hub, 3);
    let class: Vec<_> = (0..40).map(|_| TestSubscriber::default()).collect();
    let subscriptions: Vec<_> = class
        .iter()
        .map(|one| resumes(&hub, one, selection(Field::GroupId), at(&start, 1), true).0)
        .collect();
    let topic = Arc::clone(&subscriptions[0].topic);
    assert_eq!(topic.batches(), 40);
    publish(&hub, 1);
    hub.flush();
    assert_eq!(topic.batches(), 1);
    publish(&hub, 1);
    hub.flush();
    for one in &class {
        assert_eq!(sequences(one), [1, 2, 3, 4]);
    }
    drop(subscriptions);
    assert_eq!(topic.batches(), 0);
}

#[test]
fn a_kept_message_is_rendered_by_the_selection_of_the_resumed_subscriber() {
    let hub = hub(&Memory::unlimited());
    let (one, other) = two();
    let (subscription, start) = resumes(&hub, &one, selection(Field::GroupId), None, true);
    publish(&hub, 1);
    hub.flush();
    drop(subscription);
    let (_subscription, _) = resumes(&hub, &other, selection(Field::Domain), at(&start, 0), true);
    hub.flush();
    assert_eq!(one.messages(), [r#"{"onMessageInGroup":{"groupId":"g"}}"#]);
    assert_eq!(other.messages(), [r#"{"onMessageInGroup":{"domain":"d"}}"#]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish,
    Flush,
    Break(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::property::cases(64)))]

    #[test]
    fn a_subscriber_that_breaks_off_and_resumes_gets_each_message_once_in_order(
        steps in prop::collection::vec(prop_oneof![
            4 => Just(Step::Publish), 2 => Just(Step::Flush), 3 => (0usize..4).prop_map(Step::Break),
        ], 1..80),
    ) {
        let hub = Hub::new();
        let fields = |number: usize| if number == 0 { aliases(2) } else { selection(Field::GroupId) };
        let mut subscribers: Vec<_> = (0..4)
            .map(|number| {
                let one = TestSubscriber::default();
                let (subscription, start) = resumes(&hub, &one, fields(number), None, true);
                (one, Some(subscription), start)
            })
            .collect();
        let mut published = 0;
        for step in steps {
            match step {
                Step::Publish => {
                    publish(&hub, 1);
                    published += 1;
                }
                Step::Flush => hub.flush(),
                Step::Break(number) => {
                    let (one, subscription, start) = &mut subscribers[number];
                    if subscription.take().is_none() {
                        let after = at(start, sequences(one).len() as u64);
                        let (new, start) = resumes(&hub, one, fields(number), after, true);
                        prop_assert_eq!(start.recovered, Some(true));
                        *subscription = Some(new);
                    }
                }
            }
        }
        for (number, (one, subscription, start)) in subscribers.iter_mut().enumerate() {
            if subscription.is_none() {
                let after = at(start, sequences(one).len() as u64);
                *subscription = Some(resumes(&hub, one, fields(number), after, true).0);
            }
        }
        hub.flush();
        for (one, ..) in &subscribers {
            prop_assert!(sequences(one).into_iter().eq(0..published));
        }
    }
}
