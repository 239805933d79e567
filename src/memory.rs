//! One memory budget for the whole process (decision D26).
//!
//! Limits on counts do not bound memory: a thousand groups of a thousand nodes of 64 KB each
//! are 64 GB. So every module that holds many or large values counts their bytes here. New work
//! is refused before the budget is used up, so that work in progress can finish: first new
//! groups, then new nodes, then new data and large responses.

pub mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::error::ClientError;

/// What bytes are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Groups, nodes, statuses and event logs of the in-memory state.
    Stored,
    /// Compiled selections of subscriptions.
    Selections,
    /// Frames queued for sockets.
    Queues,
    /// Messages kept for subscribers that come back.
    Histories,
    /// Responses that are being built or sent.
    Responses,
    /// Request bodies that are being received or processed.
    Requests,
    /// Connections, at a constant each.
    Connections,
    /// Changes that are not yet written to disk.
    Disk,
}

impl Purpose {
    const ALL: [Self; PURPOSES] = [
        Self::Stored,
        Self::Selections,
        Self::Queues,
        Self::Histories,
        Self::Responses,
        Self::Requests,
        Self::Connections,
        Self::Disk,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Selections => "selections",
            Self::Queues => "queues",
            Self::Histories => "histories",
            Self::Responses => "responses",
            Self::Requests => "requests",
            Self::Connections => "connections",
            Self::Disk => "disk",
        }
    }
}

/// Kinds of new work, in the order in which they are refused as memory fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A new group.
    Group,
    /// A new node in a group.
    Node,
    /// New variables or events, or a large response.
    Data,
    /// A few more bytes of an existing node: lessons in progress can go on until the budget is
    /// used up.
    SmallUpdate,
}

/// The largest growth in bytes that counts as [`Work::SmallUpdate`].
const SMALL_BYTES: usize = 1024;

impl Work {
    /// Percent of the budget above which this work is refused.
    fn high_water(self) -> usize {
        match self {
            Self::Group => 70,
            Self::Node => 80,
            Self::Data => 90,
            Self::SmallUpdate => 100,
        }
    }
}

const PURPOSES: usize = 8;

/// The process's memory budget. Clones share it.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: usize,
    leased: [AtomicUsize; PURPOSES],
}

impl Memory {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Budget {
            limit,
            leased: Default::default(),
        }))
    }

    /// A budget without a limit.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// The budget in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes leased for one purpose.
    pub fn leased(&self, purpose: Purpose) -> usize {
        self.0.leased[purpose as usize].load(Ordering::Relaxed)
    }

    /// Bytes leased, by the name of their purpose.
    pub fn by_purpose(&self) -> Vec<(&'static str, usize)> {
        let named = |purpose: &Purpose| (purpose.name(), self.leased(*purpose));
        Purpose::ALL.iter().map(named).collect()
    }

    /// Bytes leased in total.
    pub fn total(&self) -> usize {
        let leased = self.0.leased.iter();
        let bytes = leased.map(|bytes| bytes.load(Ordering::Relaxed));
        bytes.fold(0, usize::saturating_add)
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

    /// Refuses growth of an existing node (`LimitExceeded`): by more than a kilobyte above
    /// the mark of [`Work::Data`], by less above that of [`Work::SmallUpdate`]. Never refuses
    /// zero bytes.
    pub fn admit_growth(&self, bytes: usize) -> Result<(), ClientError> {
        match bytes {
            0 => Ok(()),
            1..=SMALL_BYTES => self.admit(Work::SmallUpdate, bytes),
            _ => self.admit(Work::Data, bytes),
        }
    }

    /// `percent` of the budget.
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
        self.0.leased[purpose as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, purpose: Purpose, bytes: usize) {
        self.0.leased[purpose as usize].fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that count until this is dropped.
#[must_use = "dropping a lease releases its bytes"]
#[derive(Debug)]
pub struct Lease {
    memory: Memory,
    purpose: Purpose,
    bytes: usize,
}

impl Lease {
    /// Its bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its budget.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Adds bytes.
    pub fn grow(&mut self, bytes: usize) {
        self.resize(self.bytes.saturating_add(bytes));
    }

    /// Releases bytes.
    pub fn shrink(&mut self, bytes: usize) {
        self.resize(self.bytes.saturating_sub(bytes));
    }

    /// Sets the number of bytes.
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
mod tests;
