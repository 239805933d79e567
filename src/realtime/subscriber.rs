//! One subscription on a socket: the hub's subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::hub::{LeasedSelection, Publication, Start, Subscriber};
use crate::model::message::MESSAGE_BYTES;
use crate::realtime::message::{COMMENT, channel_error, start_ack};
use crate::realtime::outbox::{Envelope, Outbox};
use crate::realtime::position::{AroundOffset, PositionForm, first_extensions};
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
    /// What is around a message's offset, if the client asked for positions.
    around_offset: Option<Box<AroundOffset>>,
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
            around_offset: None,
            selection: selection.map(Box::new),
        }
    }

    /// The same with positions from `start` on. The client gets the start's first, if it cannot
    /// know it; `null` is the value of `data` without a message.
    #[must_use]
    pub fn with_positions(mut self, start: &Start, form: PositionForm, null: &str) -> Self {
        let around = AroundOffset::new(&start.position, form);
        if form == PositionForm::EventId {
            // The id follows the data on a line of its own.
            self.suffix = b"\n\n";
        }
        if let Some(extensions) = first_extensions(start) {
            let suffix = String::from_utf8_lossy(self.suffix);
            let id = format!("{}{}{suffix}", around.before, start.position.offset);
            let first = match (form, start.recovered) {
                (PositionForm::Extensions, _) => {
                    format!("{}{null}{extensions}{suffix}", self.prefix)
                }
                (PositionForm::EventId, None) => id.trim_start_matches("}\n").to_owned(),
                (PositionForm::EventId, Some(_)) => {
                    format!("{}{null}{extensions}{id}", self.prefix)
                }
            };
            self.outbox.send(&first);
        }
        self.around_offset = Some(Box::new(around));
        self
    }

    /// Renders the message of this number in the topic, and puts it into the outbox.
    pub fn render(&self, publication: &Publication, sequence: u64) {
        let Some(selection) = self.selection.as_ref().filter(|_| !self.has_ended()) else {
            return;
        };
        match publication.render(selection.selection()) {
            Some(data) => self.deliver(&[data], sequence, &mut Vec::new()),
            None => self.on_oversized(),
        }
        if publication.is_last() {
            self.on_group_end();
        }
    }

    #[cfg(test)]
    pub(super) fn is(&self, operation: &OperationKey) -> bool {
        self.operation == *operation
    }

    /// Ends the subscription with its last text.
    fn end(&self, last: &str) {
        let end = || self.ended.swap(true, Ordering::Relaxed);
        self.outbox.end_subscription(&self.operation, last, end);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Subscriber for SocketSubscriber {
    fn on_subscribe(&self) {
        match self.dialect {
            Dialect::AppSync => self.outbox.send(&start_ack(&self.operation.id)),
            Dialect::EventStream | Dialect::EventSource => self.outbox.send(COMMENT),
            Dialect::Legacy | Dialect::Transport | Dialect::SingleStream => {}
        }
    }

    fn deliver(&self, messages: &[Bytes], sequence: u64, scratch: &mut Vec<u8>) {
        let envelope = Envelope {
            prefix: self.prefix.as_bytes(),
            // A message's offset counts it as well.
            offset: self
                .around_offset
                .as_deref()
                .map(|around| (around, sequence + 1)),
            suffix: self.suffix,
        };
        self.outbox
            .deliver(&envelope, messages, scratch, || self.has_ended());
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>, sequence: u64) {
        self.outbox
            .enqueue(&self, message, sequence, || self.has_ended());
    }

    fn on_oversized(&self) {
        let message = format!(
            "A message by this selection exceeds {MESSAGE_BYTES} bytes: select with fewer aliases"
        );
        let error = channel_error("LimitExceeded", &message);
        self.end(&self.dialect.error(&self.operation.id, vec![error]));
    }

    fn on_group_end(&self) {
        // Sockets' clients unsubscribe by themselves.
        if self.dialect.is_event_stream() {
            self.end(&self.dialect.complete(&self.operation.id));
        }
    }

    fn on_unsubscribe(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
