//! One memory budget for the whole process (decision D26).
//!
//! Counts alone do not bound memory: a thousand groups of a thousand nodes of 64 KB each
//! are 64 GB. So whatever holds many or large values counts their bytes here, and new work
//! is refused while there is still room to finish what was begun: first new groups, then
//! new nodes, then new data and large answers.

pub mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::error::ClientError;

/// What the bytes are held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Groups, nodes, statuses and logs of the in-memory state.
    Stored,
    /// Compiled selections of subscriptions.
    Selections,
    /// Frames that wait for their sockets.
    Queues,
    /// Answers that are being built or sent.
    Answers,
    /// Requests' bodies that arrive or are worked on.
    Requests,
    /// Connections, each at a constant.
    Connections,
    /// Changes on their way to the disk, and the database's cache.
    Disk,
}

/// New work, in the order in which it is refused as memory fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A new group.
    Group,
    /// A new node in a group.
    Node,
    /// New variables or events, or a large answer.
    Data,
    /// A few bytes more of a node that is known: lessons under way go on with these
    /// until the budget is used up.
    Little,
}

/// The most bytes that count as [`Work::Little`].
const LITTLE: usize = 1024;

impl Work {
    /// Percent of the budget from which on this work is refused.
    fn high_water(self) -> usize {
        match self {
            Self::Group => 70,
            Self::Node => 80,
            Self::Data => 90,
            Self::Little => 100,
        }
    }
}

const PURPOSES: usize = 7;

/// The process's memory budget. Clones share it.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: usize,
    held: [AtomicUsize; PURPOSES],
}

impl Memory {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Budget {
            limit,
            held: Default::default(),
        }))
    }

    /// A budget that nothing exceeds.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// The budget in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes held for one purpose.
    pub fn held(&self, purpose: Purpose) -> usize {
        self.0.held[purpose as usize].load(Ordering::Relaxed)
    }

    /// Bytes held altogether.
    pub fn total(&self) -> usize {
        let held = self.0.held.iter().map(|held| held.load(Ordering::Relaxed));
        held.fold(0, usize::saturating_add)
    }

    /// Refuses new work (`LimitExceeded`) above its high-water mark; `bytes` is what the
    /// work would add.
    pub fn admit(&self, work: Work, bytes: usize) -> Result<(), ClientError> {
        let mark = self.share(work.high_water());
        if self.total().saturating_add(bytes) > mark {
            return Err(ClientError::Full {
                what: "the server's memory",
                limit: self.0.limit,
            });
        }
        Ok(())
    }

    /// Refuses what a known node would add (`LimitExceeded`): much of it above the mark of
    /// [`Work::Data`], little of it above that of [`Work::Little`], and nothing never.
    pub fn admit_growth(&self, bytes: usize) -> Result<(), ClientError> {
        match bytes {
            0 => Ok(()),
            1..=LITTLE => self.admit(Work::Little, bytes),
            _ => self.admit(Work::Data, bytes),
        }
    }

    /// This many percent of the budget.
    pub fn share(&self, percent: usize) -> usize {
        self.0.limit / 100 * percent
    }

    /// Counts bytes until the lease is dropped.
    pub fn lease(&self, purpose: Purpose, bytes: usize) -> Lease {
        self.add(purpose, bytes);
        Lease {
            memory: self.clone(),
            purpose,
            bytes,
        }
    }

    fn add(&self, purpose: Purpose, bytes: usize) {
        self.0.held[purpose as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, purpose: Purpose, bytes: usize) {
        self.0.held[purpose as usize].fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are counted as long as this lives.
#[must_use = "dropping a lease gives its bytes back"]
#[derive(Debug)]
pub struct Lease {
    memory: Memory,
    purpose: Purpose,
    bytes: usize,
}

impl Lease {
    /// Bytes it holds now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget it counts in.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Holds this many bytes more.
    pub fn grow(&mut self, bytes: usize) {
        self.resize(self.bytes.saturating_add(bytes));
    }

    /// Holds this many bytes less.
    pub fn shrink(&mut self, bytes: usize) {
        self.resize(self.bytes.saturating_sub(bytes));
    }

    /// Holds `bytes` from now on.
    pub fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.memory.add(self.purpose, bytes - self.bytes);
        } else {
            self.memory.remove(self.purpose, self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.remove(self.purpose, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_until_it_is_dropped() {
        let memory = Memory::new(1000);
        let mut lease = memory.lease(Purpose::Queues, 10);
        lease.resize(30);
        let other = memory.lease(Purpose::Answers, 5);
        assert_eq!((memory.held(Purpose::Queues), memory.total()), (30, 35));
        lease.resize(7);
        drop(other);
        assert_eq!(memory.total(), 7);
        drop(lease);
        assert_eq!(memory.total(), 0);
    }

    #[test]
    fn groups_are_refused_first_then_nodes_then_data() {
        let memory = Memory::new(1000);
        let refused = |held: usize| {
            let _lease = memory.lease(Purpose::Stored, held);
            [Work::Group, Work::Node, Work::Data].map(|work| memory.admit(work, 0).is_err())
        };
        assert_eq!(refused(700), [false, false, false]);
        assert_eq!(refused(701), [true, false, false]);
        assert_eq!(refused(801), [true, true, false]);
        assert_eq!(refused(901), [true, true, true]);
        let _lease = memory.lease(Purpose::Stored, 600);
        let refusal = memory.admit(Work::Group, 101).unwrap_err();
        assert_eq!(refusal.kind(), "LimitExceeded");
    }

    #[test]
    fn a_known_node_goes_on_for_longer_the_less_it_adds() {
        let memory = Memory::new(1_000_000);
        let admitted = |held: usize| {
            let _lease = memory.lease(Purpose::Stored, held);
            [LITTLE + 1, LITTLE, 0].map(|bytes| memory.admit_growth(bytes).is_ok())
        };
        assert_eq!(admitted(890_000), [true, true, true]);
        assert_eq!(admitted(900_000), [false, true, true]);
        assert_eq!(admitted(999_999), [false, false, true]);
        assert_eq!(admitted(2_000_000), [false, false, true]);
    }
}
