//! The subscriptions of one connection.

use std::collections::HashMap;

use crate::hub::Subscription;
use crate::memory::{Memory, Work};

/// Subscriptions by their operation's id, each with the bytes of its selection.
#[derive(Debug, Default)]
pub struct Subscriptions {
    by_id: HashMap<String, (Subscription, usize)>,
    selection_bytes: usize,
}

impl Subscriptions {
    /// Whether a selection of this many bytes is accepted (decisions D25, D26).
    pub fn admit(&self, bytes: usize, limit: usize, memory: &Memory) -> Result<(), String> {
        if self.selection_bytes + bytes > limit {
            return Err(format!(
                "The selections of one connection take at most {limit} bytes"
            ));
        }
        let admitted = memory.admit(Work::Data, bytes);
        admitted.map_err(|error| error.to_string())
    }

    /// Adds a subscription.
    pub fn insert(&mut self, id: String, subscription: Subscription, bytes: usize) {
        self.selection_bytes += bytes;
        self.by_id.insert(id, (subscription, bytes));
    }

    /// Ends a subscription.
    pub fn remove(&mut self, id: &str) {
        if let Some((_, bytes)) = self.by_id.remove(id) {
            self.selection_bytes -= bytes;
        }
    }

    /// Ends all subscriptions.
    pub fn clear(&mut self) {
        self.by_id.clear();
        self.selection_bytes = 0;
    }
}
