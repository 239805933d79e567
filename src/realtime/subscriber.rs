//! One subscription on a socket, as the hub knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::hub::Listener;
use crate::realtime::frame::{Dialect, start_ack};
use crate::realtime::outbox::Outbox;

/// A subscription.
#[derive(Debug)]
pub struct Subscriber {
    outbox: Arc<Outbox>,
    gone: AtomicBool,
    dialect: Dialect,
    id: Box<str>,
    /// What stands before and after the value of `data`.
    head: Box<str>,
    tail: &'static [u8],
}

impl Subscriber {
    /// The subscription `id` of the socket behind `outbox`.
    pub fn new(outbox: Arc<Outbox>, id: &str, dialect: Dialect) -> Self {
        let (head, tail) = dialect.around_data(id);
        Self {
            outbox,
            gone: AtomicBool::new(false),
            dialect,
            id: id.into(),
            head: head.into(),
            tail,
        }
    }
}

impl Listener for Subscriber {
    fn welcome(&self) {
        if self.dialect == Dialect::AppSync {
            self.outbox.say(&start_ack(&self.id));
        }
    }

    fn hear(&self, messages: &[Bytes], scratch: &mut Vec<u8>) {
        let head = self.head.as_bytes();
        let texts = messages.iter().map(|data| [head, data, self.tail]);
        self.outbox
            .deliver(texts, scratch, || self.gone.load(Ordering::Relaxed));
    }

    fn farewell(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}
