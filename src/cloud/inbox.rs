//! The messages of the group that one cloud socket has yet to send: the hub's subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::hub::{Publication, Subscriber};

/// What a waiting message takes beside itself, which all sockets share.
const ENTRY_BYTES: usize = 64;

/// A queue of up to a number of bytes. A socket whose queue is full is closed (decision D20).
#[derive(Debug)]
pub struct Inbox {
    limit: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Arc<Publication>>,
    bytes: usize,
    is_full: bool,
}

/// More messages came than the queue takes.
#[derive(Debug)]
pub struct Full;

impl Inbox {
    /// An empty queue of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Waits for the next message.
    pub async fn next(&self) -> Result<Arc<Publication>, Full> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if state.is_full {
                    return Err(Full);
                }
                if let Some(message) = state.messages.pop_front() {
                    state.bytes -= message.bytes() + ENTRY_BYTES;
                    return Ok(message);
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Inbox {
    fn on_subscribe(&self) {}

    /// Its selection has an alias, so the hub renders nothing for it.
    fn deliver(&self, _: &[Bytes], _: u64, _: &mut Vec<u8>) {}

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>, _: u64) {
        let mut state = self.lock();
        let bytes = message.bytes() + ENTRY_BYTES;
        if state.is_full || state.bytes + bytes > self.limit {
            state.is_full = true;
            state.messages.clear();
            state.bytes = 0;
        } else {
            state.bytes += bytes;
            state.messages.push_back(Arc::clone(message));
        }
        drop(state);
        self.changed.notify_one();
    }

    fn on_oversized(&self) {}

    fn on_unsubscribe(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::model::group::GroupKey;
    use crate::model::message::{Dissolution, Message};

    #[tokio::test]
    async fn messages_come_in_order_until_too_many_wait() {
        let group = GroupKey::parse("g", "d").unwrap();
        let message = Message::Dissolved(Dissolution::by_host(group));
        let message = Arc::new(Publication::new(message, &Memory::unlimited()));
        let inbox = Arc::new(Inbox::new(2 * (message.bytes() + ENTRY_BYTES)));
        for _ in 0..2 {
            Arc::clone(&inbox).enqueue(&message, 0);
        }
        assert!(inbox.next().await.is_ok());
        for _ in 0..2 {
            Arc::clone(&inbox).enqueue(&message, 0);
        }
        assert!(inbox.next().await.is_err());
        assert_eq!(Arc::strong_count(&message), 1);
    }
}
