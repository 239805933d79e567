//! Tells audiences what was left for them, many listeners in one pass: a message to a
//! class costs one wake-up, not one per pupil, and what several messages left together
//! goes out together.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::hub::batch::SubscriberBatch;
use crate::hub::lock;
use crate::hub::publication::Publication;

/// Listeners spoken to before other tasks get a turn, about: an audience is not parted.
const LISTENERS_PER_TURN: usize = 256;
/// A scratch that grew past this is given back.
const KEPT_BYTES: usize = 256 * 1024;
/// A list of messages that grew past this is given back.
const KEPT_MESSAGES: usize = 1024;

/// A task that speaks. An audience stands in its list once, or once more when somebody
/// else spoke to it meanwhile, so the list is as bounded as the connections are.
#[derive(Clone, Default)]
pub struct Dispatcher(Arc<Shared>);

#[derive(Default)]
struct Shared {
    expected: Mutex<Vec<Arc<SubscriberBatch>>>,
    wake: Notify,
}

/// What a pass works with; kept from pass to pass.
#[derive(Default)]
pub struct Buffers {
    /// What is told now.
    pub messages: Vec<Arc<Publication>>,
    /// The same, rendered.
    pub rendered: Vec<Bytes>,
    /// Lent to each listener in turn.
    pub scratch: Vec<u8>,
}

impl Buffers {
    /// Makes it ready for the next pass.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.messages.shrink_to(KEPT_MESSAGES);
        self.rendered.clear();
        self.rendered.shrink_to(KEPT_MESSAGES);
        self.scratch.clear();
        self.scratch.shrink_to(KEPT_BYTES);
    }
}

impl Dispatcher {
    /// Has the audience told in the next pass.
    pub fn expect(&self, audience: Arc<SubscriberBatch>) {
        let mut expected = lock(&self.0.expected);
        expected.push(audience);
        let first = expected.len() == 1;
        drop(expected);
        if first {
            self.0.wake.notify_one();
        }
    }

    /// Speaks whenever something was left.
    pub async fn run(self) {
        let (mut pass, mut desk) = (Vec::new(), Buffers::default());
        loop {
            self.0.wake.notified().await;
            // Whoever is ready to publish does so first: then one write carries it all.
            tokio::task::yield_now().await;
            self.take(&mut pass);
            let mut told = 0;
            for audience in pass.drain(..) {
                audience.speak(&mut desk);
                told += audience.len();
                if told >= LISTENERS_PER_TURN {
                    told = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn take(&self, pass: &mut Vec<Arc<SubscriberBatch>>) {
        std::mem::swap(pass, &mut lock(&self.0.expected));
    }

    /// One pass, now.
    pub fn flush(&self) {
        let mut pass = Vec::new();
        self.take(&mut pass);
        for audience in pass {
            audience.speak(&mut Buffers::default());
        }
    }
}
