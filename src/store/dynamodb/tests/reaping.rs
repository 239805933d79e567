//! Runs of the reaper on a slow table: they end in time, and publish each end at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::engine::engine;
use super::proxy::Proxy;
use super::{new_group, new_table, server};
use crate::model::limits::Limits;
use crate::model::message::Message;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::removal::CONCURRENCY;
use crate::store::{Publisher, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);
/// When the host TTL of a group created at [`NOW`] has passed.
const SILENT: Timestamp = NOW.plus_seconds(100);
/// Ended groups, for several turns of the concurrent checks.
const GROUPS: usize = 2 * CONCURRENCY + 4;
/// The time that each write takes more. An end needs at least two, one after the other.
const WRITE: Duration = Duration::from_millis(200);

struct Subscriber(UnboundedSender<Message>);

impl Publisher for Subscriber {
    fn publish(&self, message: Message) {
        self.0.send(message).unwrap();
    }
}

async fn create_group(store: &DynamoDb, host: usize) {
    let request = new_group(&format!("h{host}"), "school");
    store.host_group(request, NOW).await.unwrap();
}

/// A store on a slow table with groups that are due, and what it publishes.
async fn slow_store(reap_time: Duration) -> (DynamoDb, UnboundedReceiver<Message>) {
    let (settings, _) = new_table().await;
    let direct = server(&settings, Limits::default()).await;
    join_all((0..GROUPS).map(|host| create_group(&direct, host))).await;
    let slow = Proxy::delaying(&engine().endpoint, [Duration::ZERO, WRITE]).await;
    let settings = Settings {
        endpoint: Some(slow.endpoint),
        reap_time,
        ..settings
    };
    let (subscriber, messages) = unbounded_channel();
    let store = server(&settings, Limits::default()).await;
    (
        store.publishing_to(Arc::new(Subscriber(subscriber))),
        messages,
    )
}

#[tokio::test]
async fn an_end_is_published_before_the_run_is_over() {
    let test = async {
        let (store, mut messages) = slow_store(Duration::from_mins(2)).await;
        tokio::select! {
            biased;
            message = messages.recv() => assert!(matches!(message, Some(Message::Dissolved(_)))),
            ended = store.reap(SILENT) => panic!("nothing was published before {ended:?}"),
        }
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn a_run_on_a_slow_table_leaves_groups_to_the_next_one() {
    let test = async {
        let (store, mut messages) = slow_store(WRITE).await;
        let mut ended = 0;
        while ended < GROUPS {
            let run = store.reap(SILENT).await.unwrap().len();
            assert!(run <= CONCURRENCY, "{run} groups in one run");
            ended += run;
        }
        assert_eq!(store.reap(SILENT).await.unwrap(), []);
        let mut published = 0;
        while messages.try_recv().is_ok() {
            published += 1;
        }
        assert_eq!((ended, published), (GROUPS, GROUPS));
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}
