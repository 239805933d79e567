//! One subscription on a socket, as the hub knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::hub::{LeasedSelection, Publication, Subscriber};
use crate::model::message::MESSAGE_BYTES;
use crate::realtime::frame::{Dialect, channel_error, start_ack};
use crate::realtime::outbox::Outbox;
use crate::realtime::session::Operation;

/// A subscription.
#[derive(Debug)]
pub struct SocketSubscriber {
    outbox: Arc<Outbox>,
    gone: AtomicBool,
    dialect: Dialect,
    of: Operation,
    /// What stands before and after the value of `data`.
    head: Box<str>,
    tail: &'static [u8],
    /// What it renders by itself; boxed, for most subscriptions share.
    own: Option<Box<LeasedSelection>>,
}

impl SocketSubscriber {
    /// The subscription `of` the socket behind `outbox`; one that renders for itself has
    /// its `own` selection.
    pub fn new(
        outbox: Arc<Outbox>,
        of: Operation,
        dialect: Dialect,
        own: Option<LeasedSelection>,
    ) -> Self {
        let (head, tail) = dialect.around_data(&of.id);
        Self {
            outbox,
            gone: AtomicBool::new(false),
            dialect,
            of,
            head: head.into(),
            tail,
            own: own.map(Box::new),
        }
    }

    /// Renders a message and puts it into the outbox.
    pub fn render(&self, publication: &Publication) {
        let Some(own) = self.own.as_ref().filter(|_| !self.is_gone()) else {
            return;
        };
        match publication.render(own.selection()) {
            Some(data) => self.deliver(&[data], &mut Vec::new()),
            None => self.on_oversized(),
        }
    }

    #[cfg(test)]
    pub(super) fn is(&self, of: &Operation) -> bool {
        self.of == *of
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

impl Subscriber for SocketSubscriber {
    fn on_subscribe(&self) {
        if self.dialect == Dialect::AppSync {
            self.outbox.say(&start_ack(&self.of.id));
        }
    }

    fn deliver(&self, messages: &[Bytes], scratch: &mut Vec<u8>) {
        let around = (self.head.as_bytes(), self.tail);
        self.outbox
            .deliver(around, messages, scratch, || self.is_gone());
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>) {
        self.outbox.enqueue(&self, message, || self.is_gone());
    }

    fn on_oversized(&self) {
        let message = format!(
            "A message by this selection exceeds {MESSAGE_BYTES} bytes: select with fewer aliases"
        );
        let error = channel_error("LimitExceeded", &message);
        let text = self.dialect.error(&self.of.id, vec![error]);
        let gone = || self.gone.swap(true, Ordering::Relaxed);
        self.outbox.end(&self.of, &text, gone);
    }

    fn on_unsubscribe(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}
