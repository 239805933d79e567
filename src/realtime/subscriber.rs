//! One subscription on a socket: the hub's subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::hub::{LeasedSelection, Publication, Subscriber};
use crate::model::message::MESSAGE_BYTES;
use crate::realtime::message::{channel_error, start_ack};
use crate::realtime::outbox::Outbox;
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;

/// A subscription that delivers to its socket's outbox.
#[derive(Debug)]
pub struct SocketSubscriber {
    outbox: Arc<Outbox>,
    ended: AtomicBool,
    dialect: Dialect,
    operation: OperationKey,
    /// What precedes and what follows the value of `data`.
    prefix: Box<str>,
    suffix: &'static [u8],
    /// The selection, if this subscription renders by itself; boxed, for most do not.
    selection: Option<Box<LeasedSelection>>,
}

impl SocketSubscriber {
    /// The subscription by `operation`. It has a `selection` if it renders by itself.
    pub fn new(
        outbox: Arc<Outbox>,
        operation: OperationKey,
        dialect: Dialect,
        selection: Option<LeasedSelection>,
    ) -> Self {
        let (prefix, suffix) = dialect.data_envelope(&operation.id);
        Self {
            outbox,
            ended: AtomicBool::new(false),
            dialect,
            operation,
            prefix: prefix.into(),
            suffix,
            selection: selection.map(Box::new),
        }
    }

    /// Renders a message and puts it into the outbox.
    pub fn render(&self, publication: &Publication) {
        let Some(selection) = self.selection.as_ref().filter(|_| !self.has_ended()) else {
            return;
        };
        match publication.render(selection.selection()) {
            Some(data) => self.deliver(&[data], &mut Vec::new()),
            None => self.on_oversized(),
        }
    }

    #[cfg(test)]
    pub(super) fn is(&self, operation: &OperationKey) -> bool {
        self.operation == *operation
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Subscriber for SocketSubscriber {
    fn on_subscribe(&self) {
        if self.dialect == Dialect::AppSync {
            self.outbox.send(&start_ack(&self.operation.id));
        }
    }

    fn deliver(&self, messages: &[Bytes], scratch: &mut Vec<u8>) {
        let envelope = (self.prefix.as_bytes(), self.suffix);
        self.outbox
            .deliver(envelope, messages, scratch, || self.has_ended());
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>) {
        self.outbox.enqueue(&self, message, || self.has_ended());
    }

    fn on_oversized(&self) {
        let message = format!(
            "A message by this selection exceeds {MESSAGE_BYTES} bytes: select with fewer aliases"
        );
        let error = channel_error("LimitExceeded", &message);
        let text = self.dialect.error(&self.operation.id, vec![error]);
        let end = || self.ended.swap(true, Ordering::Relaxed);
        self.outbox.end_subscription(&self.operation, &text, end);
    }

    fn on_unsubscribe(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
