//! Messages that no client's mutation returns: recorded events (decision D13), and the end of a
//! group that was not dissolved (D7). The store publishes all messages here; those of the other
//! mutations AppSync delivers by itself. The function sends them before it answers, since it may
//! be frozen afterwards.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

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
/// How many times as long as one message all that wait may take. By default they are given up
/// before Lambda's 30 seconds are over.
const FLUSH_TIMEOUTS: u32 = 3;

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

    /// Sends everything that was published until now. What fails is logged: the change is stored,
    /// and the call that made it succeeds.
    pub async fn flush(&self) {
        let _permit = self.sending.acquire().await;
        let limit = self.api.message_timeout() * FLUSH_TIMEOUTS;
        if timeout(limit, self.send_all()).await.is_err() {
            let given_up = std::mem::take(&mut *self.lock()).len();
            tracing::error!(given_up, "messages were not published: the time is over");
        }
    }

    async fn send_all(&self) {
        loop {
            let batch = next_batch(&mut self.lock());
            if batch.is_empty() {
                return;
            }
            join_all(batch.iter().map(|message| self.send(message))).await;
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::event::{EventCall, EventInput};
    use crate::model::group::{EndReason, GroupKey};
    use crate::model::ids::NodeId;
    use crate::model::time::Timestamp;

    fn group(id: &str) -> GroupKey {
        GroupKey::parse(id, "d").unwrap()
    }

    fn events(id: &str, kind: EventKind) -> Message {
        let event = EventInput {
            name: "go".into(),
            payload: Some("\"#".into()),
            fired_at: "2026-02-07T01:02:03.456Z".into(),
            order_key: None,
        };
        let call = EventCall {
            group: group(id),
            node: NodeId::parse("nodeId", "n").unwrap(),
            token: None,
            kind,
            events: Arc::new(vec![event]),
        };
        Message::Events(call.batch(Timestamp::from_millis(0)))
    }

    #[test]
    fn only_what_no_clients_mutation_returns_is_pushed() {
        let by_end = Dissolution::by_end(group("g"), EndReason::HostSilent);
        let by_host = Dissolution::by_host(group("g"));
        assert!(is_pushed(&Message::Dissolved(by_end)));
        assert!(!is_pushed(&Message::Dissolved(by_host)));
        assert!(is_pushed(&events("g", EventKind::Recorded)));
        assert!(!is_pushed(&events("g", EventKind::Fired)));
    }

    #[test]
    fn messages_of_one_group_are_sent_one_after_the_other() {
        let ids = ["a", "b", "a", "c", "a", "a"];
        let mut queue: VecDeque<_> = ids.map(|id| events(id, EventKind::Recorded)).into();
        let mut batches = Vec::new();
        while !queue.is_empty() {
            let batch = next_batch(&mut queue);
            let ids: Vec<_> = batch.iter().map(|it| it.group().id.to_string()).collect();
            batches.push(ids.concat());
        }
        assert_eq!(batches, ["ab", "ac", "a", "a"]);
        let many = (0..20).map(|id| events(&id.to_string(), EventKind::Recorded));
        assert_eq!(next_batch(&mut many.collect()).len(), CONCURRENCY);
    }

    #[test]
    fn a_recorded_batch_has_what_its_subscribers_select() {
        assert_eq!(
            input(&events("g", EventKind::Recorded)),
            json!({"groupId": "g", "domain": "d", "batchEvent": {
                "events": [{
                    "name": "go", "firedByNodeId": "n", "groupId": "g", "domain": "d",
                    "payload": "\"#", "timestamp": "2026-02-07T01:02:03.456Z", "orderKey": null,
                }],
                "firedByNodeId": "n", "groupId": "g", "domain": "d",
                "timestamp": "1970-01-01T00:00:00.000Z",
            }})
        );
    }
}
