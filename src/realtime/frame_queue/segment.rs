//! The pieces of which queued frames consist.

use bytes::Bytes;

/// A part of a frame that is queued.
#[derive(Clone)]
pub enum Part<'a> {
    /// Bytes to copy.
    Copied(&'a [u8]),
    /// Bytes to share.
    Shared(&'a Bytes),
}

impl Part<'_> {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

/// A contiguous piece of the queue.
#[derive(Debug)]
pub enum Segment {
    /// Small parts, copied one after the other.
    Copied(Vec<u8>),
    /// A large part, shared with other sockets' queues.
    Shared(Bytes),
}

impl Segment {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// Keeps the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        match self {
            Self::Copied(bytes) => {
                bytes.truncate(length);
                bytes.shrink_to_fit();
            }
            Self::Shared(bytes) => bytes.truncate(length),
        }
    }

    /// Drops the first `length` bytes.
    pub fn drop_first(&mut self, length: usize) {
        match self {
            Self::Copied(bytes) => drop(bytes.drain(..length)),
            Self::Shared(bytes) => drop(bytes.split_to(length)),
        }
    }

    /// Splits off everything from `at` on.
    pub fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Copied(bytes) => {
                let rest = Self::Copied(bytes.split_off(at));
                bytes.shrink_to_fit();
                rest
            }
            Self::Shared(bytes) => Self::Shared(bytes.split_off(at)),
        }
    }

    /// Allocated bytes that this queue does not share.
    pub fn owned_bytes(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.capacity(),
            Self::Shared(_) => 0,
        }
    }
}
