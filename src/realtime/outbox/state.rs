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
    /// Wakes who writes: the socket's task, or an event stream's HTTP connection.
    pub writer: Option<Waker>,
    /// Wakes an event stream's task.
    pub worker: Option<Waker>,
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

    /// Whether the task has something else to do than to write: to close what is full, to remove
    /// ended subscriptions, to render.
    pub fn has_work(&self) -> bool {
        let ended = !self.closed && !self.ended.is_empty();
        self.full || ended || self.can_render()
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

    /// Wakes who writes, and who has something else to do.
    pub fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        self.wake_worker();
    }

    /// Wakes an event stream's task if it has something to do.
    pub fn wake_worker(&mut self) {
        if self.worker.is_some() && self.has_work() {
            self.worker.take().into_iter().for_each(Waker::wake);
        }
    }
}
