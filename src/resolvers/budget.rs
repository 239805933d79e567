//! The bytes of one response (decision D24): counted while it is written, repeated fields
//! included, and leased from the process's memory until the client has read them.

use async_graphql_parser::types::OperationType;

use crate::hub::selection::SelectedField;
use crate::memory::{Lease, Memory, Purpose, Work};
use crate::model::error::ClientError;
use crate::model::message::MESSAGE_BYTES;
use crate::resolvers::field_value::FieldValue;

/// A response to a query is large above this many bytes.
const LARGE_QUERY: usize = 64 * 1024;
/// The response to a mutation is large above this many bytes. A mutation has already run
/// when its response is written, and a client repeats what was rejected: the response to
/// one that selects each field once is never large.
const LARGE_MUTATION: usize = MESSAGE_BYTES + 16 * 1024;

/// Above this many bytes a response is large: it is rejected while memory is short, or
/// while the connection has too many unread bytes.
pub fn large_response_bytes(kind: OperationType) -> usize {
    match kind {
        OperationType::Mutation => LARGE_MUTATION,
        OperationType::Query | OperationType::Subscription => LARGE_QUERY,
    }
}

/// Bytes around the fields of a response.
const ENVELOPE_BYTES: usize = r#"{"data":{}}"#.len();
/// Bytes around a field's name and value.
const FIELD_OVERHEAD: usize = r#""":,"#.len();

/// The limit of one response, and the memory that it uses.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Above this many bytes, a field needs memory that is not short.
    large: usize,
    /// Bytes of the response so far.
    written: usize,
    /// Bytes of values that fields of one operation share.
    shared: usize,
    lease: Lease,
}

impl Budget {
    /// A budget of `limit` bytes for an operation of this kind.
    pub fn new(memory: &Memory, limit: usize, kind: OperationType) -> Self {
        Self {
            limit,
            large: large_response_bytes(kind),
            written: ENVELOPE_BYTES,
            shared: 0,
            lease: memory.lease(Purpose::Responses, 0),
        }
    }

    /// Writes a field's value, if it fits. Pages of events share the bytes that are left
    /// with the `remaining` fields, this one included.
    pub fn write(
        &mut self,
        name: &str,
        value: &FieldValue,
        fields: &[SelectedField],
        remaining: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let before = self.written + name.len() + FIELD_OVERHEAD;
        let left = self.limit.saturating_sub(before);
        let json = value.write(fields, left / remaining.max(1), left);
        let json = json.ok_or(ClientError::ResponseTooLarge { bytes: self.limit })?;
        if json.len() > self.large {
            self.lease.memory().admit(Work::Data, json.len())?;
        }
        self.written = before + json.len();
        self.lease.resize(self.written + self.shared);
        Ok(json)
    }

    /// Counts the bytes of a value that other fields share.
    pub fn reserve(&mut self, bytes: usize) {
        self.shared += bytes;
        self.lease.resize(self.written + self.shared);
    }

    /// Stops counting the bytes of a shared value.
    pub fn release(&mut self, bytes: usize) {
        self.shared = self.shared.saturating_sub(bytes);
        self.lease.resize(self.written + self.shared);
    }

    /// The whole response and its lease; rejected when it is larger than the limit.
    pub fn finish(mut self, json: Vec<u8>) -> Result<(Vec<u8>, Lease), ClientError> {
        if json.len() > self.limit {
            return Err(ClientError::ResponseTooLarge { bytes: self.limit });
        }
        self.lease.resize(json.len());
        Ok((json, self.lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::GroupKey;
    use crate::model::message::{Dissolution, Message};

    #[test]
    fn while_memory_is_short_a_mutation_gets_its_response_and_a_large_query_is_rejected() {
        let memory = Memory::new(1 << 20);
        let _held = memory.lease(Purpose::Stored, 1 << 20);
        let group = GroupKey::parse("g", "d").unwrap();
        let value = FieldValue::Message(Message::Dissolved(Dissolution {
            group,
            message: "x".repeat(LARGE_QUERY),
            reason: None,
        }));
        let message = SelectedField::leaf("message", crate::hub::selection::Field::Message);
        let fields = [SelectedField::node(
            "groupDissolve",
            crate::hub::selection::Field::GroupDissolve,
            vec![message],
        )];
        let write = |kind| {
            let mut budget = Budget::new(&memory, 5 << 20, kind);
            budget.write("dissolveGroup", &value, &fields, 1)
        };
        assert!(write(OperationType::Mutation).is_ok());
        let error = write(OperationType::Query).unwrap_err();
        assert_eq!(error.kind(), "LimitExceeded");
    }
}
