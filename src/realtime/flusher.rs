//! Writes to many sockets in one pass: a message to a class costs one wake-up, not one
//! per pupil, and what several messages left in a socket's outbox goes out together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::realtime::outbox::Outbox;

/// Sockets written before other tasks get a turn.
const SOCKETS_PER_TURN: usize = 256;

/// A task that writes outboxes. A socket stands in its list at most once, so the list is
/// as bounded as the connections are.
#[derive(Clone, Debug, Default)]
pub struct Flusher(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    expected: Mutex<Vec<Arc<Outbox>>>,
    wake: Notify,
}

impl Flusher {
    /// A flusher that works until `stop`.
    pub fn start(tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let flusher = Self::default();
        let works = flusher.clone();
        tasks.spawn(async move { stop.run_until_cancelled(works.run()).await });
        flusher
    }

    /// Has the outbox written in the next pass.
    pub fn expect(&self, outbox: Arc<Outbox>) {
        let mut expected = self
            .0
            .expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        expected.push(outbox);
        let first = expected.len() == 1;
        drop(expected);
        if first {
            self.0.wake.notify_one();
        }
    }

    async fn run(&self) {
        let mut pass = Vec::new();
        loop {
            self.0.wake.notified().await;
            // Whoever is ready to speak speaks first: then one write carries it all.
            tokio::task::yield_now().await;
            std::mem::swap(
                &mut pass,
                &mut self
                    .0
                    .expected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            for (written, outbox) in pass.drain(..).enumerate() {
                outbox.flush();
                if written % SOCKETS_PER_TURN == SOCKETS_PER_TURN - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
