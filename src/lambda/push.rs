//! Messages that no client's mutation returns: recorded events (decision D13), and the end of a
//! group that was not dissolved (D7). The store publishes all messages here; those of the other
//! mutations AppSync delivers by itself. The function sends them before it answers, since it may
//! be frozen afterwards.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::lambda::appsync::AppSync;
use crate::model::event::{Event, EventBatch, EventKind};
use crate::model::message::{Dissolution, Message};
use crate::store::Publisher;

/// Messages that wait to be sent. A call publishes one, and a run of the reaper one for each
/// group that ended.
const QUEUE: usize = 1_000;
/// Messages that are sent at a time. They are of different groups, so each group's keep their
/// order.
const CONCURRENCY: usize = 8;
/// How many times as long as one message all that wait may take.
const FLUSH_TIMEOUTS: u32 = 3;
/// The longest flush, however long one message may take: Lambda ends an event after 30 seconds,
/// and the call before the flush takes some of them.
const LONGEST_FLUSH: Duration = Duration::from_secs(15);
/// Time between two flushes while the reaper runs.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// Publishes a store's messages through AppSync.
#[derive(Debug)]
pub struct Push {
    api: AppSync,
    queue: Mutex<VecDeque<Message>>,
    /// One call sends at a time, so that no message overtakes another of its group.
    sending: Semaphore,
}

impl Publisher for Push {
    fn publish(&self, message: Message) {
        if !is_pushed(&message) {
            return;
        }
        let mut queue = self.lock();
        if queue.len() < QUEUE {
            queue.push_back(message);
        } else {
            tracing::error!("a message was not published: too many wait");
        }
    }

    /// A mutation of AppSync has its price, and members of a group that polls do not subscribe.
    fn publishes_where_members_poll(&self) -> bool {
        false
    }
}

impl Push {
    /// Publishes through this API.
    pub fn new(api: AppSync) -> Self {
        Self {
            api,
            queue: Mutex::default(),
            sending: Semaphore::new(1),
        }
    }

    /// Sends everything that was published until now, or gives it up at this time at the latest;
    /// returns how many messages it gave up. What fails is logged: the change is stored, and the
    /// call that made it succeeds.
    pub async fn flush(&self, deadline: Instant) -> usize {
        let limit = (self.api.message_timeout() * FLUSH_TIMEOUTS).min(LONGEST_FLUSH);
        self.send_until(deadline.min(Instant::now() + limit)).await
    }

    async fn send_until(&self, deadline: Instant) -> usize {
        let _permit = self.sending.acquire().await;
        let in_flight = AtomicUsize::new(0);
        let sent = timeout_at(deadline, self.send_all(&in_flight)).await;
        if sent.is_ok() {
            return 0;
        }
        let waiting = std::mem::take(&mut *self.lock()).len();
        let in_flight = in_flight.into_inner();
        tracing::error!(
            waiting,
            in_flight,
            "messages were not published: the time is over"
        );
        waiting + in_flight
    }

    /// Runs the reaper, and sends what it publishes meanwhile: what is not sent when Lambda ends
    /// the run is lost.
    pub async fn flush_during<T>(&self, reaping: impl Future<Output = T>, deadline: Instant) -> T {
        let done = CancellationToken::new();
        let reaping = async {
            let reaped = reaping.await;
            done.cancel();
            reaped
        };
        let flushing = async {
            let pause = || done.run_until_cancelled(sleep(FLUSH_INTERVAL));
            while pause().await.is_some() {
                self.send_until(deadline).await;
            }
        };
        join(reaping, flushing).await.0
    }

    async fn send_all(&self, in_flight: &AtomicUsize) {
        loop {
            let batch = next_batch(&mut self.lock());
            if batch.is_empty() {
                return;
            }
            in_flight.store(batch.len(), Ordering::Relaxed);
            let sending = batch.iter().map(async |message| {
                self.send(message).await;
                in_flight.fetch_sub(1, Ordering::Relaxed);
            });
            join_all(sending).await;
        }
    }

    async fn send(&self, message: &Message) {
        if let Err(error) = self.api.publish(&input(message)).await {
            tracing::error!(%error, "a message was not published");
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether no client's mutation returns this message.
fn is_pushed(message: &Message) -> bool {
    match message {
        Message::Status(_) => false,
        Message::Events(batch) => batch.kind == EventKind::Recorded,
        Message::Dissolved(end) => end.reason.is_some(),
    }
}

/// Takes the next messages, each of another group.
fn next_batch(queue: &mut VecDeque<Message>) -> Vec<Message> {
    let mut groups = HashSet::new();
    let is_next = |message: &&Message| groups.insert(message.group().clone());
    let length = queue.iter().take(CONCURRENCY).take_while(is_next).count();
    queue.drain(..length).collect()
}

/// The message as a `MeshMessageInput` (schema/appsync.graphql).
fn input(message: &Message) -> Value {
    let group = message.group();
    let mut input = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str()});
    match message {
        Message::Status(_) => {}
        Message::Events(batch) => input["batchEvent"] = batch_event(batch),
        Message::Dissolved(end) => input["groupDissolve"] = group_dissolve(end),
    }
    input
}

fn batch_event(batch: &EventBatch) -> Value {
    let (group, domain) = (batch.group.id.as_str(), batch.group.domain.as_str());
    let event = |event: &Event| {
        json!({
            "name": event.name, "firedByNodeId": event.fired_by.as_str(), "groupId": group,
            "domain": domain, "payload": event.payload, "timestamp": event.timestamp,
            "orderKey": event.order_key,
        })
    };
    json!({
        "events": batch.events.iter().map(event).collect::<Vec<_>>(),
        "firedByNodeId": batch.fired_by.as_str(), "groupId": group, "domain": domain,
        "timestamp": batch.timestamp.to_string(),
    })
}

fn group_dissolve(end: &Dissolution) -> Value {
    json!({
        "groupId": end.group.id.as_str(), "domain": end.group.domain.as_str(),
        "message": end.message,
    })
}

#[cfg(test)]
mod tests;
