//! The operations of one connection that wait for the running one.

use std::collections::VecDeque;

use crate::memory::{Lease, Memory, Purpose};
use crate::model::join_code::JoinCode;
use crate::realtime::position::PositionRequest;
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;
use crate::resolvers::request::OwnedGraphQlRequest;

/// An operation that waits.
pub struct QueuedOperation {
    /// Which operation.
    pub operation: OperationKey,
    /// Its protocol.
    pub dialect: Dialect,
    /// Its request.
    pub request: OwnedGraphQlRequest,
    /// Its request for positions, if there is one.
    pub positions: Option<PositionRequest>,
    /// The join code that its client sent over the socket.
    pub join_code: Option<JoinCode>,
    /// The length of its message.
    pub bytes: usize,
}

/// The operations that wait, oldest first; their bytes are part of the memory budget.
#[derive(Default)]
pub struct OperationQueue {
    waiting: VecDeque<QueuedOperation>,
    bytes: usize,
    lease: Option<Lease>,
}

impl OperationQueue {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of the messages that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an operation.
    pub fn push(&mut self, operation: QueuedOperation, memory: &Memory) {
        self.waiting.push_back(operation);
        self.account(memory);
    }

    /// Takes the oldest operation.
    pub fn pop(&mut self, memory: &Memory) -> Option<QueuedOperation> {
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            // Most sockets start one operation and keep it: free the memory.
            self.waiting = VecDeque::new();
        }
        self.account(memory);
        next
    }

    /// Removes the operations of this id.
    pub fn remove(&mut self, id: &str, memory: &Memory) {
        self.waiting.retain(|waiting| waiting.operation.id != id);
        self.account(memory);
    }

    fn account(&mut self, memory: &Memory) {
        self.bytes = self.waiting.iter().map(|waiting| waiting.bytes).sum();
        self.lease = (self.bytes > 0).then(|| memory.lease(Purpose::Queues, self.bytes));
    }
}
