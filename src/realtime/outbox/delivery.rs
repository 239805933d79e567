//! From the hub into the outbox: rendered messages, and messages to render.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::{MIN_SHARED_BYTES, Publication};
use crate::realtime::frame::{FINAL, FrameHeader, MAX_HEADER_BYTES, TEXT};
use crate::realtime::frame_queue::{Kind, Part};
use crate::realtime::io::write_now;
use crate::realtime::outbox::Outbox;
use crate::realtime::outbox::render_queue::Unrendered;
use crate::realtime::subscriber::SocketSubscriber;

impl Outbox {
    /// Delivers texts, each between `prefix` and `suffix`, unless `has_ended` returns true.
    /// It is called under the lock: after a subscription was ended, nothing of it follows.
    /// The frames are built in `scratch`.
    pub fn deliver(
        &self,
        (prefix, suffix): (&[u8], &[u8]),
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
            for text in texts {
                let length = prefix.len() + text.len() + suffix.len();
                scratch.reserve(length + MAX_HEADER_BYTES);
                scratch.extend_from_slice(FrameHeader::new(FINAL | TEXT, length).bytes());
                for part in [prefix, text, suffix] {
                    scratch.extend_from_slice(part);
                }
            }
            written = write_now(tcp, scratch);
            if written == scratch.len() {
                return;
            }
        }
        for text in texts {
            let length = prefix.len() + text.len() + suffix.len();
            let header = FrameHeader::new(FINAL | TEXT, length);
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
                    Part::Copied(prefix),
                    text,
                    Part::Copied(suffix),
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
            next.subscriber.render(&next.publication);
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
