//! Messages that wait to be rendered for one socket.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::Publication;
use crate::realtime::subscriber::SocketSubscriber;

/// What an entry takes beside its message.
pub const ENTRY_BYTES: usize = size_of::<Unrendered>();

/// A message, and the subscription whose selection it is to be rendered by.
#[derive(Debug)]
pub struct Unrendered {
    /// The subscription.
    pub subscriber: Arc<SocketSubscriber>,
    /// The message.
    pub publication: Arc<Publication>,
    /// Its number in the topic.
    pub sequence: u64,
    /// What the entry counts towards the outbox's limit.
    pub bytes: usize,
}

/// The messages that wait, oldest first.
#[derive(Debug, Default)]
pub struct RenderQueue {
    entries: VecDeque<Unrendered>,
    bytes: usize,
}

impl RenderQueue {
    /// What one more message would count: several subscriptions that wait for the same
    /// message share it, and get it one right after the other.
    pub fn cost_of(&self, publication: &Arc<Publication>) -> usize {
        let last = self.entries.back();
        let shared = last.is_some_and(|last| Arc::ptr_eq(&last.publication, publication));
        ENTRY_BYTES + if shared { 0 } else { publication.bytes() }
    }

    /// Adds a message.
    pub fn push(&mut self, entry: Unrendered) {
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<Unrendered> {
        let next = self.entries.pop_front()?;
        self.bytes -= next.bytes;
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some(next)
    }

    /// Drops all messages.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the messages count towards the outbox's limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Allocated bytes, without the messages, which are shared.
    pub fn owned_bytes(&self) -> usize {
        self.entries.capacity() * ENTRY_BYTES
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Unrendered> {
        self.entries.iter()
    }
}
