//! The operations that share one event stream.

use std::collections::HashMap;

use crate::realtime::session::OperationKey;

/// The operations that run, and the subscriptions, by their ids.
#[derive(Debug, Default)]
pub struct Operations {
    by_id: HashMap<String, u64>,
    started: u64,
    /// Whether the stream has ended.
    closed: bool,
}

/// Why an operation is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// Its id is in use.
    Duplicate,
    /// The stream has as many as it may have.
    TooMany,
    /// The stream has ended.
    Closed,
}

impl Operations {
    /// Begins one, unless its id is in use, there are `limit` of them, or the stream has ended.
    pub fn begin(&mut self, id: &str, limit: usize) -> Result<OperationKey, NotBegun> {
        if self.closed {
            return Err(NotBegun::Closed);
        }
        if self.by_id.contains_key(id) {
            return Err(NotBegun::Duplicate);
        }
        if self.by_id.len() >= limit {
            return Err(NotBegun::TooMany);
        }
        self.started += 1;
        self.by_id.insert(id.to_owned(), self.started);
        Ok(OperationKey::new(id, self.started))
    }

    /// Whether it was begun and not ended.
    pub fn contains(&self, operation: &OperationKey) -> bool {
        self.by_id.get(&operation.id) == Some(&operation.number)
    }

    /// Ends it; returns whether it was still there.
    pub fn end(&mut self, operation: &OperationKey) -> bool {
        self.contains(operation) && self.by_id.remove(&operation.id).is_some()
    }

    /// Ends the one of this id; returns whether there was one.
    pub fn end_by_id(&mut self, id: &str) -> bool {
        self.by_id.remove(id).is_some()
    }

    /// Ends all of them; none begins after this.
    pub fn close(&mut self) {
        self.by_id.clear();
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_after_its_operation() {
        let mut operations = Operations::default();
        let first = operations.begin("a", 2).unwrap();
        assert_eq!(operations.begin("a", 2), Err(NotBegun::Duplicate));
        operations.begin("b", 2).unwrap();
        assert_eq!(operations.begin("c", 2), Err(NotBegun::TooMany));
        assert!(operations.end_by_id("a") && !operations.end_by_id("a"));
        let second = operations.begin("a", 2).unwrap();
        assert!(!operations.end(&first), "the first one's result comes late");
        assert!(operations.contains(&second));
        assert!(operations.end(&second) && !operations.contains(&second));
    }

    #[test]
    fn nothing_begins_after_the_close() {
        let mut operations = Operations::default();
        let running = operations.begin("a", 2).unwrap();
        operations.close();
        assert!(!operations.contains(&running) && !operations.end(&running));
        assert_eq!(operations.begin("a", 2), Err(NotBegun::Closed));
    }
}
