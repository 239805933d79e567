//! Messages are published in commit order (decision D18). For stores that are alone with their
//! data; on several threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::model::event::EventKind;
use crate::model::group::GroupKey;
use crate::model::message::Message;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, data, events, names};
use crate::store::suite::{at, second};
use crate::store::{Publisher, Store};

/// Concurrent senders, two for each node.
const SENDERS: usize = 16;
/// Calls of each sender.
const CALLS: usize = 60;
/// Groups that are dissolved while senders send.
const DISSOLVED: usize = 20;

/// Keeps the messages of all groups in the order in which they were published.
#[derive(Default)]
pub struct PublishedMessages(Mutex<Vec<Message>>);

impl Publisher for PublishedMessages {
    fn publish(&self, message: Message) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(message);
    }
}

impl PublishedMessages {
    /// The messages of a group.
    pub fn of(&self, group: &GroupKey) -> Vec<Message> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_group = messages.iter().filter(|message| message.group() == group);
        of_group.cloned().collect()
    }
}

/// Runs the cases on a new store.
pub async fn run<S: Store>(make: impl FnOnce(Arc<dyn Publisher>) -> S) {
    let published = Arc::new(PublishedMessages::default());
    let store = Arc::new(make(Arc::clone(&published) as Arc<dyn Publisher>));
    published_order_is_the_logs(&store, &published).await;
    nothing_is_published_after_the_end(&store, &published).await;
}

async fn published_order_is_the_logs<S: Store>(store: &Arc<S>, published: &PublishedMessages) {
    let class = Class::new(store.as_ref());
    let group = class.polling_group("h").await.key;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let node = format!("node {}", sender / 2);
        let fires = class.call(EventKind::Fired, &group, &node, Vec::new());
        let records = class.call(EventKind::Recorded, &group, &node, Vec::new());
        let (store, group, node) = (Arc::clone(store), group.clone(), class.node(&node));
        senders.spawn(async move {
            for call in 0..CALLS {
                // The senders' clocks differ, and step back.
                let millis = 1_000 + (call * 37 + sender * 11) % 50;
                let now = at(i64::try_from(millis).unwrap());
                let name = format!("{sender}-{call}");
                if call % 2 == 0 {
                    let report = data(&[("k", &name), (&format!("of {sender}"), &name)]);
                    store
                        .report(&group, &node.clone().into(), report, now)
                        .await
                        .unwrap();
                } else {
                    let mut call = if call % 4 == 1 { &fires } else { &records }.clone();
                    call.events = events(&[&name]).into();
                    store.append(call, now).await.unwrap();
                }
            }
        });
    }
    senders.join_all().await;
    let messages = published.of(&group);
    assert_eq!(messages.len(), SENDERS * CALLS);
    assert!(
        messages.iter().map(timestamp).is_sorted(),
        "times step back"
    );
    let (mut fired, mut values) = (Vec::new(), HashMap::new());
    for message in &messages {
        match message {
            Message::Status(status) => values.extend(status.data.iter().map(|sensor| {
                let key = (status.node.clone(), sensor.key.as_str());
                (key, sensor.value.as_str())
            })),
            Message::Events(batch) => fired.extend(names(&batch.events)),
            Message::Dissolved(_) => panic!("it is not dissolved"),
        }
    }
    let logged = class.reads_all(&group, second(2)).await;
    assert_eq!(names(&logged), fired);
    let statuses = store.statuses(&group, second(2)).await.unwrap();
    let stored = statuses.iter().flat_map(|status| {
        let data = status.data.iter();
        data.map(|sensor| {
            (
                (status.node.clone(), sensor.key.as_str()),
                sensor.value.as_str(),
            )
        })
    });
    let stored: HashMap<_, _> = stored.collect();
    assert_eq!(values, stored);
}

fn timestamp(message: &Message) -> Timestamp {
    match message {
        Message::Status(status) => status.timestamp,
        Message::Events(batch) => batch.timestamp,
        Message::Dissolved(_) => panic!("it has no time"),
    }
}

async fn nothing_is_published_after_the_end<S: Store>(
    store: &Arc<S>,
    published: &PublishedMessages,
) {
    for round in 0..DISSOLVED {
        let class = Class::new(store.as_ref());
        let group = class.group("h").await;
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let node = class.node(&format!("node {sender}"));
            let fires = class.call(EventKind::Fired, &group.key, "k", events(&["e"]));
            let (store, group) = (Arc::clone(store), group.key.clone());
            senders.spawn(async move {
                let report = || data(&[("k", "1")]);
                while store
                    .report(&group, &node.clone().into(), report(), at(1))
                    .await
                    .is_ok()
                    && store.append(fires.clone(), at(1)).await.is_ok()
                {
                    tokio::task::yield_now().await;
                }
            });
        }
        while published.of(&group.key).len() < SENDERS {
            tokio::task::yield_now().await;
        }
        // Dissolved, or ended by the reaper.
        if round % 2 == 0 {
            let dissolved = store
                .dissolve(&group.key, &group.host.clone().into(), at(1))
                .await;
            dissolved.unwrap();
        } else {
            store.reap(second(1_000)).await.unwrap();
        }
        senders.join_all().await;
        let messages = published.of(&group.key);
        let ends = messages.iter().map(|m| matches!(m, Message::Dissolved(_)));
        let ends: Vec<_> = ends.enumerate().filter(|(_, is_end)| *is_end).collect();
        assert_eq!(ends, [(messages.len() - 1, true)]);
    }
}
