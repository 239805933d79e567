use futures_util::FutureExt as _;

use super::*;
use crate::model::message::Dissolution;
use crate::store::suite::order::PublishedMessages;

const LONG: Duration = Duration::from_secs(8);

#[tokio::test(start_paused = true)]
async fn calls_are_published_by_number_and_one_that_ends_lets_the_next_go() {
    let messages = Arc::new(PublishedMessages::default());
    let publisher = Arc::clone(&messages) as Arc<dyn Publisher>;
    let group = GroupKey::parse("g", "d").unwrap();
    let count = || messages.of(&group).len();
    let publish = |place: Place| {
        let end = Message::Dissolved(Dissolution::by_host(group.clone()));
        place.publish(&publisher, end, LONG)
    };
    let log = Arc::new(GroupLog::new());
    let [first, second, third, fourth] = [3, 4, 9, 10].map(|number| log.place(number));
    // Its client is gone, but its events are written.
    assert!(publish(third).now_or_never().is_none());
    drop(second);
    assert_eq!(count(), 0);
    publish(first).now_or_never().unwrap();
    assert_eq!(count(), 2);
    let fifth = log.place(12);
    let started = tokio::time::Instant::now();
    publish(fifth).await;
    assert_eq!(
        (count(), started.elapsed()),
        (3, LONG),
        "no call waits for ever"
    );
    drop(fourth);
    publish(log.place(13)).now_or_never().unwrap();
    assert_eq!(count(), 4);
}
