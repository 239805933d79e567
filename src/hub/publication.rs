//! A message on its way to a group's subscribers, and its renderings.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::hub::selection::Selection;
use crate::memory::{Lease, Memory, Purpose};
use crate::model::message::Message;

/// Selections of one group whose renderings are shared; a class uses one.
pub const SHARED_SELECTIONS: usize = 4;
/// From here on a rendering is counted in the memory budget by itself: it waits once,
/// however many sockets it waits for. A smaller one is copied.
pub const COUNTED_BYTES: usize = 4 * 1024;

/// A message that was published. It is rendered when it is delivered: neither a mutation
/// nor its group's lock waits for that (decisions D24, D25).
#[derive(Debug)]
pub struct Publication {
    message: Message,
    memory: Memory,
    /// Of each shared selection, by its slot; `None` within when it exceeds the limit.
    rendered: [OnceLock<Option<Bytes>>; SHARED_SELECTIONS],
    lease: Lease,
}

impl Publication {
    /// A message to be delivered; what it holds is counted.
    pub fn new(message: Message, memory: &Memory) -> Self {
        let lease = memory.lease(Purpose::Queues, message.bytes());
        Self {
            message,
            memory: memory.clone(),
            rendered: Default::default(),
            lease,
        }
    }

    /// The message.
    #[cfg(test)]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Bytes that it holds, renderings apart.
    pub fn bytes(&self) -> usize {
        self.lease.bytes()
    }

    /// The value of `data` for one selection; `None` when it exceeds the limit.
    pub fn render(&self, selection: &Selection) -> Option<Bytes> {
        let mut bytes = selection.render(&self.message)?;
        if bytes.len() < COUNTED_BYTES {
            return Some(bytes.into());
        }
        bytes.shrink_to_fit();
        let lease = self.memory.lease(Purpose::Queues, bytes.len());
        Some(counted(bytes, lease))
    }

    /// The same for a shared selection: rendered once.
    pub fn render_shared(&self, slot: usize, selection: &Selection) -> Option<Bytes> {
        self.rendered[slot]
            .get_or_init(|| self.render(selection))
            .clone()
    }
}

/// Bytes that count in the memory budget as long as anybody holds them.
pub fn counted(bytes: Vec<u8>, lease: Lease) -> Bytes {
    Bytes::from_owner(Counted {
        bytes,
        _lease: lease,
    })
}

struct Counted {
    bytes: Vec<u8>,
    _lease: Lease,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
