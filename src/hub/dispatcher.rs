//! Flushes scheduled batches: messages that are published close together are delivered
//! together, and a message to a class wakes one task, not one per subscriber.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::hub::lock;
use crate::hub::publication::Publication;
use crate::hub::topic::Topic;

/// Subscribers that are delivered to before other tasks get a turn, about: batches are not
/// split.
const SUBSCRIBERS_PER_TURN: usize = 256;
/// A buffer that grew beyond this is shrunk after use.
const KEPT_BYTES: usize = 256 * 1024;
/// A list of messages that grew beyond this is shrunk after use.
const KEPT_MESSAGES: usize = 1024;

/// A task that flushes batches. A batch is scheduled once, and once more each time that a
/// sender has flushed it at the high-water mark meanwhile.
#[derive(Clone, Default)]
pub struct Dispatcher(Arc<Shared>);

#[derive(Default)]
struct Shared {
    scheduled: Mutex<Vec<ScheduledFlush>>,
    wake: Notify,
}

/// A batch to flush.
struct ScheduledFlush {
    topic: Arc<Topic>,
    batch: u64,
}

/// Buffers of a flush, reused by the next one.
#[derive(Default)]
pub struct Scratch {
    /// The messages to deliver.
    pub messages: Vec<Arc<Publication>>,
    /// The same, rendered.
    pub rendered: Vec<Bytes>,
    /// Lent to each subscriber in turn, for its frames.
    pub frames: Vec<u8>,
}

impl Scratch {
    /// Empties the buffers.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.messages.shrink_to(KEPT_MESSAGES);
        self.rendered.clear();
        self.rendered.shrink_to(KEPT_MESSAGES);
        self.frames.clear();
        self.frames.shrink_to(KEPT_BYTES);
    }
}

impl Dispatcher {
    /// Schedules a flush of a topic's batch.
    pub fn schedule(&self, topic: Arc<Topic>, batch: u64) {
        let mut scheduled = lock(&self.0.scheduled);
        scheduled.push(ScheduledFlush { topic, batch });
        let first = scheduled.len() == 1;
        drop(scheduled);
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Flushes scheduled batches for ever.
    pub async fn run(self) {
        let (mut flushes, mut scratch) = (Vec::new(), Scratch::default());
        loop {
            self.0.wake.notified().await;
            // Publishers that are ready run first: one write then carries all their messages.
            tokio::task::yield_now().await;
            self.take(&mut flushes);
            let mut delivered = 0;
            for flush in flushes.drain(..) {
                // A panic in one delivery must not end the delivery of all other groups.
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    flush.topic.flush(flush.batch, &mut scratch)
                }));
                delivered += outcome.unwrap_or_else(|_| {
                    scratch = Scratch::default();
                    0
                });
                if delivered >= SUBSCRIBERS_PER_TURN {
                    delivered = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn take(&self, flushes: &mut Vec<ScheduledFlush>) {
        std::mem::swap(flushes, &mut lock(&self.0.scheduled));
    }

    /// Flushes the batches that are scheduled now.
    pub fn flush(&self) {
        let (mut flushes, mut scratch) = (Vec::new(), Scratch::default());
        self.take(&mut flushes);
        for flush in flushes {
            flush.topic.flush(flush.batch, &mut scratch);
        }
    }
}
