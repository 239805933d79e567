//! An outbox's content, under its lock.

use std::task::Waker;

use crate::memory::{Lease, Memory, Purpose};
use crate::realtime::frame_queue::FrameQueue;
use crate::realtime::liveness::WriteProgress;
use crate::realtime::outbox::render_queue::RenderQueue;
use crate::realtime::session::OperationKey;

/// What waits for one socket.
#[derive(Debug, Default)]
pub struct State {
    /// Frames to write.
    pub frames: FrameQueue,
    /// Messages to render, after all frames.
    pub unrendered: RenderQueue,
    /// Subscriptions that were ended here and that the socket's task does not yet know of.
    pub ended: Vec<OperationKey>,
    /// Wakes the socket's task.
    pub writer: Option<Waker>,
    /// Whether the socket accepts what is written.
    pub progress: WriteProgress,
    /// Something did not fit.
    pub full: bool,
    /// The close is queued or written.
    pub closed: bool,
    /// The memory that `frames` and `unrendered` own.
    lease: Option<Lease>,
}

impl State {
    /// Whether nothing more is accepted.
    pub fn is_closed(&self) -> bool {
        self.full || self.closed
    }

    /// Whether a message is to be rendered, and everything before it is written.
    pub fn can_render(&self) -> bool {
        self.frames.len() == 0 && !self.unrendered.is_empty()
    }

    /// Accounts for the memory that is owned here; shared bytes are accounted for where they
    /// are shared.
    pub fn account(&mut self, memory: &Memory) {
        let bytes = self.frames.owned_bytes() + self.unrendered.owned_bytes();
        match &mut self.lease {
            _ if bytes == 0 => self.lease = None,
            Some(lease) => lease.resize(bytes),
            none => *none = Some(memory.lease(Purpose::Queues, bytes)),
        }
    }

    /// Wakes the socket's task.
    pub fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
