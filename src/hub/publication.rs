//! A published message and its renderings.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use crate::hub::rendering::LeasedSelection;
use crate::hub::selection::Selection;
use crate::memory::{Lease, Memory, Purpose};
use crate::model::message::Message;

/// Selections per group whose renderings are shared; a class uses one.
pub const MAX_SHARED_SELECTIONS: usize = 4;
/// A rendering of at least this size has its own lease of the memory budget: sockets that
/// wait for it share it. A smaller one is copied.
pub const MIN_SHARED_BYTES: usize = 4 * 1024;

/// A published message. It is rendered when it is delivered: neither the mutation nor its
/// topic's lock waits for that (decisions D24, D25).
#[derive(Debug)]
pub struct Publication {
    message: Message,
    published: Instant,
    memory: Memory,
    /// By the slot of each shared selection.
    rendered: [OnceLock<Rendered>; MAX_SHARED_SELECTIONS],
    lease: Lease,
}

/// A message as it is rendered by a shared selection.
#[derive(Debug)]
struct Rendered {
    /// A history keeps the message, and the slot may be another selection's meanwhile.
    selection: Arc<LeasedSelection>,
    /// `None` exceeds the limit.
    data: Option<Bytes>,
}

impl Publication {
    /// A message to deliver, with a lease of its bytes.
    pub fn new(message: Message, memory: &Memory) -> Self {
        let lease = memory.lease(Purpose::Queues, message.bytes());
        Self {
            message,
            published: Instant::now(),
            memory: memory.clone(),
            rendered: Default::default(),
            lease,
        }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// When it was published.
    pub fn published(&self) -> Instant {
        self.published
    }

    /// Whether it ends its group.
    pub fn is_last(&self) -> bool {
        matches!(self.message, Message::Dissolved(_))
    }

    /// Its bytes, without renderings.
    pub fn bytes(&self) -> usize {
        self.lease.bytes()
    }

    /// The value of `data` by a selection; `None` if it exceeds the limit.
    pub fn render(&self, selection: &Selection) -> Option<Bytes> {
        let mut bytes = selection.render(&self.message)?;
        if bytes.len() < MIN_SHARED_BYTES {
            return Some(bytes.into());
        }
        bytes.shrink_to_fit();
        let lease = self.memory.lease(Purpose::Queues, bytes.len());
        Some(leased_bytes(bytes, lease))
    }

    /// The same by a shared selection: rendered once.
    pub fn render_shared(&self, slot: usize, selection: &Arc<LeasedSelection>) -> Option<Bytes> {
        let rendered = self.rendered[slot].get_or_init(|| Rendered {
            selection: Arc::clone(selection),
            data: self.render(selection.selection()),
        });
        if rendered.selection.is_same(selection) {
            rendered.data.clone()
        } else {
            self.render(selection.selection())
        }
    }
}

/// Shared bytes that keep their lease of the memory budget until all clones are dropped.
pub fn leased_bytes(bytes: Vec<u8>, lease: Lease) -> Bytes {
    Bytes::from_owner(LeasedBytes {
        bytes,
        _lease: lease,
    })
}

struct LeasedBytes {
    bytes: Vec<u8>,
    _lease: Lease,
}

impl AsRef<[u8]> for LeasedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
