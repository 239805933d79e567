//! From the hub into the outbox: rendered messages, and messages to render.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::{MIN_SHARED_BYTES, Publication};
use crate::realtime::frame::MAX_HEADER_BYTES;
use crate::realtime::frame_queue::{Kind, Part};
use crate::realtime::io::write_now;
use crate::realtime::outbox::Outbox;
use crate::realtime::outbox::render_queue::Unrendered;
use crate::realtime::position::AroundOffset;
use crate::realtime::subscriber::SocketSubscriber;

/// What is around each message of a subscription.
pub struct Envelope<'a> {
    /// What precedes the value of `data`.
    pub prefix: &'a [u8],
    /// What is around the first message's offset, and that offset, if the client asked for it.
    pub offset: Option<(&'a AroundOffset, u64)>,
    /// What follows all.
    pub suffix: &'a [u8],
}

impl Envelope<'_> {
    /// The position of the message that comes `index` after the first one.
    fn position(&self, index: usize) -> String {
        self.offset.map_or_else(String::new, |(around, first)| {
            let AroundOffset { before, after } = around;
            format!("{before}{}{after}", first + index as u64)
        })
    }
}

impl Outbox {
    /// Delivers texts in their envelope, unless `has_ended` returns true. It is called under the
    /// lock: after a subscription was ended, nothing of it follows. The frames are built in
    /// `scratch`.
    pub fn deliver(
        &self,
        envelope: &Envelope<'_>,
        texts: &[Bytes],
        scratch: &mut Vec<u8>,
        has_ended: impl FnOnce() -> bool,
    ) {
        let mut state = self.lock();
        if state.is_closed() || has_ended() {
            return;
        }
        let mut written = 0;
        if let Some(tcp) = self.tcp.as_ref().filter(|_| state.frames.len() == 0) {
            scratch.clear();
            for (index, text) in texts.iter().enumerate() {
                let position = envelope.position(index);
                let parts = [envelope.prefix, text, position.as_bytes(), envelope.suffix];
                let length = parts.iter().map(|part| part.len()).sum();
                scratch.reserve(length + MAX_HEADER_BYTES);
                scratch.extend_from_slice(self.framing.header(length).bytes());
                for part in parts {
                    scratch.extend_from_slice(part);
                }
            }
            written = write_now(tcp, scratch);
            if written == scratch.len() {
                return;
            }
        }
        for (index, text) in texts.iter().enumerate() {
            let position = envelope.position(index);
            let around = envelope.prefix.len() + position.len() + envelope.suffix.len();
            let length = around + text.len();
            let header = self.framing.header(length);
            let frame = header.bytes().len() + length;
            let of_frame = written.min(frame);
            written -= of_frame;
            if self.admits(&mut state, frame - of_frame, of_frame > 0) {
                let text = if text.len() < MIN_SHARED_BYTES {
                    Part::Copied(text)
                } else {
                    Part::Shared(text)
                };
                let parts = [
                    Part::Copied(header.bytes()),
                    Part::Copied(envelope.prefix),
                    text,
                    Part::Copied(position.as_bytes()),
                    Part::Copied(envelope.suffix),
                ];
                state.frames.push(parts, of_frame, Kind::Limited);
            }
        }
        self.commit(&mut state);
    }

    /// Queues a message for a subscription that renders by itself, with `has_ended` as in
    /// [`Outbox::deliver`].
    pub fn enqueue(
        &self,
        subscriber: &Arc<SocketSubscriber>,
        publication: &Arc<Publication>,
        sequence: u64,
        has_ended: impl FnOnce() -> bool,
    ) {
        let mut state = self.lock();
        if state.is_closed() || has_ended() {
            return;
        }
        let bytes = state.unrendered.cost_of(publication);
        if self.admits(&mut state, bytes, false) {
            state.unrendered.push(Unrendered {
                subscriber: Arc::clone(subscriber),
                publication: Arc::clone(publication),
                sequence,
                bytes,
            });
        }
        self.commit(&mut state);
    }

    /// Renders the oldest unrendered message, once everything before it is written; returns
    /// whether there was one. Only the socket's own task calls this.
    pub fn render_next(&self) -> bool {
        let mut state = self.lock();
        if !state.can_render() {
            return false;
        }
        let next = state.unrendered.pop();
        self.commit(&mut state);
        drop(state);
        next.is_some_and(|next| {
            next.subscriber.render(&next.publication, next.sequence);
            true
        })
    }

    /// Whether a message is to be rendered now.
    pub fn can_render(&self) -> bool {
        self.lock().can_render()
    }

    /// Drops all unrendered messages: their subscriptions have ended.
    pub fn clear_unrendered(&self) {
        let mut state = self.lock();
        state.unrendered.clear();
        self.commit(&mut state);
    }
}
